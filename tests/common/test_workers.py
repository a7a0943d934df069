"""The worker processes: what they code, what they survive, and what is left after they did not."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from common.clock import SystemClock, monotonic_s
from common.errors import ContentError
from common.ids import digest_of
from common.workers import Workers
from tests.fakes import pictures

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


# coding


@pytest.mark.parametrize(
    ("coding", "content"),
    [("raw", random.Random(1).randbytes(300_000)), ("zstd", b"word " * 100_000), ("lepton", pictures.jpeg(1)), ("raw", b"")],
    ids=["raw", "zstd", "lepton", "empty"],
)
def test_a_content_comes_back_through_workers_with_its_digests(coding: str, content: bytes) -> None:
    """The digests are those of the bytes that passed, computed where they passed."""

    async def there_and_back(workers: Workers) -> None:
        with holding(content) as source, holding() as coded_file, holding() as restored:
            coded = await workers.encode(coding, source, coded_file)
            assert (coded.coding, coded.content_bytes, coded.content_digest) == (coding, len(content), digest_of(content))
            stored = os.pread(coded_file, 10_000_000, 0)
            assert (coded.coded_bytes, coded.coded_digest) == (len(stored), digest_of(stored))
            for target in (None, restored):
                decoded = await workers.decode(coding, coded_file, target, size=len(content))
                assert (decoded.digest, decoded.n_bytes) == (digest_of(content), len(content))
            assert os.pread(restored, 10_000_000, 0) == content

    with_workers(there_and_back)


def test_offsets_of_descriptors_neither_matter_nor_move() -> None:
    """The agent may read the same descriptor meanwhile."""

    async def encode(workers: Workers) -> None:
        with holding(b"abc" * 1000) as source, holding(b"an older and longer content " * 1000) as target:
            os.lseek(source, 7, os.SEEK_SET)
            os.lseek(target, 11, os.SEEK_SET)
            coded = await workers.encode("zstd", source, target)
            assert coded.content_digest == digest_of(b"abc" * 1000)
            assert (os.lseek(source, 0, os.SEEK_CUR), os.lseek(target, 0, os.SEEK_CUR)) == (7, 11)
            assert os.fstat(target).st_size == coded.coded_bytes

    with_workers(encode)


def test_a_refusal_keeps_its_reason_and_the_worker() -> None:
    """A file that a coding does not take is everyday: no process is lost for it."""

    async def refuse(workers: Workers) -> None:
        await run_job(workers, "describe")
        pids = workers.pids()
        with holding(b"not a jpeg" * 100) as source, holding() as target:
            for coding, reason in (("lepton", "unsupported"), ("zstd", "not_smaller"), ("no-such", "unsupported")):
                os.pwrite(source, random.Random(2).randbytes(1000), 0)
                with pytest.raises(ContentError) as refusal:
                    await workers.encode(coding, source, target)
                assert refusal.value.reason == reason
            with pytest.raises(ContentError) as refusal:
                await workers.decode("zstd", source, None, size=5)
            assert refusal.value.reason == "damaged"
        assert workers.pids() == pids

    with_workers(refuse)


def test_a_slow_reader_of_a_pipe_gets_every_byte() -> None:
    """The reader sets the pace; the caller's copy of the pipe's end is the last one when the job is done."""
    content = random.Random(3).randbytes(MIB)

    async def decode(workers: Workers) -> bytes:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        received = bytearray()

        def on_bytes() -> None:
            received.extend(os.read(reading, 10_000))

        with holding(content) as source:
            job = asyncio.ensure_future(workers.decode("raw", source, writing, size=len(content)))
            await SystemClock().sleep(0.2)
            assert not job.done()
            asyncio.get_running_loop().add_reader(reading, on_bytes)
            await job
            os.close(writing)
            await until(lambda: len(received) == len(content))
            asyncio.get_running_loop().remove_reader(reading)
            assert os.read(reading, 1) == b""
            os.close(reading)
        return bytes(received)

    assert with_workers(decode) == content


def test_trouble_with_a_descriptor_comes_back_as_the_system_gave_it() -> None:
    """A full disk or a reader gone is no fault of the content."""

    async def encode(workers: Workers) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        full = os.open("/dev/full", os.O_WRONLY)
        read_only = os.open("/dev/null", os.O_RDONLY)
        with holding(b"x" * 100) as source:
            for target, number in ((writing, errno.EPIPE), (full, errno.ENOSPC), (read_only, errno.EBADF)):
                with pytest.raises(OSError, match=r"[a-z]") as trouble:
                    await workers.encode("raw", source, target)
                assert trouble.value.errno == number
                os.close(target)

    with_workers(encode)


def test_a_hundred_jobs_on_two_workers_leave_no_descriptor_behind() -> None:
    """Two processes do them all, and nothing is open afterwards that was not before."""
    content = b"some text " * 3000

    async def many(workers: Workers) -> None:
        async def one() -> None:
            with holding(content) as source, holding() as coded_file:
                await workers.encode("zstd", source, coded_file)
                decoded = await workers.decode("zstd", coded_file, None, size=len(content))
                assert decoded.digest == digest_of(content)

        await asyncio.gather(*(one() for _ in range(50)))
        assert len(workers.pids()) == 2

    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with_workers(many, n=2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_raw_and_zstd_keep_their_memory_bounded() -> None:
    """256 MiB that compress pass through a worker that holds a small part of them."""

    async def measure(workers: Workers) -> int:
        with tempfile.TemporaryFile() as source, holding() as coded_file:
            source.truncate(256 * MIB)
            for coding in ("zstd", "raw"):
                await workers.encode(coding, source.fileno(), coded_file)
                await workers.decode(coding, coded_file, None, size=256 * MIB)
        return workers.peak_rss_bytes

    assert 0 < with_workers(measure) < 96 * MIB


# what a worker is


def test_a_worker_has_only_what_it_needs() -> None:
    """No descriptor, variable or right of the agent's that a hijacked codec could use; no module that slows its start."""

    async def describe(workers: Workers) -> dict[str, object]:
        with holding(b"x") as fd:
            found = await run_job(workers, "describe", fd)
            assert isinstance(found, dict)
            return found

    os.environ["SMARTER_TEST_SECRET"] = "x"
    try:
        found = with_workers(describe, memory_bytes=512 * MIB)
    finally:
        del os.environ["SMARTER_TEST_SECRET"]
    # Its socket, /dev/null, its last words, the one given, and the listing itself.
    assert (found["given"], len(str(found["open"]).split())) == (1, 5)
    assert (found["core"], found["no_new_privs"]) == (0, 1)
    assert int(str(found["data"])) <= 512 * MIB
    assert int(str(found["files"])) <= 64
    assert "SMARTER_TEST_SECRET" not in str(found["environment"])
    assert not {"asyncio", "grpc", "pydantic", "subprocess"} & set(str(found["modules"]).split())


