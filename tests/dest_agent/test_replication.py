"""An honest source against a whole destination, over real TLS."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

from backports import zstd

from common.clock import SystemClock
from common.ids import digest_of
from common.model import Abort, Attributes, Frame, Have, Kind, Offer, RefusalCode, SendWhole, Staged, Stored
from common.pb import replication_pb2
from common.wire.replication import frame_to_pb
from tests.contracts.catalogue_contract import version
from tests.dest_agent.served import Client, config, file_version, frames, refusals, site
from tests.fakes.pki import SOURCE

LARGE = random.Random(1).randbytes(700_000)
FLAT = b"the same words again and again " * 20_000


def test_hello_agrees_on_a_protocol_and_tells_what_is_remembered(tmp_path: Path, pki: Path) -> None:
    """A source that lost its journal learns where to number on."""

    async def scene() -> replication_pb2.HelloReply:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await client.upload(*frames(file_version(41, b"x"), b"x"))
            reply: replication_pb2.HelloReply = await client.replication.Hello(replication_pb2.HelloRequest(protocols=[7, 1]))
            return reply

    reply = asyncio.run(scene())
    assert (reply.protocol, reply.agent, reply.last_seq) == (1, "oslo-1", 41)
    assert set(reply.codings) == {"raw", "zstd", "lepton", "jpeg", "raster"}


def test_contents_go_in_and_come_out_bit_for_bit(tmp_path: Path, pki: Path) -> None:
    """Raw, coded, empty, large, and several on one stream; over a restart."""
    contents = [b"", b"tiny", LARGE, FLAT]
    settings = config(tmp_path, pki)

    async def scene() -> None:
        async with site(settings, pki) as at, at.caller() as client:
            said = [frame for n, c in enumerate(contents, start=1) for frame in frames(file_version(n, c, b"%d" % n), c)]
            coded = frames(file_version(9, FLAT, b"9"), zstd.compress(FLAT + b""), coding="zstd")
            receipts = await client.upload(*said, *coded)
            assert {r.seq: r.outcome for r in receipts} == dict.fromkeys([1, 2, 3, 4, 9], Stored())
        async with site(settings, pki) as at, at.caller() as client:
            assert await client.fetched(*map(digest_of, contents)) == contents
            assert [e.version.seq for e in await client.listed()] == [1, 2, 3, 4, 9]
            assert client.staged() == []

    asyncio.run(scene())


def test_a_coded_content_is_kept_as_it_came(tmp_path: Path, pki: Path) -> None:
    """Small disks: what the source saved is saved here too."""
    asyncio.run(_kept(tmp_path, pki, keep="coded", coding="zstd"))


def test_a_coded_content_is_kept_decoded_where_the_operator_wants_it(tmp_path: Path, pki: Path) -> None:
    """Restores at the disk's speed."""
    asyncio.run(_kept(tmp_path, pki, keep="original", coding="raw"))


async def _kept(folder: Path, pki: Path, *, keep: str, coding: str) -> None:
    async with site(config(folder, pki, keep=keep), pki) as at, at.caller() as client:
        assert refusals(await client.upload(*frames(file_version(1, FLAT), zstd.compress(FLAT), coding="zstd"))) == [None]
        assert client.objects() == [f"{digest_of(FLAT).hex()}.{coding}"]
        assert client.staged() == []
        assert await client.fetched(digest_of(FLAT)) == [FLAT]
        async with at.operator() as operator:
            problems, done = await operator.verified()
            assert (problems, done.contents, done.orphans) == ([], 1, 0)


def test_what_is_held_is_planned_and_recorded_without_a_byte(tmp_path: Path, pki: Path) -> None:
    """A copy, a moved file, A then B then A again."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await client.upload(*frames(file_version(1, LARGE), LARGE))
            plans = await client.offer(Offer(digest_of(LARGE), len(LARGE)), Offer(digest_of(b"new"), 3))
            assert [plan.answer for plan in plans] == [Have(), SendWhole()]
            others = [version(3, b"dir", None), version(4, b"gone", None, kind=Kind.ABSENT)]
            assert refusals(await client.record(file_version(2, LARGE, b"copy.jpg"), *others)) == [None] * 3
            assert refusals(await client.record(file_version(2, LARGE, b"copy.jpg"))) == [None]
            assert [e.version.path for e in await client.listed()] == [b"a.jpg", b"copy.jpg", b"dir"]
            assert len(client.objects()) == 1

    asyncio.run(scene())


def test_a_cut_upload_is_resumed_where_it_broke(tmp_path: Path, pki: Path) -> None:
    """Also after the destination was started anew."""
    settings = config(tmp_path, pki)
    begin, *pieces = frames(file_version(1, LARGE), LARGE)

    async def scene() -> None:
        async with site(settings, pki) as at, at.caller() as client:
            await _cut_after(client, begin, *pieces[:5])
        async with site(settings, pki) as at, at.caller() as client:
            (plan,) = await client.offer(Offer(digest_of(LARGE), len(LARGE)))
            n_bytes = 5 * 64 * 1024
            assert plan.answer == SendWhole(Staged("raw", n_bytes, digest_of(LARGE[:n_bytes])))
            assert refusals(await client.upload(*frames(file_version(1, LARGE), LARGE, offset=n_bytes))) == [None]
            assert await client.fetched(digest_of(LARGE)) == [LARGE]
            assert client.staged() == []

    asyncio.run(scene())


async def _cut_after(client: Client, *said: Frame) -> None:
    """Sends frames and hangs up once they have come, by which time nothing else was said."""
    call = client.replication.Upload()
    for frame in said:
        await call.write(frame_to_pb(frame))
    # A second stream is answered after the first one's frames were read: they share the connection and the loop.
    await client.upload(*frames(file_version(99, b"marker"), b"marker"))
    call.cancel()
    while not call.done():
        await SystemClock().sleep(0.001)


def test_a_source_that_gives_up_a_content_goes_on_with_the_next(tmp_path: Path, pki: Path) -> None:
    """The file changed while it was read."""
    begin, first, *_ = frames(file_version(1, LARGE), LARGE)

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            receipts = await client.upload(begin, first, Abort(), *frames(file_version(2, b"next"), b"next"))
            assert dict(zip([r.seq for r in receipts], refusals(receipts), strict=True)) == {1: RefusalCode.ABORTED, 2: None}
            assert client.staged() == []

    asyncio.run(scene())


def test_attributes_and_rare_names_come_back(tmp_path: Path, pki: Path) -> None:
    """Whatever a path may have, up to the limits."""
    rare = version(1, b"\xff" * 255 + b"/" + "naïve".encode(), b"x")
    rich = Attributes(mode=0o4755, uid=2**32 - 1, xattrs=tuple((b"user.%03d" % n, b"v" * 1000) for n in range(200)))

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await client.upload(*frames(rare, b"x"))
            many = [replace(version(n, b"d%d" % n, None), attributes=rich) for n in range(2, 12)]
            for one in many:
                assert refusals(await client.record(one)) == [None]
            listed = await client.listed()
            assert {e.version.path for e in listed} == {rare.path, *(v.path for v in many)}
            assert all(len(e.version.attributes.xattrs) == 200 for e in listed if e.version.seq > 1)
            assert {e.source for e in listed} == {SOURCE}

    asyncio.run(scene())
