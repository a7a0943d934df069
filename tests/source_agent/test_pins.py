"""Pins: private copies that keep bytes readable until they are delivered."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from common.ids import digest_of
from source_agent.pins import PinMode, Pins

CONTENT = os.urandom(300_000)
DIGEST = digest_of(CONTENT)


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    """An empty directory of pins."""
    return Pins(tmp_path / "pins")


def pin(pins: Pins, path: Path, mode: PinMode = PinMode.COPY) -> bool:
    """Pins what stands at a path."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return pins.pin(fd, digest_of(path.read_bytes()), mode)
    finally:
        os.close(fd)


def test_a_copied_pin_outlives_its_file_and_every_change_of_it(pins: Pins, tmp_path: Path) -> None:
    """Private, and exact."""
    (tmp_path / "f").write_bytes(CONTENT)
    assert pin(pins, tmp_path / "f")
    (tmp_path / "f").write_bytes(b"other")
    (tmp_path / "f").unlink()
    assert pins.holds(DIGEST)
    assert pins.path(DIGEST).read_bytes() == CONTENT
    assert pins.path(DIGEST).stat().st_mode & 0o777 == 0o600


def test_a_file_on_another_file_system_is_copied(pins: Pins) -> None:
    """The library is on one disk, the agent's state on another: that is the usual case."""
    fd = os.memfd_create("elsewhere")
    try:
        os.write(fd, CONTENT)
        assert pins.pin(fd, DIGEST, PinMode.COPY)
    finally:
        os.close(fd)
    assert pins.path(DIGEST).read_bytes() == CONTENT


def test_holes_and_emptiness_are_copied(pins: Pins, tmp_path: Path) -> None:
    """No byte more, no byte less."""
    (tmp_path / "empty").touch()
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 5_000_000)
    for name in ("empty", "sparse"):
        assert pin(pins, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert pins.path(digest_of(content)).read_bytes() == content


def test_off_pins_nothing(pins: Pins, tmp_path: Path) -> None:
    """Not even where something is pinned already."""
    (tmp_path / "f").write_bytes(CONTENT)
    assert not pin(pins, tmp_path / "f", PinMode.OFF)
    assert not pins.holds(DIGEST)


def test_a_reflink_costs_nothing_where_it_cannot_be_had(pins: Pins) -> None:
    """No pin, no copy, no leavings; the device is not asked again."""
    fd = os.memfd_create("elsewhere")
    try:
        os.write(fd, CONTENT)
        for _ in range(2):
            assert not pins.pin(fd, DIGEST, PinMode.REFLINK)
    finally:
        os.close(fd)
    assert list(pins.path(DIGEST).parent.iterdir()) == []


def test_one_pin_serves_every_path_of_a_content_also_at_the_same_moment(pins: Pins, tmp_path: Path) -> None:
    """Two readers of two copies must not write through one another."""
    copies = [tmp_path / f"copy-{n}" for n in range(8)]
    for copy in copies:
        copy.write_bytes(CONTENT)
    outcomes: list[bool] = []
    together = threading.Barrier(len(copies))

    def one(path: Path) -> None:
        together.wait()
        outcomes.append(pin(pins, path))

    threads = [threading.Thread(target=one, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * len(copies)
    assert [path.name for path in (tmp_path / "pins").iterdir()] == [DIGEST.hex()]
    assert pins.path(DIGEST).read_bytes() == CONTENT


def test_a_pin_that_cannot_be_made_leaves_nothing(pins: Pins, tmp_path: Path) -> None:
    """Reading a directory fails after the temporary file was made."""
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=r"Invalid argument|Is a directory"):
            pins.pin(fd, DIGEST, PinMode.COPY)
    finally:
        os.close(fd)
    assert list((tmp_path / "pins").iterdir()) == []


def test_letting_go_is_repeatable(pins: Pins, tmp_path: Path) -> None:
    """A crash between receipt and unpin repeats it."""
    (tmp_path / "f").write_bytes(CONTENT)
    pin(pins, tmp_path / "f")
    pins.unpin(DIGEST)
    pins.unpin(DIGEST)
    assert not pins.holds(DIGEST)


def test_a_sweep_keeps_what_is_needed_and_takes_the_rest(pins: Pins, tmp_path: Path) -> None:
    """What a crash left half made (before S2) goes too."""
    (tmp_path / "f").write_bytes(CONTENT)
    (tmp_path / "g").write_bytes(b"other")
    pin(pins, tmp_path / "f")
    pin(pins, tmp_path / "g")
    (tmp_path / "pins" / f"{DIGEST.hex()}.123.tmp").write_bytes(b"half")
    assert pins.sweep({DIGEST, digest_of(b"never pinned")}) == 2
    assert [path.name for path in (tmp_path / "pins").iterdir()] == [DIGEST.hex()]