def test_a_worker_that_keeps_much_memory_is_replaced() -> None:
    """What a library does not give back must not add up."""

    async def hoard(workers: Workers) -> None:
        await run_job(workers, "hoard", bytes=4 * MIB)
        kept = workers.pids()
        await run_job(workers, "hoard", bytes=4 * MIB)
        assert workers.pids() == kept
        await run_job(workers, "hoard", bytes=160 * MIB)
        assert workers.pids() == ()
        await until(lambda: not is_running(kept[0]))

    with_workers(hoard)


# what a worker meets


def test_a_job_that_needs_too_much_memory_is_refused() -> None:
    """The limit is the worker's, whatever the machine has."""
    assert reason_of("allocate", bytes=1024 * MIB)[0] == "memory"
    assert with_workers(lambda workers: run_job(workers, "allocate", bytes=256 * MIB)) == {"bytes": 256 * MIB}


def test_a_library_that_aborts_for_lack_of_memory_is_told_from_one_that_crashes() -> None:
    """Its last words are all that remains of it."""
    assert reason_of("abort", words="memory allocation of 987654321 bytes failed\n")[0] == "memory"
    reason, message = reason_of("abort", words="thread 'main' panicked at src/x.rs\nindex out of bounds\n")
    assert reason == "crashed"
    assert "SIGABRT" in message
    assert "index out of bounds" in message


def test_a_job_that_never_ends_is_ended_after_its_cpu_seconds() -> None:
    """The kernel counts, so a busy machine takes nothing from a job's allowance."""
    assert reason_of("spin", cpu_s=0)[0] == "deadline"


def test_a_job_that_waits_for_ever_is_ended_after_its_wall_time() -> None:
    """For a source on a disk that does not answer."""

    async def wait(workers: Workers) -> None:
        reading, writing = os.pipe()
        with holding() as begin, pytest.raises(ContentError) as refusal:
            await run_job(workers, "wait_for_byte", reading, begin, wall_s=0.3)
        assert refusal.value.reason == "deadline"
        os.close(reading)
        os.close(writing)

    with_workers(wait)


def test_a_crash_of_any_kind_costs_the_job_and_not_the_agent() -> None:
    """A fault of a library, a bug of ours, a killed process."""
    assert reason_of("segfault")[0] == "crashed"
    reason, message = reason_of("raise_bug", words="the bug")
    assert (reason, "ZeroDivisionError: the bug" in message) == ("crashed", True)


def test_an_answer_that_makes_no_sense_is_a_crash() -> None:
    """Whoever took over a worker can still not reach further than its one job."""
    assert reason_of("babble")[0] == "crashed"


