"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from common.clock import Clock, SystemClock

LATER_NS = 3600 * 10**9


def later_ns() -> int:
    """An hour from now: to a clock that starts there, every file just made has rested for long."""
    return SystemClock().now_ns() + LATER_NS


@dataclass(slots=True)
class ManualClock(Clock):
    """Wall and monotonic time as the test says. A sleeper wakes when the test has moved time far enough. One event loop's."""

    wall_ns: int = field(default_factory=later_ns)
    run_s: float = 1000.0
    sleepers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)
    """(monotonic second of waking, who sleeps)."""

    def now_ns(self) -> int:
        """Wall-clock time in nanoseconds."""
        return self.wall_ns

    def monotonic_s(self) -> float:
        """Seconds that only `advance` moves."""
        return self.run_s

    async def sleep(self, seconds: float) -> None:
        """Waits until time has been moved by so much."""
        sleeper = asyncio.get_running_loop().create_future()
        entry = (self.run_s + seconds, sleeper)
        self.sleepers.append(entry)
        try:
            await sleeper
        finally:
            self.sleepers.remove(entry)

    def advance(self, seconds: float) -> None:
        """Moves both clocks on and wakes whoever is due."""
        self.run_s += seconds
        self.wall_ns += int(seconds * 1e9)
        for due_s, sleeper in self.sleepers:
            if due_s <= self.run_s and not sleeper.done():
                sleeper.set_result(None)

    def jump(self, seconds: float) -> None:
        """Sets the wall clock alone, forward or back, as NTP or an operator does."""
        self.wall_ns += int(seconds * 1e9)
