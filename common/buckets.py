"""Token buckets, and whose turn it is where several wait for them. Pure: the caller says what time it is.

A bucket may be overdrawn by one frame, and a frame may begin while the bucket is overdrawn by less than `BURST_S` of its rate. So
in any time t at most rate x (t + `BURST_S`) and one frame pass: with frames of at most `FRAME_S` of the rate, 1.8 % more than the
rate in any ten seconds. A message that cannot be cut passes whole, and what follows waits for as long as it took.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from common.timetable import CLOSED, OFF

BURST_S = 0.1
FRAME_S = 0.08
LEAST_FRAME_BYTES = 512
"""Smaller frames would carry more envelope than letter."""


@dataclass(slots=True)
class Bucket:
    """What passes at a rate. Times are monotonic seconds."""

    rate: float = OFF
    """Bytes a second; OFF: without limit, CLOSED: nothing."""
    _overdrawn: float = 0.0
    _at_s: float = -math.inf

    def change(self, rate: float, since_s: float) -> None:
        """Another rate since a moment that may be over; what has passed too early stays counted, with what passed since."""
        since_s = max(since_s, self._at_s)
        self._overdrawn, self._at_s, self.rate = self._left(since_s), since_s, rate

    def ready_s(self, now_s: float) -> float:
        """When the next frame may begin: now or later; infinity while closed."""
        if self.rate in {OFF, CLOSED}:
            return now_s if self.rate == OFF else math.inf
        return now_s + max(0.0, self._left(now_s) / self.rate - BURST_S)

    def take(self, n_bytes: int, now_s: float) -> None:
        """A frame passes."""
        if self.rate != OFF:
            self._overdrawn, self._at_s = self._left(now_s) + n_bytes, now_s

    def _left(self, now_s: float) -> float:
        """Bytes that have passed and are not paid for by time."""
        if self.rate == OFF or not self._overdrawn:
            return 0.0
        return max(0.0, self._overdrawn - self.rate * (now_s - self._at_s))


def frame_bytes(buckets: Collection[Bucket], most: int) -> int:
    """How large a frame may be so that no bucket's rate is exceeded by it."""
    least_rate = min((bucket.rate for bucket in buckets if bucket.rate != CLOSED), default=OFF)
    return most if least_rate == OFF else min(most, max(LEAST_FRAME_BYTES, int(least_rate * FRAME_S)))


@dataclass(eq=False, slots=True)
class Turn:
    """Somebody waits to send a frame of some kind, which takes from every one of some buckets."""

    kind: str
    n_bytes: int
    buckets: tuple[Bucket, ...]

    def ready_s(self, now_s: float) -> float:
        """When all buckets allow it."""
        return max((bucket.ready_s(now_s) for bucket in self.buckets), default=now_s)


@dataclass(slots=True)
class Turns:
    """All that wait: of those whose buckets allow it the kind of the lowest rank goes, and kinds of one rank share by bytes."""

    ranks: Mapping[str, int]
    held: set[str] = field(default_factory=set)
    """Kinds that may not begin a frame, whatever their buckets say."""
    _waiting: list[Turn] = field(default_factory=list)
    _served: dict[str, int] = field(default_factory=dict)
    """Bytes by kind; a kind that comes back after a pause begins where the others of its rank are, and has saved nothing up."""
    _reached: dict[int, int] = field(default_factory=dict)
    """By rank: what the kind that went last had been served before."""

    def ask(self, turn: Turn) -> None:
        """Waits at the end of its kind."""
        reached = self._reached.get(self.ranks[turn.kind], 0)
        self._served[turn.kind] = max(self._served.get(turn.kind, 0), reached)
        self._waiting.append(turn)

    def withdraw(self, turn: Turn) -> None:
        """Waits no more."""
        if turn in self._waiting:
            self._waiting.remove(turn)

    def grant(self, now_s: float) -> Turn | None:
        """The turn that may send now; its bytes are taken. None where none may."""
        ready = [turn for turn in self._waiting if turn.kind not in self.held and turn.ready_s(now_s) <= now_s]
        if not ready:
            return None
        turn = min(ready, key=lambda one: (self.ranks[one.kind], self._served[one.kind]))
        self._waiting.remove(turn)
        self._reached[self.ranks[turn.kind]] = self._served[turn.kind]
        self._served[turn.kind] += turn.n_bytes
        for bucket in turn.buckets:
            bucket.take(turn.n_bytes, now_s)
        return turn

    def next_s(self, now_s: float) -> float:
        """When another may go as things are; infinity where none ever may, or none waits."""
        return min((turn.ready_s(now_s) for turn in self._waiting if turn.kind not in self.held), default=math.inf)

    def waiting(self, kind: str) -> int:
        """How many of a kind wait."""
        return sum(turn.kind == kind for turn in self._waiting)