def test_a_library_that_shouts_does_not_block_its_worker() -> None:
    """Last words beyond what the pipe holds are lost."""
    assert with_workers(lambda workers: run_job(workers, "shout")) == {"blocked": 0}


@pytest.mark.parametrize("reason", ["memory", "crashed"])
def test_a_worker_is_not_used_again_after_a_library_panicked_in_it(reason: str) -> None:
    """Its locks and tables may be in any state."""

    async def refuse(workers: Workers) -> None:
        with pytest.raises(ContentError):
            await run_job(workers, "refuse", reason=reason)
        assert workers.pids() == ()

    with_workers(refuse)


def test_a_worker_killed_in_its_job_or_idle_is_replaced() -> None:
    """The kernel's OOM killer asks nobody."""

    async def kill(workers: Workers) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        begun, begin = os.pipe2(os.O_CLOEXEC)
        job = asyncio.ensure_future(run_job(workers, "wait_for_byte", reading, begin))
        await asyncio.to_thread(os.read, begun, 1)
        os.kill(workers.pids()[0], signal.SIGKILL)
        with pytest.raises(ContentError) as refusal:
            await job
        assert (refusal.value.reason, "SIGKILL" in str(refusal.value)) == ("crashed", True)
        for fd in (reading, writing, begun, begin):
            os.close(fd)
        await run_job(workers, "describe")
        (idle,) = workers.pids()
        os.kill(idle, signal.SIGKILL)
        await until(lambda: not is_running(idle))
        await run_job(workers, "describe")

    with_workers(kill)


def test_a_cancelled_job_frees_its_place_at_once() -> None:
    """A source that hangs up in the middle leaves no worker at work."""

    async def cancel(workers: Workers) -> None:
        job = asyncio.ensure_future(run_job(workers, "spin"))
        await until(lambda: len(workers.pids()) == 1)
        (pid,) = workers.pids()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert workers.pids() == ()
        await run_job(workers, "describe")
        await until(lambda: not is_running(pid))

    with_workers(cancel)


def test_a_job_cancelled_before_it_has_a_worker_takes_none() -> None:
    """Waiting for a place is no reason to kill whoever has it."""

    async def cancel(workers: Workers) -> None:
        first = asyncio.ensure_future(run_job(workers, "spin", cpu_s=1))
        second = asyncio.ensure_future(run_job(workers, "describe"))
        await until(lambda: len(workers.pids()) == 1)
        (pid,) = workers.pids()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert workers.pids() == (pid,)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    with_workers(cancel)


def test_closing_ends_jobs_and_processes_and_refuses_more() -> None:
    """After it the agent may remove what the workers had open."""

    async def close() -> None:
        workers = Workers(2, jobs=TEST_JOBS)
        await run_job(workers, "describe")
        busy = [asyncio.ensure_future(run_job(workers, "spin")) for _ in range(3)]
        await until(lambda: len(workers.pids()) == 2)
        pids = workers.pids()
        await workers.close()
        first, second, waiting = await asyncio.gather(*busy, return_exceptions=True)
        assert isinstance(first, ContentError)
        assert isinstance(second, ContentError)
        assert isinstance(waiting, RuntimeError)
        assert not any(is_running(pid) for pid in pids)
        with pytest.raises(RuntimeError):
            await run_job(workers, "describe")
        await workers.close()

    asyncio.run(close())


def test_the_event_loop_turns_while_a_job_runs() -> None:
    """A long encoding must not delay a heartbeat."""

    async def turn(workers: Workers) -> int:
        job = asyncio.ensure_future(run_job(workers, "spin", cpu_s=0))
        turns = 0
        while not job.done():
            await SystemClock().sleep(0.01)
            turns += 1
        with pytest.raises(ContentError):
            await job
        return turns

    assert with_workers(turn) > 20


def test_workers_die_with_their_agent_even_in_the_middle_of_a_job() -> None:
    """After a kill -9 nothing is left that writes into a file which recovery reads."""
    agent = textwrap.dedent(
        f"""
        import asyncio
        from common.clock import SystemClock
        from common.workers import Workers

        async def main():
            workers = Workers(2, jobs={TEST_JOBS!r})
            await workers.run("describe", {{}}, fds=(), cpu_s=9, wall_s=None)
            jobs = [asyncio.ensure_future(workers.run("spin", {{}}, fds=(), cpu_s=99, wall_s=None)) for _ in range(2)]
            while len(workers.pids()) < 2:
                await SystemClock().sleep(0.01)
            await SystemClock().sleep(0.3)
            print(*workers.pids(), flush=True)
            await asyncio.gather(*jobs)

        asyncio.run(main())
        """
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2]))
    with subprocess.Popen([sys.executable, "-c", agent], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_running(pid) for pid in pids)
        process.kill()
    asyncio.run(until(lambda: not any(is_running(pid) for pid in pids)))
