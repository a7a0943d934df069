"""The Deliveries service over a real socket: pages, filters, limits, and trying again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from common.ids import digest_of
from common.paths import RelPath
from common.pb import admin_pb2 as pb
from common.wire.transport import MAX_MESSAGE_BYTES
from source_agent.states import State
from tests.fakes.pki import make_pki
from tests.source_agent.operated import Operated


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source's certificate."""
    return make_pki(tmp_path_factory.mktemp("pki"))


async def all_of(deliveries: Any, **asked: Any) -> list[pb.VersionState]:
    """Every page of a listing."""
    request, found = pb.ListVersionsRequest(**asked), []
    while True:
        page = await deliveries.ListVersions(request)
        assert page.ByteSize() < MAX_MESSAGE_BYTES
        found += page.versions
        if not page.next_page_token:
            return found
        assert page.next_page_token != request.page_token
        request.page_token = page.next_page_token


def test_versions_come_in_pages_the_newest_first(tmp_path: Path, pki: Path) -> None:
    """Filtered by state, policy and path; also where what is asked for is rare, and far away."""
    site = Operated(tmp_path, pki)
    (refused,) = site.put("first/rare.jpg", state=State.QUARANTINED, reason="too large")
    site.put(*(f"a/{n:04}.jpg" for n in range(1200)), state=State.REPLICATED)
    desk = site.put("b/x.jpg", "b/y.txt", root=site.other)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del upkeep
        everything = await all_of(deliveries, page_size=1000)
        seqs = [version.seq for version in everything]
        assert seqs == sorted(set(seqs), reverse=True)
        assert len(seqs) == 1203
        (one,) = await all_of(deliveries, states=["quarantined"])
        assert (one.seq, one.path, one.reason, one.state, one.policy) == (
            refused,
            b"first/rare.jpg",
            "too large",
            "quarantined",
            "photos",
        )
        assert one.digest == digest_of(b"first/rare.jpg")
        assert [v.seq for v in await all_of(deliveries, glob="rare.*", page_size=10)] == [refused]
        assert [v.seq for v in await all_of(deliveries, policy="papers")] == desk[::-1]
        assert [v.path for v in await all_of(deliveries, policy="papers", states=["queued"], glob="*.txt")] == [b"b/y.txt"]
        masked = await all_of(deliveries, policy="papers", fields=FieldMask(paths=["path", "state"]))
        assert masked[0] == pb.VersionState(path=b"b/y.txt", state="queued")

    site.serve(deed)


def test_versions_of_any_paths_fit_into_messages(tmp_path: Path, pki: Path) -> None:
    """Each path nearly as long as one may be."""
    site = Operated(tmp_path, pki)
    site.put(*("/".join(["d" * 200] * 150 + [f"{n}.jpg"]) for n in range(90)), state=State.QUARANTINED, reason="r")

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del upkeep
        assert len(await all_of(deliveries, page_size=1000)) == 90
        asked, n_told, n_pages = pb.ListQuarantineRequest(page_size=1000), 0, 0
        while True:
            page = await deliveries.ListQuarantine(asked)
            assert page.ByteSize() < MAX_MESSAGE_BYTES
            n_told, n_pages = n_told + len(page.problems), n_pages + 1
            if not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        assert n_told == 90
        assert n_pages > 3

    site.serve(deed)


def test_what_was_set_aside_is_tried_again_only_where_it_was_meant(tmp_path: Path, pki: Path) -> None:
    """By policy and path; said twice it finds nothing left to do; the sender is woken and the intake looks."""
    site = Operated(tmp_path, pki)
    site.put("a/one.jpg", "a/two.jpg", state=State.QUARANTINED, reason="no")
    site.put("a/three.txt", root=site.other, state=State.QUARANTINED, reason="no")
    site.put("a/gone.jpg", state=State.SUPERSEDED)
    site.journal.note_unreadable(site.root, RelPath(b"a/locked.jpg"), "EACCES")
    site.journal.note_unreadable(site.other, RelPath(b"locked.txt"), "EIO")

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del upkeep
        told = (await deliveries.ListQuarantine(pb.ListQuarantineRequest())).problems
        assert [(p.path, p.reason, bool(p.seq)) for p in told] == [
            (b"a/one.jpg", "no", True),
            (b"a/two.jpg", "no", True),
            (b"a/three.txt", "no", True),
            (b"a/locked.jpg", "EACCES", False),
            (b"locked.txt", "EIO", False),
        ]
        for asked, versions, paths in (
            (pb.RetryRequest(glob="*.png"), 0, 0),
            (pb.RetryRequest(policy="photos", glob="/a/"), 2, 1),
            (pb.RetryRequest(policy="photos", glob="/a/"), 0, 0),
            (pb.RetryRequest(), 1, 1),
        ):
            assert await deliveries.Retry(asked) == pb.RetryReply(versions=versions, paths=paths)
        assert site.n_again == 4
        assert site.journal.counts() == {"queued": 3, "superseded": 1}
        assert {(site.root, b"a/locked.jpg"), (site.other, b"locked.txt")} <= set(site.journal.dirty())
        assert (await deliveries.ListQuarantine(pb.ListQuarantineRequest())).problems == []

    site.serve(deed)


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("ListVersions", pb.ListVersionsRequest(states=["lost"])),
        ("ListVersions", pb.ListVersionsRequest(page_token="-1")),
        ("ListVersions", pb.ListVersionsRequest(glob="a" * 5000)),
        ("ListVersions", pb.ListVersionsRequest(glob="\0")),
        ("ListVersions", pb.ListVersionsRequest(policy="a/b")),
        ("ListVersions", pb.ListVersionsRequest(fields=FieldMask(paths=["colour"]))),
        ("ListQuarantine", pb.ListQuarantineRequest(page_token="9" * 50)),
        ("Retry", pb.RetryRequest(glob="#")),
    ],
)
def test_what_cannot_be_meant_changes_nothing(tmp_path: Path, pki: Path, call: str, request_: object) -> None:
    """A sentence says what was wrong."""
    site = Operated(tmp_path, pki)
    site.put("a", state=State.QUARANTINED)

    async def deed(deliveries: Any, upkeep: Any) -> None:
        del upkeep
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(deliveries, call)(request_)
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert failed.value.details()
        assert site.n_again == 0

    site.serve(deed)
