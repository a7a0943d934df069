"""How much of members may be on its way at once: so little that the queue before the link stays short.

What has been handed to the link cannot be called back: a representative that lands meanwhile would queue behind it. So small
questions go with the members, over the same connection; an answer tells that all that went before has arrived, and how long the
queue is: the answer's delay beyond the shortest of late. The window grows while that is below `TARGET_S` and shrinks above it, as
LEDBAT's does (RFC 6817; departs: the delay is that of a round trip, and the answers are few).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common.clock import Clock

TARGET_S = 0.1
LEAST_BYTES = 64 << 10
FIRST_BYTES = 256 << 10
MOST_BYTES = 16 << 20
BASE_S = 600.0
"""For so long the shortest delay is remembered: the way to the destination may become another one."""
RECENT = 4
"""Answers of which the quickest counts: a machine that is busy delays some, a full link all of them."""
AGAIN_S = 1.0
"""How often it is asked whether a link that others fill is idle again."""


@dataclass(slots=True)
class Window:
    """The window and the delays that it follows. Pure: times are monotonic seconds."""

    n_bytes: float = FIRST_BYTES
    _base: deque[tuple[float, float]] = field(default_factory=deque)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def heard(self, delay_s: float, *, n_bytes: int, now_s: float) -> None:
        """An answer came after so long; so many bytes have arrived by it."""
        while self._base and (self._base[-1][1] >= delay_s):
            self._base.pop()
        self._base.append((now_s, delay_s))
        while self._base[0][0] < now_s - BASE_S:
            self._base.popleft()
        self._recent.append(delay_s)
        room = max(-1.0, (TARGET_S - self.queue_s) / TARGET_S)
        self.n_bytes = min(MOST_BYTES, max(LEAST_BYTES, self.n_bytes / 2, self.n_bytes + room * n_bytes))

    @property
    def queue_s(self) -> float:
        """How long the queue is."""
        return min(self._recent, default=0.0) - (self._base[0][1] if self._base else 0.0)

    @property
    def is_low(self) -> bool:
        """Whether the link is as good as idle."""
        return self.queue_s <= TARGET_S


class Yielding:
    """Lets frames of members pass within the window. One event loop's, one connection's."""

    def __init__(self, ask: Callable[[], Awaitable[object]], clock: Clock) -> None:
        """`ask` is a small call over the members' connection; an answer that is an error is one too."""
        self.window = Window()
        self._ask, self._clock = ask, clock
        self._n_sent = self._n_arrived = 0
        self._arrived = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    def frame_bytes(self, most: int) -> int:
        """How large a frame may be: two fit into the window."""
        return min(most, int(self.window.n_bytes / 2))

    async def room(self, n_bytes: int, *, needs_idle: Callable[[], bool]) -> None:
        """Waits until a frame fits into the window; and, while it `needs_idle`, until nobody else fills the link."""
        while True:
            in_flight = self._n_sent - self._n_arrived
            is_quiet = self.window.is_low or not needs_idle()
            if not in_flight and not is_quiet:
                await self._clock.sleep(AGAIN_S)
                self._question()
            elif is_quiet and (not in_flight or in_flight + n_bytes <= self.window.n_bytes):
                return
            self._arrived.clear()
            await self._arrived.wait()

    def sent(self, n_bytes: int) -> None:
        """A frame was handed to the link."""
        self._n_sent += n_bytes
        self._question()

    def close(self) -> None:
        """The connection is over."""
        if self._asking is not None:
            self._asking.cancel()

    def _question(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._asked())

    async def _asked(self) -> None:
        while True:
            n_sent, begun_s = self._n_sent, self._clock.monotonic_s()
            await self._ask()
            now_s = self._clock.monotonic_s()
            self.window.heard(now_s - begun_s, n_bytes=n_sent - self._n_arrived, now_s=now_s)
            self._n_arrived = n_sent
            self._arrived.set()
            if self._n_sent == n_sent:
                return
