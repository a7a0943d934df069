"""Running jobs of the misbehaving table on real workers, and looking at what is left of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from common.clock import SystemClock, monotonic_s
from common.errors import ContentError
from common.workers import Workers

MIB = 1 << 20
TEST_JOBS = "tests.fakes.jobs:JOBS"
T = TypeVar("T")


@contextmanager
def holding(content: bytes = b"") -> Iterator[int]:
    """The descriptor of a nameless file with this content, its offset at the end."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.fileno()


def with_workers(
    job: Callable[[Workers], Awaitable[T]], *, n: int = 1, memory_bytes: int = 512 * MIB, jobs: str = TEST_JOBS
) -> T:
    """Runs `job` on workers that are closed afterwards, in an event loop of its own."""

    async def run() -> T:
        workers = Workers(n, memory_bytes=memory_bytes, jobs=jobs)
        try:
            return await job(workers)
        finally:
            await workers.close()

    return asyncio.run(run())


def run_job(
    workers: Workers, job: str, *fds: int, cpu_s: int = 30, wall_s: float | None = 60, **arguments: str | int
) -> Awaitable[object]:
    """A job of the test table with limits that do not matter unless the test says so."""
    return workers.run(job, arguments, fds=fds, cpu_s=cpu_s, wall_s=wall_s)


def reason_of(job: str, *, cpu_s: int = 30, wall_s: float | None = 60, **arguments: str | int) -> tuple[str, str]:
    """Reason and message of the refusal in which a job ends; a good job must be possible afterwards."""

    async def attempt(workers: Workers) -> tuple[str, str]:
        with pytest.raises(ContentError) as refusal:
            await run_job(workers, job, cpu_s=cpu_s, wall_s=wall_s, **arguments)
        await run_job(workers, "describe")
        return refusal.value.reason, str(refusal.value)

    return with_workers(attempt)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(fact: Callable[[], bool], *, seconds: float = 20) -> None:
    """Waits until something is so."""
    end = monotonic_s() + seconds
    while not fact():
        assert monotonic_s() < end, "it did not become so in time"
        await SystemClock().sleep(0.01)
