"""What worker processes survive, what they do not, and that the agent always does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import ContentError
from common.metrics import WORKER_DEATHS, snapshot
from common.workers import Workers
from tests.fakes.working import MIB, TEST_JOBS, holding, is_running, reason_of, run_job, until, with_workers


def test_a_job_that_needs_too_much_memory_is_refused() -> None:
    """The limit is the worker's, whatever the machine has."""
    assert reason_of("allocate", bytes=1024 * MIB)[0] == "memory"
    assert with_workers(lambda workers: run_job(workers, "allocate", bytes=256 * MIB)) == {"bytes": 256 * MIB}


def test_every_worker_that_is_lost_is_counted_by_its_reason() -> None:
    """Whether it died or had to be ended because its library was no longer to be trusted."""
    before = snapshot(WORKER_DEATHS)
    reason_of("segfault")
    reason_of("spin", cpu_s=0)
    reason_of("refuse", reason="memory")
    reason_of("refuse", reason="unsupported")
    after = snapshot(WORKER_DEATHS)
    lost = {reason: after[reason] - before.get(reason, 0) for reason in after if after[reason] != before.get(reason, 0)}
    assert lost == {"crashed": 1, "deadline": 1, "memory": 1}


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
