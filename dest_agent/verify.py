"""Reading every content back and proving it, several at a time: what a backup is for, while there still is a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice

from common.clock import Clock
from common.errors import IntegrityError
from common.ids import Digest
from common.logs import get
from common.metrics import VERIFIED
from dest_agent.catalogue import Catalogue, Content, Totals
from dest_agent.collect import orphans
from dest_agent.recipes import Rebuilder
from dest_agent.store import ObjectStore, StoreFailed

PATHS_NAMED = 5
LAST_VERIFY_NS = "last_verify_ns"
LAST_VERIFY_ERRORS = "last_verify_errors"
_PAGE = 64

_log = get("dest.verify")


@dataclass(frozen=True, slots=True)
class Progress:
    """So many of so many contents, and their bytes."""

    contents: int
    n_bytes: int
    total: Totals


@dataclass(frozen=True, slots=True)
class Broken:
    """A content that cannot be read back."""

    digest: Digest
    reason: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """The end: what was read, how much of it is broken, and how many objects no recipe names."""

    contents: int
    n_bytes: int
    problems: int
    orphans: int


@dataclass(frozen=True, slots=True)
class Verifier:
    """Proves stored contents. Event loop only."""

    catalogue: Catalogue
    store: ObjectStore
    rebuilder: Rebuilder
    clock: Clock
    n_at_once: int

    async def verify(self, policy: str) -> AsyncIterator[Progress | Broken | Verified]:
        """Proves the contents of a policy, or, where it is empty, all, and then counts orphans.

        The result of a complete verification is remembered for the status. Errors: StoreFailed where the store
        cannot be listed; DatabaseError.
        """
        total = await asyncio.to_thread(self.catalogue.totals, policy)
        n_contents = n_bytes = n_broken = 0
        contents = self.catalogue.every_content(policy)
        while page := await asyncio.to_thread(lambda: list(islice(contents, _PAGE))):
            gate = asyncio.Semaphore(self.n_at_once)
            for broken in await asyncio.gather(*(self._prove(content, gate) for content in page)):
                if broken is not None:
                    n_broken += 1
                    yield broken
            n_contents += len(page)
            n_bytes += sum(content.size for content in page)
            yield Progress(n_contents, n_bytes, total)
        n_orphans = 0 if policy else await asyncio.to_thread(self._n_orphans)
        if not policy:
            await asyncio.to_thread(self._remember, n_broken)
        yield Verified(n_contents, n_bytes, n_broken, n_orphans)

    async def _prove(self, content: Content, gate: asyncio.Semaphore) -> Broken | None:
        async with gate:
            try:
                await self.rebuilder.prove(content)
            except (IntegrityError, StoreFailed) as error:
                # A sector that cannot be read is a finding like any other, not the end of the search.
                VERIFIED.labels("broken").inc()
                _log.error("content_broken", digest=content.digest.hex(), reason=str(error))
                paths = await asyncio.to_thread(self.catalogue.paths, content.digest, most=PATHS_NAMED)
                return Broken(content.digest, str(error), tuple(paths))
        VERIFIED.labels("proved").inc()
        return None

    def _n_orphans(self) -> int:
        return sum(1 for _ in orphans(self.store, self.catalogue))

    def _remember(self, n_broken: int) -> None:
        self.catalogue.remember(LAST_VERIFY_NS, self.clock.now_ns())
        self.catalogue.remember(LAST_VERIFY_ERRORS, n_broken)
