"""One worker process as its agent sees it: started by exec, asked over a socket, read for its last words when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import ContentError

_BOOT = "import sys; sys.path[:] = sys.argv[4:]; from common.worker_main import main; main()"
_MAX_REPLY_BYTES = 64 * 1024
_LAST_WORDS_BYTES = 64 * 1024
# What Rust and CPython say when the memory limit ends a process in a way that no reply can tell.
_MEMORY_WORDS = ("memory allocation of", "MemoryError", "Cannot allocate memory", "failed to spawn thread")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answered. Everything in it comes from a process that saw hostile bytes."""

    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Of a ContentError, empty where the job did not raise one."""
    errno: int = 0
    """Of an OSError, 0 where the job did not raise one."""
    message: str = ""
    rss_bytes: int = 0
    peak_rss_bytes: int = 0

    def result(self) -> Mapping[str, Any]:
        """What the job returned. Errors: the ContentError or OSError that it raised."""
        if self.reason:
            raise ContentError(self.reason, self.message)
        if self.errno:
            raise OSError(self.errno, self.message)
        return self.values


class WorkerProcess:
    """A running worker; does one job at a time."""

    def __init__(self, *, memory_bytes: int, jobs: str) -> None:
        """Starts the process; it imports its codings while the first request waits in the socket.

        To be called on the thread that runs as long as the agent: the kernel ends a worker together with the thread that
        started it. Errors: OSError where the system has no process or descriptor left.
        """
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Non-blocking for the writer too: a worker with more last words than the pipe holds loses words, not time.
        self._words, words = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._socket.setblocking(False)  # noqa: FBT003 - the signature is the library's
        # Both ways to wait for the end run in threads, and a cancelled call can leave one behind while the other closes.
        self._mourning = threading.Lock()
        self._closed = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own
                _command(memory_bytes, jobs),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=words,
                cwd="/",
                env=_environment(),
            )
        except OSError:
            self._socket.close()
            os.close(self._words)
            raise
        finally:
            theirs.close()
            os.close(words)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs; it may die the next moment."""
        return self._process.poll() is None

    async def ask(
        self, job: str, arguments: Mapping[str, str | int], *, fds: Sequence[int], cpu_s: int, wall_s: float | None
    ) -> Reply:
        """Has one job done. When this raises, the worker is of no further use and must be ended.

        Errors: ContentError `deadline`, `memory` or `crashed` where the process did not live to answer.
        """
        request = json.dumps({"job": job, "arguments": dict(arguments), "cpu_s": cpu_s}).encode()
        try:
            socket.send_fds(self._socket, [request], list(fds))
            async with asyncio.timeout(wall_s):
                message = await asyncio.get_running_loop().sock_recv(self._socket, _MAX_REPLY_BYTES)
        except TimeoutError:
            raise ContentError("deadline", f"the {job} job took more than {wall_s:.0f} s") from None
        except ConnectionError:
            message = b""
        if not message:
            raise await asyncio.to_thread(self._obituary, job, cpu_s)
        try:
            return _reply(json.loads(message))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ContentError("crashed", f"the {job} job gave an answer that makes no sense") from error

    def kill(self) -> None:
        """Ends the process at once; what waits in `ask` then fails."""
        self._process.kill()

    def end(self) -> None:
        """Ends the process, waits until the kernel has freed it (blocking), and closes what belongs to it."""
        with self._mourning:
            self._process.kill()
            self._process.wait()
            self._closed = True
            self._socket.close()
            os.close(self._words)

    def _obituary(self, job: str, cpu_s: int) -> ContentError:
        with self._mourning:
            # It hung up: either it is dying, and then this signal changes nothing, or it must.
            self._process.kill()
            code = self._process.wait()
            words = "" if self._closed else _last_words(self._words)
        last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "no last words")
        if code == -signal.SIGXCPU:
            return ContentError("deadline", f"the {job} job took more than {cpu_s} CPU seconds")
        if any(word in words for word in _MEMORY_WORDS):
            return ContentError("memory", f"the {job} job needed more memory than a worker has: {last}")
        died = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return ContentError("crashed", f"the {job} job ended its worker {died}: {last}")


def _command(memory_bytes: int, jobs: str) -> list[str]:
    # -I and -S: nothing is imported but what the agent itself could import, and no .pth file delays the start.
    path = [str(Path(__file__).resolve().parents[1]), *(str(Path(entry).absolute()) for entry in sys.path if entry)]
    return [sys.executable, "-I", "-S", "-c", _BOOT, str(os.getpid()), str(memory_bytes), jobs, *dict.fromkeys(path)]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
    # One arena: threads of a library would otherwise each keep freed memory of their own.
    # One thread: as many workers as processors run already, and results must not depend on how many there are.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
    return kept | threads | {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}


def _reply(fields: Mapping[str, Any]) -> Reply:
    return Reply(
        values=dict(fields.get("result", {})),
        reason=str(fields.get("reason", "")),
        errno=int(fields.get("errno", 0)),
        message=str(fields.get("message", "")),
        rss_bytes=int(fields["rss_bytes"]),
        peak_rss_bytes=int(fields["peak_rss_bytes"]),
    )


def _last_words(fd: int) -> str:
    try:
        return os.read(fd, _LAST_WORDS_BYTES).decode("utf-8", "replace")
    except BlockingIOError:
        return ""
