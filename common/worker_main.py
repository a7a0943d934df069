"""The worker process: gives up what it does not need, then does one job after another until its agent is gone.

A worker sees hostile bytes, so it is meant to be lost: whatever a job raises besides ContentError, OSError and MemoryError
ends the process, and the agent starts another one. Started by exec, never by fork: the agent runs gRPC's threads.

    stdin   a SOCK_SEQPACKET socket; one message is one request or reply; JSON; a request carries its descriptors
    stderr  a pipe that keeps the first last words
"""

from __future__ import annotations

import array
import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping

from common.errors import ContentError
from common.jobs import Job, Value

MAX_MESSAGE_BYTES = 64 * 1024
MAX_DESCRIPTORS = 4
MAX_OPEN_FILES = 32
OUTSIDE_DATA_BYTES = 48 * 1024 * 1024
"""Resident memory that RLIMIT_DATA does not count: the program text and read-only pages of the interpreter and libraries."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Runs the process: `parent-pid memory-bytes module:table` on the command line, the socket at descriptor 0."""
    parent_pid, memory_bytes, table = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # A Ctrl-C or `systemctl stop` reaches the whole group: the agent decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _bind_to_parent(parent_pid)
    module, _, name = table.partition(":")
    jobs: Mapping[str, Job] = getattr(importlib.import_module(module), name)
    _limit(memory_bytes)
    # Closed only by the end of the process: the agent takes a closed socket for a death and reads the last words then.
    agent = socket.socket(fileno=0)
    while _serve(agent, jobs):
        pass


def _bind_to_parent(parent_pid: int) -> None:
    """Dies with the agent, even in the middle of a job; without prctl (not Linux) the closed socket ends it a little later."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent_pid:
        # The agent died before prctl could take effect.
        sys.exit(0)


def _limit(memory_bytes: int) -> None:
    data_bytes = max(memory_bytes - OUTSIDE_DATA_BYTES, 1)
    for limit, wanted in (
        (resource.RLIMIT_DATA, data_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
    ):
        _, hard = resource.getrlimit(limit)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (value, value))


def _serve(agent: socket.socket, jobs: Mapping[str, Job]) -> bool:
    """Does one job; False when the agent has hung up."""
    message, fds = _receive(agent)
    if not message:
        return False
    request = json.loads(message)
    _allow_cpu(request["cpu_s"])
    reply: dict[str, object]
    try:
        reply = {"result": jobs[request["job"]](request["arguments"], fds)}
    except ContentError as error:
        reply = {"reason": error.reason, "message": str(error)}
    except MemoryError:
        reply = {"reason": "memory", "message": "the worker's memory limit was reached"}
    except OSError as error:
        reply = {"errno": error.errno, "message": error.strerror}
    finally:
        # Before the reply: who has it may rely on a pipe's end being closed here.
        for fd in fds:
            os.close(fd)
    agent.send(json.dumps(reply | _memory()).encode())
    return True


def _receive(agent: socket.socket) -> tuple[bytes, list[int]]:
    message, ancillary, _, _ = agent.recvmsg(MAX_MESSAGE_BYTES, socket.CMSG_LEN(MAX_DESCRIPTORS * array.array("i").itemsize))
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content)
    return message, list(fds)


def _allow_cpu(cpu_s: int) -> None:
    """From here the kernel counts: SIGXCPU ends the process when it has used that many CPU seconds more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + cpu_s + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _memory() -> dict[str, Value]:
    """Resident bytes now and at the highest. Not ru_maxrss, which starts at what the agent had when it started this process."""
    fields = {"VmRSS": 0, "VmHWM": 0}
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            name, _, rest = line.partition(":")
            if name in fields:
                fields[name] = int(rest.split()[0]) * 1024
    return {"rss_bytes": fields["VmRSS"], "peak_rss_bytes": fields["VmHWM"]}
