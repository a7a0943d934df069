"""Reading back: every byte proved, damage named, much of it at once."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
from backports import zstd

from common.clock import SystemClock
from common.errors import IntegrityError
from common.ids import digest_of
from common.metrics import VERIFIED, snapshot
from common.model import Chunks, RefusalCode
from common.pb import restore_pb2
from common.workers import Workers
from dest_agent import recipes
from dest_agent.recipes import object_of
from tests.contracts.catalogue_contract import version
from tests.dest_agent.served import Client, config, file_version, frames, refusals, site
from tests.fakes.pictures import jpeg, png

RAW = random.Random(4).randbytes(2_500_000)
FLAT = b"the same words again and again " * 20_000


def damage(folder: Path, content: bytes, *, coding: str, new: bytes | None) -> None:
    """Overwrites an object behind the agent's back, or removes it."""
    (path,) = (folder / "store" / "objects").glob(f"*/{digest_of(content).hex()}.{coding}")
    path.unlink()
    if new is not None:
        path.write_bytes(new)


def open_files() -> list[str]:
    """What this process has open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


async def filled(client: Client) -> None:
    """A raw and a coded content, under three paths."""
    receipts = await client.upload(
        *frames(file_version(1, RAW, b"raw.bin"), RAW),
        *frames(file_version(2, FLAT, b"flat.txt"), zstd.compress(FLAT), coding="zstd"),
    )
    receipts += await client.record(file_version(3, RAW, b"copy.bin"))
    assert refusals(receipts) == [None] * 3


@pytest.mark.parametrize(
    ("content", "coding", "new"),
    [
        (RAW, "raw", RAW[:-1] + b"\0"),
        (RAW, "raw", RAW[:-1]),
        (RAW, "raw", RAW + b"\0"),
        (RAW, "raw", None),
        (FLAT, "zstd", b"noise" * 100),
        (FLAT, "zstd", zstd.compress(FLAT[:-1] + b"X")),
        (FLAT, "zstd", b""),
        (FLAT, "zstd", None),
    ],
    ids=["raw-flipped", "raw-short", "raw-long", "raw-gone", "coded-noise", "coded-other", "coded-empty", "coded-gone"],
)
def test_damage_is_found_and_named_by_verify_and_never_restored(
    content: bytes, coding: str, new: bytes | None, tmp_path: Path, pki: Path
) -> None:
    """The sound content beside it still comes back; the source healing it makes everything good."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.operator() as operator:
            await filled(client)
            damage(tmp_path, content, coding=coding, new=new)
            before = snapshot(VERIFIED).get("broken", 0)
            problems, done = await operator.verified()
            assert [problem.digest for problem in problems] == [digest_of(content)]
            assert problems[0].reason
            assert "lisbon-1:photos/library/" in problems[0].paths[0]
            assert (done.contents, done.problems) == (2, 1)
            assert snapshot(VERIFIED)["broken"] == before + 1
            status = await operator.status()
            assert status.last_verify_ns > 0
            assert status.last_verify_errors == 1
            other = FLAT if content is RAW else RAW
            if not (coding == "raw" and new == RAW + b"\0"):
                fetched = await client.fetched(digest_of(content), digest_of(other))
                assert fetched == [RefusalCode.PROOF_FAILED, other]
            coded = content if coding == "raw" else zstd.compress(content)
            assert refusals(await client.upload(*frames(file_version(9, content, b"again"), coded, coding=coding))) == [None]
            assert (await operator.verified())[1].problems == 0
            assert await client.fetched(digest_of(content)) == [content]

    asyncio.run(scene())


