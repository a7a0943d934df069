"""Blocking work in a thread whose descriptors must not be closed while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`asyncio.to_thread`, except that a cancelled caller goes on only when the thread is done.

    A descriptor that is closed under a thread may be another file's by the time the thread uses it. Errors: those of `work`.
    """
    running = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def opened(open_it: Callable[[], int]) -> int:
    """A descriptor opened in a thread; a cancelled caller's is closed again. Errors: those of `open_it`."""
    running = asyncio.create_task(asyncio.to_thread(open_it))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if running.exception() is None:
            os.close(running.result())
        raise
