"""The only module that knows what time it is and how to wait; tests hand the agents a clock of their own."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

_LOCAL = Path("/etc/localtime")


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


def pause(seconds: float) -> None:
    """Waits, for a command that has nothing else to do meanwhile."""
    time.sleep(seconds)


def cpu_s() -> float:
    """CPU seconds that this process and its ended children have used."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def local_zone() -> tzinfo:
    """The machine's time zone, by `TZ` or else /etc/localtime; UTC where there is neither. Errors: ValueError."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        if name.startswith("/") or (not name and _LOCAL.exists()):
            with (Path(name) if name else _LOCAL).open("rb") as file:
                return ZoneInfo.from_file(file, key=name or "local")
        return ZoneInfo(name) if name else UTC
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"the machine's time zone {name or str(_LOCAL)!r} cannot be read: name one as `timezone`") from error


def zone_named(name: str) -> tzinfo:
    """A time zone by its name, such as Europe/Lisbon. Errors: ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone: write a name like 'Europe/Lisbon' or 'UTC'") from error
