"""Health pings: an HTTP GET to a watcher that raises the alarm when none comes (healthchecks.io and its like).

    start     the work begins
    success   all is well: `once` delivered everything, or the daemon finds nothing wrong, again and again
    fail      something is wrong, as soon as it is, and again as long as it is

A ping never harms the work: it has a deadline, and what comes of it is counted and logged, nothing more. A ping's address is
a secret of the watcher's, and is not logged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from common.clock import Clock
from common.errors import SmarterError
from common.logs import get
from common.metrics import PINGS

PING_S = 10.0
MAX_STATUS_BYTES = 1024
_GOOD = range(200, 300)

Event = Literal["start", "success", "fail"]
_log = get("pings")


@dataclass(frozen=True, slots=True)
class Pings:
    """Where which event is told; None: nowhere."""

    start: str | None = None
    success: str | None = None
    fail: str | None = None
    every_s: float = 300.0
    """How often a daemon says how it is."""

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return any((self.start, self.success, self.fail))

    async def tell(self, event: Event) -> bool:
        """Tells an event; whether it was heard, True where nobody wants to hear it. Takes `PING_S` at most; raises nothing."""
        url: str | None = getattr(self, event)
        if url is None:
            return True
        try:
            async with asyncio.timeout(PING_S):
                status = await _get(url)
        except (OSError, ValueError, EOFError) as error:  # a TimeoutError is an OSError
            reason = type(error).__name__ if isinstance(error, TimeoutError) else str(error)
            _log.warning("ping_lost", ping=event, host=urlsplit(url).hostname, reason=reason)
        else:
            if status in _GOOD:
                PINGS.labels(event, "told").inc()
                return True
            _log.warning("ping_lost", ping=event, host=urlsplit(url).hostname, reason=f"HTTP status {status}")
        PINGS.labels(event, "lost").inc()
        return False

    async def go_on(self, problem: Callable[[], str], clock: Clock) -> None:
        """Tells a daemon's start, and how it is every so often; `problem` says what is wrong, "" where nothing is. Never ends.

        It is called in a thread. Between two regular pings it is asked too, so that a failure is told soon.
        """
        await self.tell("start")
        told = ""
        due_s = 0.0
        while True:
            try:
                wrong = await asyncio.to_thread(problem)
            except (SmarterError, OSError) as error:
                wrong = str(error)
            now_s = clock.monotonic_s()
            if now_s >= due_s or bool(wrong) != bool(told):
                if wrong and not told:
                    _log.warning("health_failed", reason=wrong)
                elif told and not wrong:
                    _log.info("health_recovered", reason=told)
                await self.tell("fail" if wrong else "success")
                told, due_s = wrong, now_s + self.every_s
            await clock.sleep(min(self.every_s, PING_S))


async def _get(url: str) -> int:
    """The status of an answer to a GET. Errors: OSError, ssl.SSLError among them; EOFError, ValueError for what is no HTTP."""
    at = urlsplit(url)
    is_tls = at.scheme == "https"
    port = at.port or (443 if is_tls else 80)
    tls = ssl.create_default_context() if is_tls else None
    reader, writer = await asyncio.open_connection(at.hostname, port, ssl=tls, limit=MAX_STATUS_BYTES)
    try:
        target = (at.path or "/") + (f"?{at.query}" if at.query else "")
        host = at.netloc.rpartition("@")[2]
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: smarter\r\nConnection: close\r\n\r\n".encode("ascii"))
        line = await reader.readline()
        words = line.split(maxsplit=2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1."):  # noqa: PLR2004 - a status line's first two words
            raise EOFError("no HTTP answer")
        return int(words[1])
    finally:
        writer.close()
