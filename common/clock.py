"""The only module that knows what time it is and how to wait; tests hand the agents a clock of their own."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a wait. Wall time may jump; monotonic time never runs back."""

    def now_ns(self) -> int:
        """Wall-clock time in nanoseconds since 1970 UTC."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Waits without holding the event loop."""


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """Wall-clock time in nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits without holding the event loop."""
        await asyncio.sleep(seconds)


def monotonic_s() -> float:
    """Seconds from an arbitrary start, for code that measures itself and takes no decision by it."""
    return time.monotonic()


def cpu_s() -> float:
    """CPU seconds that this process and its ended children have used."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
