"""What an agent logs: what its configuration says, or for a while what an operator asked for."""

from __future__ import annotations

import asyncio
from typing import get_args

from common import logs
from common.clock import Clock
from common.config import MAX_SECONDS, LogSection
from common.logs import Level


class LogLevel:
    """The level in force. Event loop only."""

    def __init__(self, configured: LogSection, clock: Clock) -> None:
        self.configured = configured
        self.asked: Level | None = None
        """What an operator asked for; None where it is as configured."""
        self.until_ns = 0
        """When that ends; 0 where it does not."""
        self._clock = clock
        self._ending: asyncio.Task[None] | None = None

    @property
    def level(self) -> Level:
        """The level in force."""
        return self.asked or self.configured.level

    def ask(self, level: str, *, seconds: float) -> None:
        """Logs at another level, for some seconds or, where they are 0, until told otherwise; "" is as configured.

        Errors: ValueError where there is no such level, or no such time.
        """
        if level not in {"", *get_args(Level)}:
            raise ValueError(f"{level[:40]!r} is no log level: {', '.join(get_args(Level))}")
        if not 0 <= seconds <= MAX_SECONDS:
            raise ValueError("a log level cannot be asked for so long")
        self._forget()
        self.asked = next((known for known in get_args(Level) if known == level), None)
        if self.asked and seconds:
            self.until_ns = self._clock.now_ns() + int(seconds * 1e9)
            self._ending = asyncio.create_task(self._end(seconds))
        logs.configure(self.level, self.configured.format)

    def configure(self, section: LogSection) -> None:
        """Takes over another configuration; what an operator asked for stays."""
        self.configured = section
        logs.configure(self.level, section.format)

    def close(self) -> None:
        """Ends the waiting."""
        self._forget()

    def _forget(self) -> None:
        self.asked, self.until_ns = None, 0
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    async def _end(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.asked, self.until_ns, self._ending = None, 0, None
        logs.configure(self.level, self.configured.format)
