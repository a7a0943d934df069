"""What the operator sees and turns of a running destination, and that nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest

from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import AdminStub, UpkeepStub
from tests.dest_agent.served import config, file_version, frames, site


def test_a_drill_is_remembered(tmp_path: Path, pki: Path) -> None:
    """Over a restart, in the status and among the metrics; one that failed is no verified restore."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller("operator") as operator:
            assert (await operator.status()).last_drill_ns == 0
            await operator.admin.RecordDrill(pb.DrillResult(files=10, bytes=1000, errors=0))
        async with site(config(tmp_path, pki), pki) as at, at.operator() as operator:
            status = await operator.status()
            assert (status.last_drill_files, status.last_drill_bytes, status.last_drill_errors) == (10, 1000, 0)
            upkeep = UpkeepStub(operator.channel)

            async def told() -> float:
                text = (await upkeep.Metrics(pb.MetricsRequest())).text
                (line,) = [line for line in text.splitlines() if line.startswith("smarter_last_drill_timestamp_seconds ")]
                return float(line.split()[1])

            assert await told() == pytest.approx(status.last_drill_ns / 1e9)
            await operator.admin.RecordDrill(pb.DrillResult(files=10, bytes=1000, errors=1))
            assert (await operator.status()).last_drill_errors == 1
            assert await told() == 0
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await operator.admin.RecordDrill(pb.DrillResult(files=1 << 63))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            audited = (await upkeep.ListAudit(pb.ListAuditRequest())).entries
            assert [e.call for e in audited] == ["Admin.RecordDrill"] * 3
            assert [e.by for e in audited][2] == "smarter://operator/operator"
            assert [bool(e.failed) for e in audited] == [True, False, False]

    asyncio.run(scene())


def test_the_metrics_count_what_happened(tmp_path: Path, pki: Path) -> None:
    """In the format that Prometheus reads, with the gauges of this moment."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.operator() as operator:
            await client.upload(*frames(file_version(1, b"content"), b"content"))
            text = (await UpkeepStub(operator.channel).Metrics(pb.MetricsRequest())).text
            assert "\nsmarter_store_objects 1.0\n" in text
            assert '\nsmarter_receipts_total{source="lisbon-1"} ' in text

    asyncio.run(scene())


@pytest.mark.parametrize("by", ["lisbon-1", "oslo-2"])
def test_an_agents_certificate_opens_nothing_of_the_operators(tmp_path: Path, pki: Path, by: str) -> None:
    """Neither to look nor to turn."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller(by) as client:
            upkeep, admin = UpkeepStub(client.channel), AdminStub(client.channel)
            calls: list[Awaitable[object]] = [
                upkeep.Metrics(pb.MetricsRequest()),
                upkeep.SetLogLevel(pb.SetLogLevelRequest(level="debug")),
                upkeep.ReloadConfig(pb.ReloadConfigRequest()),
                upkeep.ListAudit(pb.ListAuditRequest()),
                admin.Status(pb.StatusRequest()),
                admin.RecordDrill(pb.DrillResult()),
            ]
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call
                assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await admin.Verify(pb.VerifyRequest()).read()
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED

    asyncio.run(scene())
