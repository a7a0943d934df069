"""How fast contents leave for a restore, and come in from sources, by the hours of dest.yaml. The admin socket knows no hours.

A rate of `up:down` limits what leaves by `up` and what comes by `down`. What comes is slowed by not being read: flow control
holds the sources up.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.buckets import Bucket, Turn, frame_bytes
from common.clock import Clock
from common.timetable import Span, Timetable
from common.turnstile import Turnstile

RESTORE, RECEIVE = "restore", "receive"
_RANKS = {RESTORE: 0, RECEIVE: 0}


class Throttle:
    """One event loop's."""

    def __init__(self, timetables: Mapping[str, Timetable], clock: Clock) -> None:
        """`timetables`: those of `link` and `restore`."""
        self._link, self._restore, self._clock = timetables["link"], timetables["restore"], clock
        self._spans: dict[str, Span] = {}
        self._up, self._restored, self._down = Bucket(), Bucket(), Bucket()
        self._stile = Turnstile(clock, _RANKS, refresh=self._refresh)

    def frame_bytes(self, most: int) -> int:
        """How large a frame of a restore may be."""
        self._refresh(self._clock.monotonic_s())
        return frame_bytes([self._up, self._restored], most)

    async def send(self, n_bytes: int) -> None:
        """Waits until a frame of a restore may go."""
        await self._stile.wait_for(Turn(RESTORE, n_bytes, (self._up, self._restored)))

    async def receive(self, n_bytes: int) -> None:
        """Waits until a frame that came from a source may be taken."""
        await self._stile.wait_for(Turn(RECEIVE, n_bytes, (self._down,)))

    def _refresh(self, now_s: float) -> tuple[Turn, ...]:
        now_ns = self._clock.now_ns()
        link, restore = (self._span(name, table, now_ns) for name, table in (("link", self._link), ("restore", self._restore)))
        for bucket, span, rate in (
            (self._up, link, link.rates.up),
            (self._restored, restore, restore.rates.up),
            (self._down, link, link.rates.down),
        ):
            if rate != bucket.rate:
                bucket.change(rate, now_s - (now_ns - (span.since_ns or now_ns)) / 1e9)
        return ()

    def _span(self, name: str, table: Timetable, now_ns: int) -> Span:
        span = self._spans.get(name)
        if span is None or not (span.since_ns or 0) <= now_ns < (span.until_ns or now_ns + 1):
            span = self._spans[name] = table.at(now_ns)
        return span
