"""The spool: contents coded by real workers, or raw, and read back for the wire."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.metrics import FALLBACKS, snapshot
from common.workers import Coded, Workers
from source_agent import spool as spool_module
from source_agent.deliveries import Delivery
from source_agent.pins import PinMode
from source_agent.roots import Compression
from source_agent.spool import Changed, Parcel, Reading, Spool
from tests.fakes import pictures
from tests.fakes.watched import WatchedTree, watched, with_settings

T = TypeVar("T")
NOISE = random.Random(1).randbytes(200_000)
TEXT = b"a line that comes again and again\n" * 5000


def spooling(tree: WatchedTree, work: Callable[[Spool], Awaitable[T]], *, workers: Workers | None = None) -> T:
    """Does some work on a spool with real workers."""

    async def run() -> T:
        running = workers or Workers(1)
        try:
            directory = tree.folder.parent / "spool"
            return await work(
                Spool(directory, roots={tree.root.id: tree.root}, pins=tree.pins, workers=running, keep_bytes=1 << 30)
            )
        finally:
            await running.close()

    return asyncio.run(run())


def taken(tree: WatchedTree, content: bytes, name: str = "f") -> Delivery:
    """A delivery of a file with this content."""
    (tree.folder / name).write_bytes(content)
    (made,) = tree.take(name.encode()).deliveries
    return made


def prepared(tree: WatchedTree, delivery: Delivery, *, raw: bool = False) -> tuple[Parcel, bytes]:
    """The parcel of a delivery and its coded bytes."""

    async def work(spool: Spool) -> tuple[Parcel, bytes]:
        parcel = await spool.prepare(delivery, raw=raw)
        return parcel, read(spool.read(delivery, parcel))

    return spooling(tree, work)


def read(reading: Reading) -> bytes:
    """Everything that a reading gives; it must be whole."""
    try:
        pieces = b"".join(iter(reading.piece, b""))
        assert reading.is_whole()
        return pieces
    finally:
        reading.close()


def fallbacks() -> dict[str, float]:
    """Counted refusals, by coding and reason."""
    return snapshot(FALLBACKS)


@pytest.mark.parametrize(
    ("content", "coding"),
    [
        (pictures.jpeg(1, (640, 480)), "lepton"),
        (pictures.png(1), "raster"),
        (TEXT, "zstd"),
        (NOISE, "raw"),
        (b"short", "raw"),
        (b"", "raw"),
    ],
)
def test_each_content_gets_the_coding_that_suits_it(tmp_path: Path, content: bytes, coding: str) -> None:
    """The parcel's figures are those of its bytes; only what gained goes coded."""
    with watched(tmp_path) as tree:
        parcel, coded = prepared(tree, taken(tree, content))
        assert parcel.coding == coding
        assert (parcel.coded_bytes, parcel.coded_digest) == (len(coded), digest_of(coded))
        assert coded == content if coding == "raw" else len(coded) < len(content)


@pytest.mark.parametrize(
    ("compression", "waits", "staged", "coding"),
    [
        (Compression.BEST, False, "", "jpeg"),
        (Compression.FAST, True, "", "lepton"),
        (Compression.AUTO, True, "", "jpeg"),
        (Compression.AUTO, False, "", "lepton"),
        (Compression.AUTO, True, "lepton", "lepton"),
        (Compression.AUTO, False, "jpeg", "jpeg"),
        (Compression.AUTO, False, "no-such", "lepton"),
    ],
)
def test_a_picture_is_made_as_small_as_there_is_time_for(
    tmp_path: Path, compression: Compression, waits: bool, staged: str, coding: str
) -> None:
    """As the policy says; by itself, what waits for the link is made smaller, and what the destination holds a part of stays."""
    with watched(tmp_path, change=with_settings(compression=compression)) as tree:
        delivery = taken(tree, pictures.jpeg(1, (640, 480)))

        async def work(spool: Spool) -> str:
            return (await spool.prepare(delivery, waits=waits, staged=staged)).coding

        assert spooling(tree, work) == coding


@pytest.mark.parametrize(
    ("compression", "is_raster"), [(Compression.BEST, True), (Compression.AUTO, True), (Compression.FAST, False)]
)
def test_a_png_is_taken_apart_unless_all_is_to_be_fast(tmp_path: Path, compression: Compression, is_raster: bool) -> None:
    """It is worth its time also where the link waits."""
    with watched(tmp_path, change=with_settings(compression=compression)) as tree:
        assert (prepared(tree, taken(tree, pictures.png(1)))[0].coding == "raster") is is_raster


