"""The namespaces' indexes behind the event loop: looks for offers, takes in what was committed, repairs in the background.

All indexes live in one thread, so that no two ask one at once; the work that comes to it is cut small, so that an offer waits
for little of a repair. An index that fails is out of use until the next `mend`: meanwhile nothing is alike.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from common.clock import Clock
from common.database import DatabaseError
from common.errors import ContentError, IntegrityError, SmarterError
from common.ids import Digest, digest_of
from common.logs import get
from common.metrics import INDEX_PICTURES, SIMILAR_SECONDS
from common.model import Match, Offer, Sketch
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue, Picture
from dest_agent.index.namespace import INSERTED_AT_ONCE, Alike, NamespaceIndex, readable

_T = TypeVar("_T")
_log = get("dest.index")


@dataclass(frozen=True, slots=True)
class Seen:
    """What an offered sketch looks like."""

    matches: tuple[Match, ...]
    """The best first."""
    group: Digest
    """The best match's; the offered one's own digest where nothing is alike."""


class Similar:
    """Answers what looks like an offered picture. Event loop only; nothing in here ever fails an offer."""

    def __init__(self, catalogue: Catalogue, folder: Path, *, access: Access, clock: Clock, k: int) -> None:
        """`k`: matches in an answer; 0 looks at nothing and keeps nothing."""
        self._catalogue = catalogue
        self._folder = folder
        self._access = access
        self._clock = clock
        self._k = k
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._indexes: dict[str, NamespaceIndex] = {}
        """Of each namespace that was asked for; used in the thread alone, as the next."""
        self._failed: set[str] = set()
        self._arrived: dict[str, list[Digest]] = {}
        """By namespace, what was committed and not yet looked at."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Path:
        """Where the indexes lie, one folder for each namespace."""
        return self._folder

    async def start(self) -> None:
        """Has every namespace repaired in the background. Errors: DatabaseError."""
        if self._k:
            sources = await asyncio.to_thread(self._catalogue.sources)
            for namespace in self._access.namespaces([source.name for source in sources]):
                self._go(self._repair(namespace))

    def mend(self) -> None:
        """Takes the indexes that failed into use again, as far as they can be."""
        failed, self._failed = self._failed, set()
        for namespace in failed:
            self._go(self._repair(namespace))

    async def look(self, source: str, offers: Sequence[Offer]) -> dict[Digest, Seen]:
        """What those of `offers` look like whose sketch can be read: every one of them has an entry."""
        if not self._k or not offers:
            return {}
        return await self._in_thread(self._looked, self._access.namespace(source), offers)

    async def matches(self, namespace: str, asked: Digest | Sketch) -> tuple[Match, ...]:
        """What looks like a picture of a namespace, or like a sketch; nothing where the sketch cannot be read.

        Errors: ContentError `unknown` where there is no such namespace or picture; DatabaseError.
        """
        sources = await asyncio.to_thread(self._catalogue.sources)
        if namespace not in self._access.namespaces([source.name for source in sources]):
            raise ContentError("unknown", f"{namespace} is no namespace here")
        offer = await self._as_offered(namespace, asked)
        seen = await self._in_thread(self._looked, namespace, [offer])
        return seen[offer.digest].matches if offer.digest in seen else ()

    async def _as_offered(self, namespace: str, asked: Digest | Sketch) -> Offer:
        if isinstance(asked, Sketch):
            return Offer(digest_of(asked.features), 0, asked)
        known = await asyncio.to_thread(self._catalogue.pictures, self._access.sharing_in(namespace), [asked])
        if asked not in known:
            raise ContentError("unknown", f"{asked.hex()} is no picture of the namespace {namespace}")
        return Offer(asked, known[asked].size, known[asked].sketch)

    async def keep(self, source: str, pictures: Sequence[Picture]) -> None:
        """Remembers sketches until their contents come, if the disk lets it: a file must not be lost for a hint's sake."""
        if not pictures:
            return
        try:
            await asyncio.to_thread(self._catalogue.sketch, source, pictures, offered_ns=self._clock.now_ns())
        except DatabaseError as error:
            _log.warning("sketches_not_kept", source=source, reason=str(error))

    def arrived(self, source: str, digest: Digest) -> None:
        """Says that a content of a source is durable now; it is taken in soon if it is a picture. Never waits."""
        if not self._k:
            return
        namespace = self._access.namespace(source)
        if namespace in self._arrived:
            self._arrived[namespace].append(digest)
        else:
            self._arrived[namespace] = [digest]
            self._go(self._take_in(namespace))

    async def close(self) -> None:
        """Ends: what is in the indexes is durable then, the rest is put in at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for namespace in list(self._indexes):
            await self._in_thread(self._guarded, namespace, NamespaceIndex.flush, None)
        self._thread.shutdown()

    # the background

    def _go(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repair(self, namespace: str) -> None:
        missing: list[Digest] = await self._in_thread(self._guarded, namespace, NamespaceIndex.missing, [])
        for at in range(0, len(missing), INSERTED_AT_ONCE):
            await self._in_thread(self._inserted, namespace, missing[at : at + INSERTED_AT_ONCE])
        if missing:
            await self._in_thread(self._guarded, namespace, NamespaceIndex.flush, None)
            _log.info("index_repaired", namespace=namespace, pictures=len(missing))
        await self._in_thread(self._counted)

    async def _take_in(self, namespace: str) -> None:
        while batch := self._arrived[namespace][:INSERTED_AT_ONCE]:
            del self._arrived[namespace][: len(batch)]
            await self._in_thread(self._inserted, namespace, batch)
        del self._arrived[namespace]
        await self._in_thread(self._counted)

    # in the thread

    async def _in_thread(self, work: Callable[..., _T], *args: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _looked(self, namespace: str, offers: Sequence[Offer]) -> dict[Digest, Seen]:
        found: dict[Digest, Seen] = {}
        for offer in offers:
            features = readable(offer.sketch.features) if offer.sketch is not None else None
            if features is None:
                continue
            began_s = self._clock.monotonic_s()
            look = partial(NamespaceIndex.look, offered=offer.digest, features=features, k=self._k)
            alike: list[Alike] = self._guarded(namespace, look, [])
            SIMILAR_SECONDS.observe(self._clock.monotonic_s() - began_s)
            found[offer.digest] = Seen(tuple(one.match for one in alike), alike[0].group if alike else offer.digest)
        return found

    def _inserted(self, namespace: str, digests: Sequence[Digest]) -> None:
        self._guarded(namespace, lambda index: index.insert(digests), None)

    def _counted(self) -> None:
        INDEX_PICTURES.set(sum(map(len, self._indexes.values())))

    def _guarded(self, namespace: str, work: Callable[[NamespaceIndex], _T], otherwise: _T) -> _T:
        """What the index of a namespace says, or, where it fails, `otherwise`."""
        if namespace in self._failed:
            return otherwise
        try:
            if namespace not in self._indexes:
                sharing = self._access.sharing_in(namespace)
                self._indexes[namespace] = NamespaceIndex(self._folder / namespace, self._catalogue, sharing)
            return work(self._indexes[namespace])
        except (SmarterError, OSError) as error:
            _log.warning("index_failed", namespace=namespace, reason=str(error))
            self._failed.add(namespace)
            self._indexes.pop(namespace, None)
            if isinstance(error, IntegrityError):
                shutil.rmtree(self._folder / namespace, ignore_errors=True)
            return otherwise
