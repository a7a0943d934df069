"""A few child processes that handle hostile bytes in the agent's stead, behind an asynchronous call.

1. A job takes a place among `n`, and an idle worker or a new one (exec of this interpreter, no fork: the agent has threads).
2. Its request and the descriptors it works on go over a socket: no path and no content byte crosses.
3. The worker answers, or the kernel ends it: memory limit, CPU seconds, a crash of a library. Then the job fails with a
   ContentError, the worker is reaped, and the next job gets a new one. The agent itself is never at risk.

A crash of the agent takes its workers along (PR_SET_PDEATHSIG), so none is left to write into a file that recovery reads.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from common.coding import CODINGS
from common.errors import ContentError
from common.ids import Digest, digest_from
from common.metrics import WORKER_DEATHS
from common.worker_process import WorkerProcess

CPU_BASE_S = 10
CPU_S_PER_MIB = 8
"""Some eight times what `jpeg` and `raster` need on a common server: room for slow processors, none for what never ends."""
DECODE_MARGIN = 4
"""So many times what coding may take, which takes longer: what one machine has coded must come back on a slower one too."""
WALL_BASE_S = 60.0
WALL_PER_CPU = 10.0
LOOK_CPU_BASE_S = 20
LOOK_CPU_S_PER_MIB = 1
"""Some twenty times what a picture needs on a common server."""
DELTA_CPU_BASE_S = 60
DELTA_CPU_S_PER_MIB = 20
"""Of all input: many methods may be tried on a picture."""

NO_ARGUMENTS: Mapping[str, str | int] = MappingProxyType({})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Coded:
    """What an encoding made; both digests were computed over the bytes as they passed."""

    coding: str
    content_digest: Digest
    content_bytes: int
    coded_digest: Digest
    coded_bytes: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoding gave: a proof of the content when the digest is the expected one."""

    digest: Digest
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta, or the whole coding that is smaller than any."""

    method: str
    needs_base: bool
    content: bytes


class Workers:
    """At most `n` worker processes, started when needed and used again. For one event loop, and the thread that runs it.

    A worker that holds more than a quarter of `memory_bytes` after a job is replaced.
    """

    def __init__(self, n: int, *, memory_bytes: int = 1 << 30, jobs: str = "common.jobs:JOBS") -> None:
        """Starts nothing yet. `memory_bytes` bounds a worker's resident memory; `jobs` is the `module:table` they serve."""
        self._n = n
        self._places = asyncio.Semaphore(n)
        self._memory_bytes = memory_bytes
        self._jobs = jobs
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._ending: set[asyncio.Future[None]] = set()
        self._closed = False
        self.peak_rss_bytes = 0
        """The highest resident memory of any worker so far; workers that were killed could not tell."""

    async def encode(self, coding: str, source_fd: int, target_fd: int) -> Coded:
        """Codes the whole regular file `source_fd` into `target_fd`, a regular file (from its first byte, then cut) or a pipe.

        Offsets of shared descriptors are neither used nor moved, and none is closed. A pipe's end becomes blocking; its
        reader may take all the time it wants, so the job then has no deadline in wall time, only in CPU seconds.

        Errors: ContentError with a reason of the coding's, or `deadline`, `memory`, `crashed`; OSError as reading or writing
        a descriptor gave it (a full disk, a broken pipe); RuntimeError after `close`. The target then holds a part or
        nothing. Cancelling kills the worker.
        """
        work_bytes = os.fstat(source_fd).st_size
        values = await self._code("encode", {"coding": coding}, fds=(source_fd, target_fd), work_bytes=work_bytes)
        return _admitted(
            lambda: Coded(
                coding=coding,
                content_digest=digest_from(bytes.fromhex(values["content_digest"])),
                content_bytes=int(values["content_bytes"]),
                coded_digest=digest_from(bytes.fromhex(values["coded_digest"])),
                coded_bytes=int(values["coded_bytes"]),
            )
        )

    async def decode(self, coding: str, source_fd: int, target_fd: int | None, *, size: int) -> Decoded:
        """Decodes the whole regular file `source_fd`, which stands for a content of `size` bytes, into `target_fd`.

        With None for the target the content is only digested. Descriptors, errors and cancelling as in `encode`.
        """
        fds = (source_fd,) if target_fd is None else (source_fd, target_fd)
        work_bytes = os.fstat(source_fd).st_size + size
        values = await self._code("decode", {"coding": coding, "size": size}, fds=fds, work_bytes=work_bytes)
        return _admitted(lambda: Decoded(digest=digest_from(bytes.fromhex(values["digest"])), n_bytes=int(values["bytes"])))

    async def encode_delta(
        self, target: tuple[int, Digest], base: tuple[int, Digest], *, hint: str = "", approximation: bytes = b""
    ) -> Delta:
        """The smallest delta of one open content over another, decoded again by a worker that is started for that.

        `hint` says where in the base the target may be, as `jobs.hint_of` writes it; what `approximate` made of both saves a
        search.
        Errors: as `encode`; ContentError, `changed`, `base_changed` where a file is not the content of its digest any more,
        `mismatch` where the delta does not come back as it was.
        """
        made = os.memfd_create("delta", os.MFD_CLOEXEC)
        try:
            fds, arguments = [base[0], target[0], made], {"digest_0": base[1].hex(), "digest_1": target[1].hex(), "hint": hint}
            arguments["approximation"] = approximation.hex()
            cpu_s = delta_cpu_s(*fds)
            values = await self.run("delta_encode", arguments, fds=fds, cpu_s=cpu_s, wall_s=WALL_PER_CPU * cpu_s)
            content = os.pread(made, os.fstat(made).st_size, 0)
            delta = _admitted(lambda: Delta(str(values["method"]), bool(values["needs_base"]), content))
            # must: whatever state of a library made it wrong is not there to agree with it.
            decoded = await self._delta_decoded([base[0], made], proves=True, fresh=True)
        finally:
            os.close(made)
        if decoded.digest != target[1]:
            raise ContentError("mismatch", f"a delta by {delta.method} comes back as {decoded.digest.hex()}")
        return delta

    async def approximate(self, target_fd: int, base_fd: int, *, hint: str = "") -> bytes:
        """What makes of a base roughly what a target shows; `hint` as in `encode_delta`.

        Errors: as `encode`; ContentError `unsupported` where the base shows nothing of it.
        """
        made = os.memfd_create("approximation", os.MFD_CLOEXEC)
        try:
            fds, cpu_s = [base_fd, target_fd, made], delta_cpu_s(base_fd, target_fd)
            await self.run("approximate", {"hint": hint}, fds=fds, cpu_s=cpu_s, wall_s=WALL_PER_CPU * cpu_s)
            return os.pread(made, os.fstat(made).st_size, 0)
        finally:
            os.close(made)

    async def decode_delta(self, delta_fd: int, base_fd: int, target_fd: int | None) -> Decoded:
        """Decodes a delta over its base into `target_fd`; with None what comes out is only digested.

        Errors: as `encode`; ContentError `integrity` where the two do not belong together, or the delta is damaged.
        """
        fds = [base_fd, delta_fd] if target_fd is None else [base_fd, delta_fd, target_fd]
        return await self._delta_decoded(fds, proves=target_fd is None)

    async def look(
        self, job: str, contents: Sequence[tuple[int, Digest]], arguments: Mapping[str, str | int] = NO_ARGUMENTS
    ) -> bytes:
        """What a job that looks at pictures (`glance`, `see`, `compare`, `thumbnail`) makes of whole regular files that are open.

        Each file is expected to be the content of its digest. Errors: as `encode`; ContentError `changed` where it is another.
        """
        fds, digests = [fd for fd, _ in contents], {f"digest_{n}": digest.hex() for n, (_, digest) in enumerate(contents)}
        cpu_s = LOOK_CPU_BASE_S + LOOK_CPU_S_PER_MIB * (sum(os.fstat(fd).st_size for fd in fds) >> 20)
        seen = os.memfd_create("seen", os.MFD_CLOEXEC)
        try:
            await self.run(job, {**arguments, **digests}, fds=[*fds, seen], cpu_s=cpu_s, wall_s=WALL_PER_CPU * cpu_s)
            return os.pread(seen, os.fstat(seen).st_size, 0)
        finally:
            os.close(seen)

    async def run(
        self,
        job: str,
        arguments: Mapping[str, str | int],
        *,
        fds: Sequence[int],
        cpu_s: int,
        wall_s: float | None,
        fresh: bool = False,
    ) -> Mapping[str, Any]:
        """Does a job of the table and gives its plain values, which come from a process that saw hostile bytes.

        A `fresh` one is done by a worker that is started for it, and goes on as any other afterwards. Errors: as `encode`.
        """
        self._refuse_if_closed()
        async with self._places:
            self._refuse_if_closed()
            if fresh and self._idle:
                self._end(self._idle.pop())  # it takes the place of one: there are never more than `n`
            worker = self._started() if fresh else self._take()
            self._busy.add(worker)
            keep = False
            try:
                reply = await worker.ask(job, arguments, fds=fds, cpu_s=cpu_s, wall_s=wall_s)
                self.peak_rss_bytes = max(self.peak_rss_bytes, reply.peak_rss_bytes)
                # After a lack of memory or a panic a library's own state is not to be trusted.
                is_sound = reply.reason not in {"memory", "crashed"}
                if not is_sound:
                    WORKER_DEATHS.labels(reply.reason).inc()
                keep = is_sound and reply.rss_bytes <= self._memory_bytes // 4
            except ContentError as error:
                WORKER_DEATHS.labels(error.reason).inc()
                raise
            finally:
                self._busy.discard(worker)
                if keep and not self._closed:
                    self._idle.append(worker)
                else:
                    self._end(worker)
        return reply.result()

    async def close(self) -> None:
        """Ends all workers; a job that still runs fails with ContentError `crashed`. Returns when every process is reaped."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        for _ in range(self._n):
            await self._places.acquire()
        for _ in range(self._n):
            self._places.release()
        while self._idle:
            self._end(self._idle.pop())
        await asyncio.gather(*self._ending)

    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers, busy ones first."""
        return tuple(worker.pid for worker in (*self._busy, *self._idle))

    async def _code(
        self, job: str, arguments: Mapping[str, str | int], *, fds: Sequence[int], work_bytes: int
    ) -> Mapping[str, Any]:
        if arguments["coding"] not in CODINGS:
            raise ContentError("unsupported", f"{arguments['coding']!r} is not a coding that this program knows")
        cpu_s = (CPU_BASE_S + CPU_S_PER_MIB * (work_bytes >> 20)) * (DECODE_MARGIN if job == "decode" else 1)
        paced_by_reader = len(fds) > 1 and not stat.S_ISREG(os.fstat(fds[1]).st_mode)
        wall_s = None if paced_by_reader else WALL_BASE_S + WALL_PER_CPU * cpu_s
        return await self.run(job, arguments, fds=fds, cpu_s=cpu_s, wall_s=wall_s)

    async def _delta_decoded(self, fds: Sequence[int], *, proves: bool, fresh: bool = False) -> Decoded:
        cpu_s = delta_cpu_s(*fds)
        arguments, wall_s = {"is_proof": int(proves)}, WALL_PER_CPU * cpu_s
        values = await self.run("delta_decode", arguments, fds=fds, cpu_s=cpu_s, wall_s=wall_s, fresh=fresh)
        return _admitted(lambda: Decoded(digest=digest_from(bytes.fromhex(values["digest"])), n_bytes=int(values["bytes"])))

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the workers are closed")

    def _take(self) -> WorkerProcess:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive():
                return worker
            self._end(worker)
        return self._started()

    def _started(self) -> WorkerProcess:
        return WorkerProcess(memory_bytes=self._memory_bytes, jobs=self._jobs)

    def _end(self, worker: WorkerProcess) -> None:
        worker.kill()
        # In a thread: the kernel may take a while to free a GiB.
        ending = asyncio.get_running_loop().run_in_executor(None, worker.end)
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def delta_cpu_s(*fds: int) -> int:
    """The CPU seconds that a worker may spend on a delta of some files."""
    return DELTA_CPU_BASE_S + DELTA_CPU_S_PER_MIB * (sum(os.fstat(fd).st_size for fd in fds) >> 20)


def _admitted(make: Callable[[], T]) -> T:
    try:
        return make()
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ContentError("crashed", "a worker gave an answer that makes no sense") from error


async def each(items: Iterable[T], do: Callable[[T], Awaitable[None]], *, n_at_once: int) -> None:
    """Does something for each item, so many at once; the first error ends it all."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await do(item)

    tasks = [asyncio.create_task(work()) for _ in range(n_at_once)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
