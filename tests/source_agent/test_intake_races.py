"""Intake while somebody else is at work on the same path: nothing that never stood there is recorded, and nothing blocks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from blake3 import blake3

from common.clock import SystemClock
from common.ids import digest_of
from common.model import Kind
from source_agent import intake
from source_agent.capture import RACY_NS
from source_agent.intake import READ_TRIES, Restless
from source_agent.pins import PinMode, Pins
from tests.fakes.clock import ManualClock
from tests.fakes.watched import WatchedTree, watched, with_settings

PATTERN_BYTES = 512 * 1024
PATTERNS = [bytes([n]) * PATTERN_BYTES for n in range(1, 5)]
GOOD = {digest_of(pattern) for pattern in PATTERNS}


@contextmanager
def hammering(path: Path, *, keep_mtime: bool = False) -> Iterator[None]:
    """A writer that fills the file with one pattern after another, without a pause and without changing its size."""
    stop = threading.Event()
    path.write_bytes(PATTERNS[0])
    fd = os.open(path, os.O_WRONLY)

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            os.pwrite(fd, PATTERNS[n % len(PATTERNS)], 0)
            if keep_mtime:
                os.utime(fd, ns=(0, 0))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
        os.close(fd)


def looks(tree: WatchedTree, *, seconds: float) -> tuple[int, int]:
    """How often the file `f` was recorded and how often it was restless; every digest is checked."""
    clock = SystemClock()
    end = clock.monotonic_s() + seconds
    recorded = restless = 0
    while clock.monotonic_s() < end:
        try:
            seen = tree.look(b"f")
        except Restless:
            restless += 1
            continue
        recorded += 1
        assert seen.digest in GOOD, "a content that never stood in the file was recorded"
    return recorded, restless


@pytest.mark.parametrize("keep_mtime", [False, True])
def test_a_file_that_changes_while_it_is_read_is_never_recorded_wrong(tmp_path: Path, keep_mtime: bool) -> None:
    """With the machine's clock, whose ticks are longer than a write: equal times before and after prove nothing."""
    with watched(tmp_path, look_clock=SystemClock()) as tree, hammering(tree.folder / "f", keep_mtime=keep_mtime):
        _, restless = looks(tree, seconds=1.5)
        assert restless > 0


class Interfering:
    """A digest during whose computing somebody writes: once, or at every reading."""

    def __init__(self, path: Path, *, times: int, keep_mtime: bool) -> None:
        self.path, self.times, self.keep_mtime = path, times, keep_mtime

    def __call__(self) -> Self:
        """A new digest."""
        self.hasher = blake3()
        self.n_pieces = 0
        return self

    def update(self, piece: bytes) -> None:
        """Takes a piece; after the first of each reading the rest of the file changes."""
        self.hasher.update(piece)
        self.n_pieces += 1
        if self.n_pieces == 1 and self.times:
            self.times -= 1
            st = os.stat(self.path)
            with open(self.path, "r+b") as file:
                file.write(PATTERNS[1 + self.times % 2])
            if self.keep_mtime:
                os.utime(self.path, ns=(st.st_atime_ns, st.st_mtime_ns))

    def digest(self) -> bytes:
        """Of what was read."""
        return self.hasher.digest()