def test_verify_reads_what_a_policy_needs(tmp_path: Path, pki: Path) -> None:
    """A part of the backup does not count as the whole having been verified."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.operator() as operator:
            await filled(client)
            assert (await operator.verified("photos"))[1].contents == 2
            assert (await operator.verified("music"))[1].contents == 0
            assert (await operator.status()).last_verify_ns == 0
            assert (await operator.verified())[1].bytes == len(RAW) + len(FLAT)

    asyncio.run(scene())


def test_contents_come_in_the_order_asked_however_they_are_kept(
    tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small and large, decoded in memory and on disk, the same one twice."""
    monkeypatch.setattr(recipes, "IN_MEMORY_BYTES", 10_000)
    small = [b"%d" % n * n for n in range(60)]

    async def scene() -> None:
        async with site(config(tmp_path, pki, workers=2), pki) as at, at.caller() as client:
            await filled(client)
            said = [frame for n, c in enumerate(small, start=100) for frame in frames(file_version(n, c, b"s%d" % n), c)]
            await client.upload(*said)
            wanted = [RAW, *small[:30], FLAT, RAW, *small[30:], FLAT]
            assert await client.fetched(*map(digest_of, wanted)) == wanted
            unknown = digest_of(b"unknown")
            assert await client.fetched(unknown, digest_of(FLAT)) == [RefusalCode.NEED_CONTENT, FLAT]
            assert client.staged() == []

    asyncio.run(scene())


@pytest.mark.parametrize(("coding", "picture"), [("lepton", jpeg(1)), ("jpeg", jpeg(1)), ("raster", png(1))])
def test_a_picture_is_kept_as_it_was_coded_and_comes_back(tmp_path: Path, pki: Path, coding: str, picture: bytes) -> None:
    """Through the real worker processes, both ways."""

    async def encoded() -> bytes:
        workers = Workers(1)
        source, target = os.memfd_create("source"), os.memfd_create("target")
        try:
            os.write(source, picture)
            await workers.encode(coding, source, target)
            return os.pread(target, 1 << 24, 0)
        finally:
            os.close(source)
            os.close(target)
            await workers.close()

    async def scene() -> None:
        coded = await encoded()
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            assert refusals(await client.upload(*frames(file_version(1, picture), coded, coding=coding))) == [None]
            assert client.objects() == [f"{digest_of(picture).hex()}.{coding}"]
            assert await client.fetched(digest_of(picture)) == [picture]

    asyncio.run(scene())


def test_a_reader_who_hangs_up_leaves_nothing_open(tmp_path: Path, pki: Path) -> None:
    """Contents opened ahead are closed; the agent stops at once."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await filled(client)
            before = len(os.listdir("/proc/self/fd"))
            asked = [restore_pb2.FetchRequest(source="lisbon-1", digest=digest_of(c)) for c in (RAW, FLAT) * 20]
            call = client.restore.Fetch(iter(asked))
            await call.read()
            call.cancel()
            assert await client.fetched(digest_of(FLAT)) == [FLAT]
            while len(os.listdir("/proc/self/fd")) > before + 2:
                await SystemClock().sleep(0.01)

    asyncio.run(scene())


def test_what_readers_leave_lying_is_not_kept_in_memory(tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound for all together contents are decoded into nameless files, and come whole all the same."""
    monkeypatch.setattr(recipes, "ALL_IN_MEMORY_BYTES", 2 * len(FLAT))

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await filled(client)
            asked = [restore_pb2.FetchRequest(source="lisbon-1", digest=digest_of(FLAT))] * 6
            idle = [client.restore.Fetch(iter(asked)) for _ in range(4)]
            for call in idle:
                await call.read()
            assert await client.fetched(*[digest_of(FLAT)] * 3) == [FLAT] * 3
            assert sum("memfd:content" in link for link in open_files()) <= 2
            for call in idle:
                call.cancel()
            assert await client.fetched(digest_of(FLAT)) == [FLAT]

    asyncio.run(scene())


def test_a_listing_of_many_versions_comes_in_batches(tmp_path: Path, pki: Path) -> None:
    """More than one message holds; the listing of an empty destination is empty."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            assert await client.listed() == []
            for first in range(1, 1500, 500):
                assert (
                    refusals(await client.record(*(version(n, b"d%05d" % n, None) for n in range(first, first + 500))))
                    == [None] * 500
                )
            listed = await client.listed()
            assert [e.version.seq for e in listed] == list(range(1, 1501))

    asyncio.run(scene())


def test_a_recipe_that_cannot_be_followed_is_named() -> None:
    """It will be; until then silence would be a lie."""
    with pytest.raises(IntegrityError, match="Chunks"):
        object_of(digest_of(b"y"), Chunks((digest_of(b"x"),)))