def test_a_jpeg_that_no_coding_takes_is_counted_and_goes_otherwise(tmp_path: Path) -> None:
    """Bit-exact in any case."""
    before = fallbacks()
    with watched(tmp_path) as tree:
        parcel, _ = prepared(tree, taken(tree, pictures.arithmetic(pictures.jpeg(1))))
        assert parcel.coding in {"zstd", "raw"}
        counted = {key for key, n in fallbacks().items() if n > before.get(key, 0.0)}
        assert {key.partition("/")[0] for key in counted} >= {"lepton"}


def test_raw_is_sent_raw_when_it_is_asked_for(tmp_path: Path) -> None:
    """The destination could not prove the coded form: that is discarded."""
    with watched(tmp_path) as tree:
        delivery = taken(tree, TEXT)

        async def work(spool: Spool) -> list[str]:
            first = await spool.prepare(delivery)
            again = await spool.prepare(delivery)
            assert again is first, "a content is coded once"
            raw = await spool.prepare(delivery, raw=True)
            assert raw.path is None
            assert read(spool.read(delivery, raw)) == TEXT
            return os.listdir(tmp_path / "spool")

        assert spooling(tree, work) == []


def test_what_is_prepared_is_kept_until_it_is_discarded_or_swept(tmp_path: Path) -> None:
    """It outlives a cut of the link, not the process."""
    with watched(tmp_path) as tree:
        first, second = taken(tree, TEXT, "a"), taken(tree, TEXT + b"!", "b")

        async def work(spool: Spool) -> None:
            await spool.prepare(first)
            await spool.prepare(second)
            assert len(os.listdir(tmp_path / "spool")) == 2
            spool.discard(digest_of(TEXT))
            spool.discard(digest_of(TEXT))
            assert len(os.listdir(tmp_path / "spool")) == 1
            spool.sweep()
            assert os.listdir(tmp_path / "spool") == []

        spooling(tree, work)