@pytest.mark.parametrize("keep_mtime", [False, True])
@pytest.mark.parametrize("times", [1, READ_TRIES - 1, READ_TRIES])
def test_a_change_in_the_middle_of_a_reading_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, keep_mtime: bool
) -> None:
    """Read again, a few times, then later; also where size and mtime are as before, for ctime tells."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(PATTERNS[0])
        monkeypatch.setattr(intake, "READ_BYTES", PATTERN_BYTES // 4)
        monkeypatch.setattr(intake, "blake3", Interfering(tree.folder / "f", times=times, keep_mtime=keep_mtime))
        if times == READ_TRIES:
            with pytest.raises(Restless):
                tree.look(b"f")
        else:
            assert tree.look(b"f").digest == digest_of((tree.folder / "f").read_bytes())


def test_a_file_that_came_to_rest_is_recorded_right_whatever_was_before(tmp_path: Path) -> None:
    """Restless is not for ever."""
    with watched(tmp_path, look_clock=SystemClock()) as tree:
        with hammering(tree.folder / "f"):
            looks(tree, seconds=0.2)
        recorded = 0
        while not recorded:
            recorded, _ = looks(tree, seconds=0.02)
        assert tree.look(b"f").digest == digest_of((tree.folder / "f").read_bytes())


def test_a_pin_of_a_file_that_changed_is_not_kept(tmp_path: Path) -> None:
    """It holds other bytes than its name says."""

    class Changing(Pins):
        def pin(self, source_fd: int, digest: object, mode: PinMode) -> bool:
            made = super().pin(source_fd, digest, mode)  # type: ignore[arg-type] # passed on as it came
            with open(tmp_path / "library/f", "ab") as file:
                file.write(b"!")
            return made

    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        (tree.folder / "f").write_bytes(b"x")
        tree.intake._pins = Changing(tmp_path / "pins")
        with pytest.raises(Restless):
            tree.look(b"f")
        assert list((tmp_path / "pins").iterdir()) == []


def test_a_pin_that_was_there_before_is_not_lost_to_a_change(tmp_path: Path) -> None:
    """Another path of the same content still needs it."""
    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        (tree.folder / "other").write_bytes(b"x")
        tree.take(b"other")
        (tree.folder / "f").write_bytes(b"x")

        class Changing(Pins):
            def pin(self, source_fd: int, digest: object, mode: PinMode) -> bool:
                with open(tmp_path / "library/f", "r+b") as file:
                    file.write(b"x")  # the same byte again: only the times tell
                return super().pin(source_fd, digest, mode)  # type: ignore[arg-type] # passed on as it came

        tree.intake._pins = Changing(tmp_path / "pins")
        with pytest.raises(Restless):
            tree.look(b"f")
        assert tree.pins.holds(digest_of(b"x"))


class Meddling(ManualClock):
    """A clock that does something to the tree at the moment it is asked: after the first stat, before the opening."""

    def meddle(self, deed: Callable[[], object]) -> None:
        """What to do, once."""
        self.deeds = [deed]

    deeds: list[Callable[[], object]]

    def monotonic_s(self) -> float:
        """The time, after the deed."""
        while getattr(self, "deeds", None):
            self.deeds.pop()()
        return super().monotonic_s()


def swapped(tmp_path: Path, prepare: Callable[[Path], object], swap: Callable[[Path], object]) -> Kind | None:
    """What intake makes of a file that is swapped between its stat and its opening; None where it is restless."""
    clock = Meddling()
    with watched(tmp_path, look_clock=clock) as tree:
        (tree.folder / "f").write_bytes(b"x")
        prepare(tmp_path)
        clock.meddle(lambda: swap(tree.folder / "f"))
        try:
            return tree.look(b"f", at_rest_only=True).kind
        except Restless:
            return None


def test_a_file_that_vanishes_before_it_is_opened_is_absent(tmp_path: Path) -> None:
    """Truly: it was not there at that moment."""
    assert swapped(tmp_path, lambda _: None, lambda path: path.unlink()) is Kind.ABSENT


def test_a_file_swapped_for_a_pipe_does_not_block(tmp_path: Path) -> None:
    """Opened without waiting for a writer, and looked at again."""
    swap = os.replace
    assert swapped(tmp_path, lambda place: os.mkfifo(place / "pipe"), lambda path: swap(tmp_path / "pipe", path)) is None


def test_a_file_swapped_for_a_link_is_neither_followed_nor_taken_for_gone(tmp_path: Path) -> None:
    """The path never was without an entry: a deletion would be a lie."""
    swap = os.replace
    assert (
        swapped(tmp_path, lambda place: os.symlink("/etc/passwd", place / "l"), lambda path: swap(tmp_path / "l", path)) is None
    )


def test_a_file_swapped_for_a_directory_is_looked_at_again(tmp_path: Path) -> None:
    """Reading it as a file makes no sense."""

    def swap(path: Path) -> None:
        path.unlink()
        path.mkdir()

    assert swapped(tmp_path, lambda _: None, swap) is None


def test_a_directory_swapped_for_a_link_on_the_way_leads_nowhere(tmp_path: Path) -> None:
    """Every part of the path is opened without following."""
    with watched(tmp_path) as tree:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret").write_bytes(b"x")
        os.symlink(tmp_path / "outside", tree.folder / "d")
        assert tree.look(b"d/secret").kind is Kind.ABSENT


def test_a_file_in_the_tick_of_its_last_change_waits_for_the_next(tmp_path: Path) -> None:
    """Until its times can prove that it stood still while it was read."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        tree.clock.wall_ns = os.stat(tree.folder / "f").st_ctime_ns + RACY_NS - 1
        assert [path for _, path in tree.take(b"f").restless] == [b"f"]
        tree.clock.wall_ns += 1
        (made,) = tree.take(b"f").deliveries
        assert made.version.digest == digest_of(b"x")
        assert tree.scan() == [b""], "with a signature that lasts"
