"""In which order, and over which lane, deliveries go. Pure.

Lanes share the link, each with streams of its own: neither a content of many gigabytes nor a member whose hour is over must hold
up the pictures behind it. Two lanes have two streams, since one TCP connection does not fill a link with a long round trip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from common.model import Role
from source_agent.deliveries import Delivery

BULK_BYTES = 64 << 20
MOST_IN_FLIGHT = 4096
MOST_MEMBERS = 64


class Lane(StrEnum):
    """A queue of uploads, with streams of its own."""

    PROMPT = "prompt"
    """Representatives."""
    PLAIN = "plain"
    """Contents that are no pictures."""
    BULK = "bulk"
    """What is very large."""
    DEFERRED = "deferred"
    """Members."""


STREAMS = (Lane.PROMPT, Lane.PROMPT, Lane.PLAIN, Lane.PLAIN, Lane.BULK, Lane.DEFERRED)
"""The lane that each upload stream serves; members the last."""


def lane_of(delivery: Delivery) -> Lane:
    """The lane of a delivery's content."""
    if delivery.version.role is Role.MEMBER:
        return Lane.DEFERRED
    if delivery.version.size > BULK_BYTES:
        return Lane.BULK
    return Lane.PROMPT if delivery.version.role is Role.REPRESENTATIVE else Lane.PLAIN


def in_order(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Representatives first, then everything else, each in the order in which it was seen [S §III-A]."""
    return sorted(deliveries, key=lambda d: (d.version.role is not Role.REPRESENTATIVE, d.version.id.seq))


def weight(delivery: Delivery) -> int:
    """What a content in flight counts against the spool's bound, in bytes.

    Bulk contents count nothing: their lane takes one at a time, and many of them must not keep the pictures out. Members neither:
    few of them are taken up at a time.
    """
    return 0 if lane_of(delivery) in {Lane.BULK, Lane.DEFERRED} else delivery.version.size


@dataclass(slots=True)
class Room:
    """How much of each class is in flight: what waits for the link must not keep more urgent contents out of it."""

    most_bytes: int
    _n: Counter[Role] = field(default_factory=Counter)
    _n_bytes: Counter[Role] = field(default_factory=Counter)
    _plain_is_full: bool = False

    def enter(self, delivery: Delivery) -> None:
        """One more is in flight."""
        self._n[delivery.version.role] += 1
        self._n_bytes[delivery.version.role] += weight(delivery)

    def leave(self, delivery: Delivery) -> None:
        """It is not any more."""
        self._n[delivery.version.role] -= 1
        self._n_bytes[delivery.version.role] -= weight(delivery)

    @property
    def for_members(self) -> int:
        """How many members may be taken up now: none while a representative is in flight [S §III-A]."""
        return 0 if self._n[Role.REPRESENTATIVE] else max(0, MOST_MEMBERS - self._n[Role.MEMBER])

    @property
    def is_full(self) -> bool:
        """Whether nothing at all is to be taken up."""
        return self._n_bytes[Role.REPRESENTATIVE] > self.most_bytes or self._n.total() > MOST_IN_FLIGHT

    @property
    def plain_is_full(self) -> bool:
        """Whether no more contents that are no pictures are to be taken up; until half of them have gone, once it is so."""
        share = 0.5 if self._plain_is_full else 1.0
        n_bytes, n = self._n_bytes[Role.NONE], self._n[Role.NONE]
        self._plain_is_full = n_bytes > share * self.most_bytes or n > share * MOST_IN_FLIGHT / 2
        return self._plain_is_full
