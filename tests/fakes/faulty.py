"""Starts one of the programs on broken hardware: `python -m tests.fakes.faulty NAME PROGRAM ARGS`.

Faults are raised where the kernel would raise them, below everything that the program does about them, and leave the
proof that they happened.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from common import durable
from common.clock import SystemClock
from dest_agent import staging
from dest_agent.store import ObjectKey, disk_errors, files
from tests.fakes import crashing

P = ParamSpec("P")
T = TypeVar("T")

FAILURES = 3
SHIFT = "SMARTER_TEST_SHIFT"
"""Names a file; the seconds in it, if it is there, are what the wall clock is wrong by."""


def _failing(call: Callable[P, T], *, first: int, name: str) -> Callable[P, T]:
    """The same call, which fails with EIO for the first few times."""
    lock, n_left = threading.Lock(), first

    def fail_or_call(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal n_left
        with lock:
            if n_left:
                n_left -= 1
                crashing.fired(f"{name}, {n_left} left")
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(*args, **kwargs)

    return fail_or_call


def failing_publish() -> None:
    """The destination's disk fails when objects are renamed to their names."""
    files.publish = _failing(durable.publish, first=FAILURES, name="failing_publish")  # type: ignore[attr-defined]


def failing_sync() -> None:
    """The destination's disk fails when staged bytes are synced: what the kernel then keeps of them, nobody knows."""
    staging.sync_file = _failing(durable.sync_file, first=FAILURES, name="failing_sync")  # type: ignore[attr-defined]


def unreadable_objects() -> None:
    """The destination's disk has lost the largest object: opening it fails, as reading a bad sector does."""
    open_object = files.FileStore.open

    def opening(self: files.FileStore, key: ObjectKey) -> int:
        largest = max(self.list(), key=lambda found: (found.n_bytes, found.key))
        if key == largest.key:
            crashing.fired("unreadable_objects")
            with disk_errors(f"object {key}"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return open_object(self, key)

    files.FileStore.open = opening  # type: ignore[method-assign]


def shifted_clock() -> None:
    """The wall clock jumps whenever the test says so. The monotonic clock does not: that is what it is for."""
    now_ns = SystemClock.now_ns
    shift = Path(os.environ[SHIFT])

    def shifted(self: SystemClock) -> int:
        try:
            wrong_by_s = float(shift.read_text())
        except (FileNotFoundError, ValueError):
            return now_ns(self)
        crashing.fired("shifted_clock")
        return now_ns(self) + int(wrong_by_s * 1e9)

    SystemClock.now_ns = shifted  # type: ignore[method-assign]


FAULTS: Mapping[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (failing_publish, failing_sync, unreadable_objects, shifted_clock)
}


def main(arguments: Sequence[str]) -> None:
    """Breaks what is named and becomes the program."""
    FAULTS[arguments[0]]()
    crashing.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
