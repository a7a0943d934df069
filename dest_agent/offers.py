"""Answering offers: gathers the facts that the planner decides by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from common.coding import CODINGS
from common.ids import Digest
from common.model import Offer, Plan, Staged
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue
from dest_agent.planner import plan
from dest_agent.room import Space
from dest_agent.staging import StagedFile, Staging
from dest_agent.store import StoreFailed
from dest_agent.tally import told


class Offers:
    """Serves the offers of all sources. Event loop only; looking up is done in threads."""

    def __init__(self, catalogue: Catalogue, staging: Staging, *, space: Space, access: Access) -> None:
        self._catalogue = catalogue
        self._staging = staging
        self._space = space
        self._access = access

    async def answer(self, source: str, offers: Sequence[Offer]) -> list[Plan]:
        """One plan for each offer, in order. Errors: DatabaseError, StoreFailed."""
        digests = [offer.digest for offer in offers]
        held = await asyncio.to_thread(self._catalogue.held, self._access.sharing(source), digests)
        room = self._space.room()
        plans = []
        for offer in offers:
            if offer.digest in held:
                # An attempt that was overtaken by another one's success: nobody will come back for it.
                for partial in self._staging.settled(source, offer.digest, CODINGS):
                    await asyncio.to_thread(partial.discard)
            staged = None if offer.digest in held else await self._staged(source, offer.digest)
            plans.append(Plan(offer.digest, plan(offer, room, held=offer.digest in held, staged=staged)))
            told(source, plans[-1].answer)
        return plans

    async def _staged(self, source: str, digest: Digest) -> Staged | None:
        partial = self._staging.partial(source, digest, CODINGS)
        return None if partial is None else await asyncio.to_thread(_hint, partial)


def _hint(partial: StagedFile) -> Staged | None:
    """The hint, or nothing where the file cannot be read: then the content simply comes whole."""
    try:
        return partial.hint()
    except StoreFailed:
        return None
