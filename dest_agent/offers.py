"""Answering offers: gathers the facts that the planner decides by.

A sketch is a hint and never a reason to refuse: one that cannot be read is counted and treated as none. Sketches of what may
come, or is here and was never sketched, are kept; the pictures get into the index when their contents are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from common.coding import CODINGS
from common.ids import Digest
from common.metrics import SKETCHES
from common.model import DELTA, Answer, Covered, Have, Offer, Plan, Refusal, Staged
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue, Picture
from dest_agent.index.similar import Seen, Similar
from dest_agent.planner import Known, plan
from dest_agent.room import Space
from dest_agent.staging import StagedFile, Staging
from dest_agent.store import StoreFailed
from dest_agent.tally import told

_FORMS = (*CODINGS, DELTA)
"""In which a content may be on its way."""


class Offers:
    """Serves the offers of all sources. Event loop only; looking up is done in threads."""

    def __init__(self, catalogue: Catalogue, staging: Staging, *, space: Space, access: Access, similar: Similar) -> None:
        self._catalogue = catalogue
        self._staging = staging
        self._space = space
        self._access = access
        self._similar = similar

    async def answer(self, source: str, offers: Sequence[Offer]) -> list[Plan]:
        """One plan for each offer, in order. Errors: DatabaseError, StoreFailed."""
        digests = [offer.digest for offer in offers]
        sharing = self._access.sharing(source)
        held = await asyncio.to_thread(self._catalogue.held, sharing, digests)
        sketched = [offer for offer in offers if offer.sketch is not None]
        known = await asyncio.to_thread(self._catalogue.pictures, sharing, [o.digest for o in sketched if o.digest in held])
        seen = await self._similar.look(source, [offer for offer in sketched if offer.digest not in known])
        bases = [offer.delta.base for offer in offers if offer.delta is not None]
        recipes = await asyncio.to_thread(self._catalogue.recipes, sharing, bases)
        room = self._space.room()
        plans = []
        for offer in offers:
            if offer.digest in held:
                # An attempt that was overtaken by another one's success: nobody will come back for it.
                for partial in self._staging.settled(source, offer.digest, _FORMS):
                    await asyncio.to_thread(partial.discard)
            staged = None if offer.digest in held else await self._staged(source, offer)
            matches = seen[offer.digest].matches if offer.digest in seen else ()
            base = None if offer.delta is None else recipes.get(offer.delta.base)
            answer = plan(offer, room, Known(offer.digest in held, staged, matches, base))
            plans.append(Plan(offer.digest, answer))
            told(source, answer)
        await self._keep(source, sketched, plans, seen)
        return plans

    async def _keep(self, source: str, sketched: Sequence[Offer], plans: Sequence[Plan], seen: Mapping[Digest, Seen]) -> None:
        answers = {p.digest: p.answer for p in plans}
        pictures = []
        for offer in sketched:
            answer, look = answers[offer.digest], seen.get(offer.digest)
            SKETCHES.labels(_outcome(answer, look)).inc()
            if offer.sketch is not None and look is not None and not isinstance(answer, Refusal):
                pictures.append(Picture(offer.digest, offer.size, offer.sketch, look.group))
        await self._similar.keep(source, pictures)
        for picture in pictures:
            if isinstance(answers[picture.digest], Have):
                self._similar.arrived(source, picture.digest)

    async def _staged(self, source: str, offer: Offer) -> Staged | None:
        partial = self._staging.partial(source, offer.digest, CODINGS if offer.delta is None else (DELTA,))
        return None if partial is None else await asyncio.to_thread(_hint, partial)


def _outcome(answer: Answer, look: Seen | None) -> str:
    """The metric's word."""
    match answer:
        case Have():
            return "have"
        case Refusal():
            return "refused"
        case Covered():
            return "covered"
        case _:
            return "unreadable" if look is None else "not_covered"


def _hint(partial: StagedFile) -> Staged | None:
    """The hint, or nothing where the file cannot be read: then the content simply comes whole."""
    try:
        return partial.hint()
    except StoreFailed:
        return None
