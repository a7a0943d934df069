"""The members of groups on one connection: which may go, as deltas or whole, and what a refused delta leads to.

Forgotten when the connection ends, as all that is in flight: the journal says what each member waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from common.errors import TransientError
from common.ids import Digest
from common.model import Announcement, DeltaOffer, Refusal, RefusalCode
from source_agent.batches import Jobs, Said, exchange_announcements
from source_agent.deliveries import Delivery
from source_agent.deltas import Ready
from source_agent.tools import Tools
from source_agent.waiting import queued_members

_NOT_THE_DELTAS_FAULT = {RefusalCode.NO_SPACE, RefusalCode.CONFLICT, RefusalCode.TOO_LARGE}
"""Refusals that a content would get in any form."""


class Members:
    """One connection's. Event loop only."""

    def __init__(self, tools: Tools, methods: Collection[str]) -> None:
        """`methods`: of deltas, that the destination decodes."""
        self._tools = tools
        self._methods = methods
        self._offered: dict[Digest, Ready] = {}
        self._said: asyncio.Queue[Announcement] = asyncio.Queue()
        self._announcing: dict[int, Digest] = {}

    async def due(self, in_flight: Collection[int], *, most: int) -> list[Delivery]:
        """Members that may go and are not on their way: those whose bytes must be sent, and those whose deltas are made.

        None before of all of them was said what can be said: a hundred members roughly are worth more than one exactly.
        """
        if self._methods and (self.is_announcing or await self._tools.deltas.has_unsaid()):
            return []
        gates, most = self._tools.pacing.gates(), most + len(in_flight)
        whole = await asyncio.to_thread(queued_members, self._tools.journal, limit=most, gates=gates)
        found = [delivery for delivery in whole if delivery.version.id.seq not in in_flight]
        for ready in await self._tools.deltas.ready(limit=most, gates=gates):
            if ready.made.method not in self._methods:
                await self._tools.deltas.fall_back(ready.target, "unknown_method")
            elif ready.delivery.version.id.seq not in in_flight:
                self._offered[ready.target] = ready
                found.append(ready.delivery)
        return found

    def exchange(self, call: Any, *, said: Said) -> Jobs:
        """The jobs of an Announce stream; none where the destination takes no deltas, for it does not take this either."""
        if not self._methods:
            return []
        return exchange_announcements(call, self._said, self._heard, said=said)

    async def announce(self, *, most: int) -> None:
        """Has said what can be said of members whose deltas are not made yet, or may not go before that."""
        if not self._methods:
            return
        for announcement in await self._tools.deltas.unannounced(limit=most + len(self._announcing)):
            seq, digest = announcement.version.id.seq, announcement.version.digest
            if digest is not None and seq not in self._announcing:
                self._announcing[seq] = digest
                self._said.put_nowait(announcement)

    async def _heard(self, seq: int) -> None:
        """The destination has heard it. Errors: TransientError where nothing was said."""
        digest = self._announcing.pop(seq, None)
        if digest is None:
            raise TransientError(f"the destination has heard what was not announced: {seq}")
        await self._tools.deltas.announced(digest)
        self._tools.wake.set()

    @property
    def is_announcing(self) -> bool:
        """Whether an answer is awaited, without which a delta does not go."""
        return bool(self._announcing)

    def delta(self, digest: Digest | None) -> Ready | None:
        """The delta that a content is offered as."""
        return None if digest is None else self._offered.get(digest)

    def offer(self, digest: Digest) -> DeltaOffer | None:
        """What is said of it."""
        return self._offered[digest].offer if digest in self._offered else None

    def go_whole(self, digest: Digest) -> None:
        """The destination wants the content itself."""
        self._offered.pop(digest, None)

    def stored(self, digest: Digest) -> None:
        """The receipt for a delta is journalled."""
        self._offered.pop(digest, None)
        self._tools.deltas.stored(digest)

    async def refused(self, digest: Digest, refusal: Refusal) -> bool:
        """Journals what becomes of a delta that is not taken; False where there is none, or it is not the delta's fault.

        Its deliveries then wait for another base, or are to go whole.
        """
        if digest not in self._offered or refusal.code in _NOT_THE_DELTAS_FAULT:
            return False
        ready = self._offered.pop(digest)
        if refusal.code is RefusalCode.BAD_BASE:
            await self._tools.deltas.bad_base(ready, refusal.reason)
        else:
            await self._tools.deltas.fall_back(digest, refusal.code.name.lower())
        return True
