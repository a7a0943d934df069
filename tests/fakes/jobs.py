"""A table of jobs that misbehave in every way a codec can, for the tests of the workers."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence

from common.errors import ContentError
from common.jobs import JOBS as REAL_JOBS
from common.jobs import Job, Value


def spin(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Uses the processor and never ends."""
    del arguments, fds
    while True:
        pass


def wait_for_byte(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Says with a byte on its second descriptor that it has begun, then uses nothing until its first one has a byte."""
    del arguments
    os.write(fds[1], b"b")
    os.read(fds[0], 1)
    return {"pid": os.getpid()}


def allocate(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Needs `bytes` of memory and touches all of it."""
    del fds
    block = bytearray(int(arguments["bytes"]))
    return {"bytes": len(block)}


def hoard(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Keeps `bytes` of memory after it is done."""
    del fds
    _HOARD.append(bytearray(int(arguments["bytes"])))
    return {"pid": os.getpid()}


def segfault(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Reads where nothing is."""
    del arguments, fds
    ctypes.string_at(0)
    return {}


def abort(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Ends as a Rust library does: last words, then SIGABRT."""
    del fds
    sys.stderr.write(str(arguments["words"]))
    sys.stderr.flush()
    os.abort()


def raise_bug(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Raises what no job should."""
    del fds
    raise ZeroDivisionError(str(arguments["words"]))


def refuse(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Refuses the content with the `reason` given."""
    del fds
    raise ContentError(str(arguments["reason"]), "refused on purpose")


def shout(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Writes far more to stderr than any pipe holds."""
    del arguments, fds
    for _ in range(64):
        try:
            os.write(2, b"x" * 65536)
        except BlockingIOError:
            return {"blocked": 0}
    return {"blocked": 1}


def babble(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """Answers, as a hijacked worker might, with something that is no answer."""
    del arguments, fds
    os.write(0, b"\xff not JSON")
    os.kill(os.getpid(), signal.SIGSTOP)
    return {}


def describe(arguments: Mapping[str, Value], fds: Sequence[int]) -> dict[str, Value]:
    """What the process is allowed to do and has open."""
    del arguments
    with open("/proc/self/status", encoding="ascii") as status:
        no_new_privs = next(int(line.split()[1]) for line in status if line.startswith("NoNewPrivs"))
    return {
        "pid": os.getpid(),
        "open": " ".join(sorted(os.listdir("/proc/self/fd"))),
        "given": len(fds),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "data": resource.getrlimit(resource.RLIMIT_DATA)[1],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "no_new_privs": no_new_privs,
        "environment": " ".join(sorted(os.environ)),
        "modules": " ".join(sorted(sys.modules)),
    }


_HOARD: list[bytearray] = []

JOBS: Mapping[str, Job] = dict(REAL_JOBS) | {
    job.__name__: job
    for job in (spin, wait_for_byte, allocate, hoard, segfault, abort, raise_bug, refuse, shout, babble, describe)
}
