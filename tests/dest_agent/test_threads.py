"""A descriptor is never closed under a thread that uses it."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from dest_agent.threads import opened, to_the_end


def test_a_cancelled_caller_goes_on_only_when_the_thread_is_done() -> None:
    """Closing earlier could hand the thread another file."""
    entered, go, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        entered.set()
        go.wait(30)
        ended.append(True)

    async def scene() -> None:
        caller = asyncio.create_task(to_the_end(work))
        await asyncio.to_thread(entered.wait)
        caller.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not caller.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert ended

    asyncio.run(scene())


def test_what_was_opened_for_a_cancelled_caller_is_closed() -> None:
    """A reader who hangs up again and again uses up no descriptors."""
    entered, go, fds = threading.Event(), threading.Event(), []

    def open_it() -> int:
        entered.set()
        go.wait(30)
        fds.append(os.memfd_create("x"))
        return fds[0]

    async def scene() -> None:
        caller = asyncio.create_task(opened(open_it))
        await asyncio.to_thread(entered.wait)
        caller.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fds[0])

    asyncio.run(scene())