def shortened(path: Path) -> None:
    """Half of it is gone."""
    os.truncate(path, path.stat().st_size // 2)


def rewritten(path: Path) -> None:
    """As long as before, other bytes."""
    path.write_bytes(bytes(path.stat().st_size))


def made_a_pipe(path: Path) -> None:
    """A pipe stands there now: reading it would wait for ever."""
    path.unlink()
    os.mkfifo(path)


def made_a_directory(path: Path) -> None:
    """A directory stands there now."""
    path.unlink()
    path.mkdir()


def made_a_link(path: Path) -> None:
    """A link to a file outside stands there now."""
    path.unlink()
    path.symlink_to("/etc/passwd")


CHANGES = [Path.unlink, shortened, rewritten, made_a_pipe, made_a_directory, made_a_link]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("content", [TEXT, pictures.jpeg(1, (320, 240))], ids=["text", "jpeg"])
def test_a_file_that_changed_since_is_never_coded_under_its_old_digest(
    tmp_path: Path, change: Callable[[Path], None], content: bytes
) -> None:
    """Changed, or, where nothing could be coded, raw: then the reading finds out."""
    with watched(tmp_path) as tree:
        delivery = taken(tree, content)
        change(tree.folder / "f")

        async def work(spool: Spool) -> None:
            with pytest.raises(Changed):  # noqa: PT012 - either step may find out
                parcel = await spool.prepare(delivery)
                reading = spool.read(delivery, parcel)
                while reading.piece():
                    pass
                assert not reading.is_whole()
                reading.close()
                raise Changed("by its bytes")

        spooling(tree, work)
        assert os.listdir(tmp_path / "spool") == []


def test_a_pinned_content_is_read_from_its_pin(tmp_path: Path) -> None:
    """Whatever became of the file."""
    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        delivery = taken(tree, NOISE)
        (tree.folder / "f").unlink()
        assert prepared(tree, delivery)[1] == NOISE


def test_a_pin_that_is_gone_leaves_the_file_itself(tmp_path: Path) -> None:
    """A pin is a kindness, not a condition."""
    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        delivery = taken(tree, NOISE)
        tree.pins.sweep(())
        assert prepared(tree, delivery)[1] == NOISE


def test_a_content_of_a_root_that_is_no_longer_watched_is_changed(tmp_path: Path) -> None:
    """There is no file to read it from."""
    with watched(tmp_path) as tree:
        delivery = replace(taken(tree, NOISE), root=99)

        async def work(spool: Spool) -> None:
            with pytest.raises(Changed):
                await spool.prepare(delivery)

        spooling(tree, work)


def test_without_room_a_large_content_goes_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted; small ones are coded all the same."""
    monkeypatch.setattr(spool_module, "KEEP_FREE_BYTES", 1 << 62)
    before = fallbacks().get("any/no_room", 0.0)
    with watched(tmp_path) as tree:
        delivery = taken(tree, TEXT)

        async def work(spool: Spool) -> tuple[str, str]:
            small = (await spool.prepare(delivery)).coding
            spool.discard(digest_of(TEXT))
            spool._keep_bytes = 100
            return small, (await spool.prepare(delivery)).coding

        assert spooling(tree, work) == ("zstd", "raw")
    assert fallbacks()["any/no_room"] == before + 1


class FullDisk(Workers):
    """Workers whose target has no room left."""

    async def encode(self, coding: str, source_fd: int, target_fd: int) -> Coded:
        """Fails as writing to a full disk does."""
        del coding, source_fd, target_fd
        raise OSError(28, "No space left on device")


def test_a_disk_that_fills_up_while_coding_is_no_reason_not_to_send(tmp_path: Path) -> None:
    """The content goes raw, and half a file is not left behind."""
    with watched(tmp_path) as tree:
        delivery = taken(tree, TEXT)

        async def work(spool: Spool) -> str:
            return (await spool.prepare(delivery)).coding

        assert spooling(tree, work, workers=FullDisk(1)) == "raw"
        assert os.listdir(tmp_path / "spool") == []
    assert fallbacks()["zstd/no_room"] >= 1


class BadSector(Workers):
    """Workers that cannot read the file."""

    async def encode(self, coding: str, source_fd: int, target_fd: int) -> Coded:
        """Fails as a broken disk does."""
        del coding, source_fd, target_fd
        raise OSError(5, "Input/output error")


def test_a_file_that_cannot_be_read_any_more_is_looked_at_again(tmp_path: Path) -> None:
    """Intake will name it; the agent goes on with the others."""
    with watched(tmp_path) as tree:
        delivery = taken(tree, TEXT)

        async def work(spool: Spool) -> None:
            with pytest.raises(ContentError):
                await spool.prepare(delivery)

        spooling(tree, work, workers=BadSector(1))


@pytest.fixture
def parcel_of_noise(tmp_path: Path) -> tuple[int, Parcel]:
    """An open raw parcel."""
    (tmp_path / "noise").write_bytes(NOISE)
    return os.open(tmp_path / "noise", os.O_RDONLY), Parcel("raw", len(NOISE), digest_of(NOISE), None)


@pytest.mark.parametrize("n_bytes", [0, 1, 100_000, len(NOISE)])
def test_a_true_hint_is_skipped_and_the_whole_is_still_proved(parcel_of_noise: tuple[int, Parcel], n_bytes: int) -> None:
    """The digest at the end covers what was skipped."""
    reading = Reading(*parcel_of_noise)
    assert reading.skip(n_bytes, digest_of(NOISE[:n_bytes]))
    assert reading.offset == n_bytes
    assert read(reading) == NOISE[n_bytes:]


@pytest.mark.parametrize(
    ("n_bytes", "digest"),
    [
        (100, digest_of(NOISE[:99])),
        (len(NOISE) + 1, digest_of(NOISE)),
        (1 << 62, digest_of(NOISE)),
        (0, Digest(bytes(32))),
    ],
)
def test_a_lying_hint_is_ignored(parcel_of_noise: tuple[int, Parcel], n_bytes: int, digest: Digest) -> None:
    """And everything is sent from the start."""
    reading = Reading(*parcel_of_noise)
    assert not reading.skip(n_bytes, digest)
    assert reading.offset == 0
    assert read(reading) == NOISE


def test_a_live_file_that_grows_shrinks_or_changes_is_not_whole(tmp_path: Path) -> None:
    """Growth alone is not seen: the version's bytes are still its beginning."""
    for change, whole in ((b"longer" + NOISE, False), (NOISE + b"more", True), (NOISE[:-1], False), (NOISE[:-1] + b"!", False)):
        (tmp_path / "f").write_bytes(change)
        reading = Reading(os.open(tmp_path / "f", os.O_RDONLY), Parcel("raw", len(NOISE), digest_of(NOISE), None))
        n_bytes = sum(len(piece) for piece in iter(reading.piece, b""))
        assert n_bytes <= len(NOISE)
        assert reading.is_whole() is (whole and change[: len(NOISE)] == NOISE)
        reading.close()


def test_a_reading_that_fails_is_not_whole(tmp_path: Path) -> None:
    """A bad sector ends this content, not the connection."""
    reading = Reading(os.open(tmp_path, os.O_RDONLY), Parcel("raw", 10, digest_of(b"0123456789"), None))
    assert reading.piece() == b""
    assert not reading.is_whole()
    assert not reading.skip(5, digest_of(b"01234"))
    reading.close()
