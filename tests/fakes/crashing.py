"""Starts one of the programs so that it kills itself at a crash point: `python -m tests.fakes.crashing POINT N PROGRAM ARGS`.

The N-th time that the program passes POINT it writes "POINT N" to the file named in the environment (`MARKER`), which
proves that the fault happened, and sends itself SIGKILL: nothing is flushed, closed or said. Without POINT and N the
program runs as it is, which lets other launchers plant their own faults first.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from common import durable

MARKER = "SMARTER_TEST_MARKER"
PROGRAMS = {"smarter": "admin_client.cli", "smarter-source": "source_agent.cli", "smarter-dest": "dest_agent.cli"}


def fired(what: str) -> None:
    """Leaves the proof that a fault happened."""
    Path(os.environ[MARKER]).write_text(what)


def crash_at(point: str, n: int) -> None:
    """Plants the kill."""
    lock = threading.Lock()
    n_passed = 0

    def passed(name: str) -> None:
        nonlocal n_passed
        if name != point:
            return
        with lock:
            n_passed += 1
            if n_passed == n:
                fired(f"{point} {n}")
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # the signal may take a moment, in which nothing more may happen under this lock

    durable.crash_hook = passed


def main(arguments: Sequence[str]) -> None:
    """Plants what is asked for and becomes the program."""
    if arguments[0] in durable.CRASH_POINTS:
        point, n, *arguments = arguments
        crash_at(point, int(n))
    program, *rest = arguments
    sys.argv = [program, *rest]
    importlib.import_module(PROGRAMS[program]).main()


if __name__ == "__main__":
    main(sys.argv[1:])
