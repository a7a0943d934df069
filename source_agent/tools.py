"""What every connection's sender works with, and what it asks of the parts that outlive a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from common.clock import Clock
from common.ids import Digest
from common.model import Announcement, Match, Sketch
from source_agent.deliveries import Delivery
from source_agent.deltas import Ready
from source_agent.journal import Journal
from source_agent.pacing import Pacing
from source_agent.pins import Pins
from source_agent.spool import Parcel, Spool
from source_agent.states import State
from source_agent.tally import Tally
from source_agent.windows import Gate


@dataclass(slots=True)
class Outcome:
    """How a delivery ended, on its way into the journal."""

    delivery: Delivery
    state: State
    reason: str = ""
    uploaded: bool = False
    as_delta: bool = False


class Pictures(Protocol):
    """What the sender asks of whoever compares pictures."""

    async def sketches(self, digests: Sequence[Digest]) -> Mapping[Digest, Sketch]:
        """What pictures are recognised by, of those whose features are known."""

    async def cover(self, digest: Digest, matches: Sequence[Match]) -> bool:
        """Whether what the destination holds makes a representative a member, which is journalled then."""


class DeltaMaker(Protocol):
    """What the sender asks of, and says to, whoever makes deltas."""

    async def ready(self, *, limit: int, gates: Sequence[Gate]) -> Sequence[Ready]:
        """Members whose deltas may go through one of the gates."""

    async def has_unsaid(self) -> bool:
        """Whether more is to be said of members than is known yet: no delta goes before that."""

    async def unannounced(self, *, limit: int) -> Sequence[Announcement]:
        """What is to be said of members before their deltas go."""

    async def announced(self, target: Digest) -> None:
        """It was said of one."""

    def parcel(self, ready: Ready) -> Parcel:
        """A delta ready to be sent."""

    def stored(self, target: Digest) -> None:
        """The destination has the delta of a content; its receipt is journalled."""

    async def bad_base(self, ready: Ready, reason: str) -> None:
        """The destination takes nothing over this base: another one is tried, or none."""

    async def fall_back(self, target: Digest, reason: str) -> None:
        """A member goes whole."""

    def wake(self) -> None:
        """Receipts were journalled: what waits for its base may be due."""


@dataclass(slots=True)
class Tools:
    """What every connection's sender works with."""

    journal: Journal
    spool: Spool
    pins: Pins
    tally: Tally
    pacing: Pacing
    clock: Clock
    look_again: Callable[[], None]
    """Called when a path was marked dirty, because its file is not what its version says."""
    pictures: Pictures
    deltas: DeltaMaker
    idle: Callable[[], bool]
    """Whether nothing is on its way to becoming ready: then members of groups may go."""
    coders: int
    room_bytes: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the journal may have something new to deliver."""
    unhurried_until_s: float = 0.0
    """On the monotonic clock: till then contents are made as small as they can be, though the link wait for them."""

    @property
    def is_unhurried(self) -> bool:
        """Whether no receipt is waited for."""
        return self.clock.monotonic_s() < self.unhurried_until_s
