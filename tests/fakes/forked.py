"""Work done in a process of its own, so that what it holds at most can be told, and nothing kept makes the next quicker.

The libraries that have threads of their own (Lepton's) do not live in a child once they have lived in its parent: the parent
leaves all such work to children.
"""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TypeVar, cast

T = TypeVar("T")


class Lost(Exception):
    """Work that ended with an exception, or together with its process."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some work."""

    cpu_s: float
    peak_bytes: int
    """Resident at the highest, beyond what was resident before."""


def forked(work: Callable[[], T], warm_up: Callable[[], object] | None = None) -> tuple[T, Cost]:
    """What the work returns and what it took, in a child that has warmed up before. Errors: Lost where it raised or died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = pickle.dumps(_done(work, warm_up))
        except BaseException:  # noqa: BLE001 - the child ends here, and its parent raises
            answer = pickle.dumps(traceback.format_exc())
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        raw = pipe.read()
    _, status = os.waitpid(child, 0)
    told = pickle.loads(raw) if raw else f"the child ended with {os.waitstatus_to_exitcode(status)}"  # noqa: S301 - our own child's
    if isinstance(told, str):
        raise Lost(told)
    return cast("tuple[T, Cost]", told)


def _done(work: Callable[[], T], warm_up: Callable[[], object] | None) -> tuple[T, Cost]:
    if warm_up:
        warm_up()
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    idle, start_s = _resident("VmRSS"), process_time()
    done = work()
    return done, Cost(process_time() - start_s, _resident("VmHWM") - idle)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
