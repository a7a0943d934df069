"""The operator's doors to a source: who is let in, what is written down, what errors become."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.errors import SmarterError
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import DeliveriesStub
from tests.fakes.pki import DEST, SOURCE, make_pki
from tests.source_agent.operated import Operated


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, two sources, a destination and an operator."""
    return make_pki(tmp_path_factory.mktemp("pki"), sources=(SOURCE, "porto-1"))


@pytest.mark.parametrize("by", ["", "operator"])
def test_the_operator_is_let_in_by_both_doors_and_what_he_changes_is_written_down(tmp_path: Path, pki: Path, by: str) -> None:
    """Looking leaves no trace; a change is in the log with who asked for it, also one that came to nothing."""
    site = Operated(tmp_path, pki)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        await deliveries.ListVersions(pb.ListVersionsRequest())
        await upkeep.Metrics(pb.MetricsRequest())
        assert list(site.audit.entries()) == []
        await deliveries.Retry(pb.RetryRequest(glob="/2026/*.jpg"))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await upkeep.SetLogLevel(pb.SetLogLevelRequest(level="loud"))
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        told = (await upkeep.ListAudit(pb.ListAuditRequest())).entries
        assert [(e.call, e.asked, bool(e.failed)) for e in told] == [
            ("Upkeep.SetLogLevel", 'level: "loud"', True),
            ("Deliveries.Retry", 'glob: "/2026/*.jpg"', False),
        ]
        assert {e.by for e in told} == {f"smarter://operator/{by or 'admin-socket'}"}
        assert "loud" in told[0].failed

    site.serve(deed, by=by)


@pytest.mark.parametrize("by", [SOURCE, "porto-1", DEST])
def test_nobody_else_is_let_in_over_the_network(tmp_path: Path, pki: Path, by: str) -> None:
    """Another agent's certificate is of our authority, and no operator's: not even to look. Health is for all of them."""
    site = Operated(tmp_path, pki)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        for call in (deliveries.ListVersions(pb.ListVersionsRequest()), upkeep.SetLogLevel(pb.SetLogLevelRequest())):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert "not the operator" in (refused.value.details() or "")
        assert list(site.audit.entries()) == []

    site.serve(deed, by=by)

    async def health() -> None:
        async with site.answering(), site.calling(by) as channel:
            reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert reply.status == health_pb2.HealthCheckResponse.SERVING

    asyncio.run(health())


def test_an_operator_of_another_authority_is_not_heard(tmp_path: Path, pki: Path) -> None:
    """The handshake fails, before a word is said."""
    site = Operated(tmp_path, pki)

    async def scene() -> None:
        async with site.answering():
            site.pki = make_pki(tmp_path / "other")
            async with site.calling("operator") as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await DeliveriesStub(channel).ListVersions(pb.ListVersionsRequest())
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(scene())
    site.journal.close()


def test_a_change_that_cannot_be_written_down_is_not_made(tmp_path: Path, pki: Path) -> None:
    """Where the log should be stands a folder."""
    site = Operated(tmp_path, pki)
    (tmp_path / "audit.jsonl").mkdir()

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del upkeep
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await deliveries.Retry(pb.RetryRequest())
        assert "audit log cannot be written" in (refused.value.details() or "")
        assert site.n_again == 0

    site.serve(deed)


def test_a_taken_address_is_said_in_one_sentence(tmp_path: Path, pki: Path) -> None:
    """And the socket is closed again."""
    site = Operated(tmp_path, pki)

    async def scene() -> None:
        async with site.answering():
            second = Operated(tmp_path / "s2", pki)
            second.port = site.port
            with pytest.raises(SmarterError, match=r"admin\.listen: .* cannot be bound"):
                async with second.answering():
                    pass
            second.journal.close()

    (tmp_path / "s2").mkdir()
    asyncio.run(scene())
    site.journal.close()


def test_the_audit_log_comes_in_pages(tmp_path: Path, pki: Path) -> None:
    """None twice, none left out; only since a time where one is named."""
    site = Operated(tmp_path, pki)
    for n in range(7):
        site.audit.asked("by", "call", str(n))
        site.clock.advance(10)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del deliveries
        asked, told = pb.ListAuditRequest(page_size=3), []
        while True:
            page = await upkeep.ListAudit(asked)
            told += [entry.asked for entry in page.entries]
            if not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        assert told == list("6543210")
        late = await upkeep.ListAudit(pb.ListAuditRequest(since_ns=site.clock.now_ns() - 25 * 10**9))
        assert [entry.asked for entry in late.entries] == ["6", "5"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await upkeep.ListAudit(pb.ListAuditRequest(page_token="x"))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    site.serve(deed)


def test_an_agent_that_was_not_started_from_a_file_reloads_nothing(tmp_path: Path, pki: Path) -> None:
    """It says so."""
    site = Operated(tmp_path, pki)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del deliveries
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await upkeep.ReloadConfig(pb.ReloadConfigRequest())
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION

    site.serve(deed)


def test_a_change_whose_asker_hangs_up_is_not_called_a_failure(tmp_path: Path, pki: Path) -> None:
    """It is in the log as asked for: it may be made all the same."""
    site = Operated(tmp_path, pki)
    site.file = tmp_path / "source.yaml"

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del deliveries
        call = upkeep.ReloadConfig(pb.ReloadConfigRequest())
        await site.reloading.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await upkeep.SetLogLevel(pb.SetLogLevelRequest(level="info"))
        assert [(e.call, e.failed) for e in site.audit.entries()] == [("Upkeep.SetLogLevel", ""), ("Upkeep.ReloadConfig", "")]

    site.serve(deed)
