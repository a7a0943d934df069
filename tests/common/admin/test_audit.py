"""The audit log: nothing is changed that is not in it, whatever a disk or a power cut does."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from common.admin.audit import KEPT, NAME, Audit
from common.errors import SmarterError
from tests.fakes.clock import ManualClock


def test_what_was_asked_is_told_the_newest_first_and_survives(tmp_path: Path) -> None:
    """With who, when, and why it came to nothing."""
    clock = ManualClock()
    audit = Audit(tmp_path, clock)
    first = audit.asked("smarter://operator/ana", "Groups.PinPicture", 'picture { path: "a.jpg" }')
    second = audit.asked("smarter://operator/admin-socket", "Upkeep.SetLogLevel", 'level: "loud"')
    audit.failed(second, "no log level")
    for told in (audit, Audit(tmp_path, clock)):
        entries = list(told.entries())
        assert [(e.number, e.by, e.failed) for e in entries] == [
            (second, "smarter://operator/admin-socket", "no log level"),
            (first, "smarter://operator/ana", ""),
        ]
        assert entries[1].asked == 'picture { path: "a.jpg" }'
        assert entries[0].at_ns == clock.now_ns()
        assert [e.number for e in told.entries(before=second)] == [first]
        assert list(told.entries(since_ns=clock.now_ns() + 1)) == []
    assert Audit(tmp_path, clock).asked("x", "y", "z") == second + 1
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b'{"number": 3, "at_', b"\x00" * 50, b"[]", b'{"number": 3}', b"\xff\n\xff"])
def test_a_line_that_a_power_cut_tore_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    """What came before it is told, and what comes after it too."""
    Audit(tmp_path, ManualClock()).asked("by", "call", "before")
    with (tmp_path / NAME).open("ab") as file:
        file.write(torn)
    audit = Audit(tmp_path, ManualClock())
    audit.asked("by", "call", "after")
    assert [(e.number, e.asked) for e in Audit(tmp_path, ManualClock()).entries()] == [(2, "after"), (1, "before")]


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    """The log cannot grow without bound, and numbers go on."""
    audit = Audit(tmp_path, ManualClock(), max_bytes=1000)
    for n in range(100):
        audit.asked("by", "call", f"{n:0200}")
    assert len(list(tmp_path.iterdir())) == 1 + KEPT
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    numbers = [e.number for e in audit.entries()]
    assert numbers == sorted(range(100, 100 - len(numbers), -1), reverse=True)
    assert len(numbers) >= KEPT
    assert Audit(tmp_path, ManualClock()).asked("by", "call", "next") == 101


def test_what_a_peer_asks_is_kept_short_and_on_one_line(tmp_path: Path) -> None:
    """A line break in a name makes no line of its own in the log."""
    audit = Audit(tmp_path, ManualClock())
    audit.asked("by", "call", "\n\udcff" * 100_000)
    (entry,) = Audit(tmp_path, ManualClock()).entries()
    assert len(entry.asked) < 20_000
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 1


def test_a_log_that_cannot_be_written_refuses_the_change(tmp_path: Path) -> None:
    """Here the file may not grow any more, as on a full disk; afterwards it goes on behind the torn line."""
    audit = Audit(tmp_path, ManualClock())
    audit.asked("by", "call", "first")
    n_bytes = os.stat(tmp_path / NAME).st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes + 10, before[1]))
    try:
        with pytest.raises(SmarterError, match="audit log cannot be written"):
            audit.asked("by", "call", "second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert audit.asked("by", "call", "third") == 2
    assert [e.asked for e in audit.entries()] == ["third", "first"]
