"""From IDENTIFIED pictures to groups, roles and deliveries: the source's half of [S §III-A, Fig. 2].

1. A content that has a role already gives it to its new versions: exact duplicates end here.
2. First looks, in worker processes. What cannot be looked at is set aside with its reason and goes as plain bytes.
3. The richest first, each is recognised by its keys as one of those before, or its features are wanted: workers again.
4. The groups of all that is like one of them are taken up from the journal, and the new pictures placed among them.
5. One transaction journals groups, roles and the states of deliveries (G1): representatives QUEUED, members DEFERRED.

A crash before 5 leaves them IDENTIFIED, and what was seen of them kept: they are placed again. Many at a time: what lands
together is compared together, so that the richest of it stands for the others, whichever came first.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from common.clock import Clock
from common.errors import ContentError
from common.ids import Digest
from common.logs import get
from common.metrics import COVERED, DELTA_FALLBACKS, FALLBACKS, PLACED
from common.model import Match, Role, Sketch
from common.paths import show
from common.similarity import registration
from common.similarity.registration import Relation
from common.workers import Workers, each
from source_agent.album import Album
from source_agent.deliveries import Delivery
from source_agent.groups import Groups, Placing
from source_agent.journal import Journal
from source_agent.pins import Pins
from source_agent.roots import Root
from source_agent.round import Round
from source_agent.spool import Changed, Spool, content_of

AHEAD = 8192
"""Pictures that get a first look before the richest of them are placed."""
WINDOW = 1024
"""Pictures that are placed together."""
REVIEW_CHECK_S = 5.0
_END = object()
_FOR_EVER_NS = (1 << 63) - 1

T = TypeVar("T")

_log = get("source.recogniser")


@dataclass(slots=True)
class Recogniser:
    """Places pictures. One event loop; what computes runs in a thread of its own."""

    roots: Mapping[int, Root]
    journal: Journal
    groups: Groups
    album: Album
    spool: Spool
    pins: Pins
    workers: Workers
    n_at_once: int
    clock: Clock
    found: Callable[[], None]
    """Called when deliveries may have become ready."""
    look_again: Callable[[], None]
    """Called when a path was marked dirty, because its file is not what its version says."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="recogniser"))
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _elders: dict[Digest, Delivery] = field(default_factory=dict)
    """Pictures that were delivered before any were compared."""
    _has_reviews: bool = True
    _n_losing: int = 0
    """Pictures that are being given up: in between, neither the journal nor the observer knows that there is more to do."""

    @property
    def quiet(self) -> bool:
        """Whether no picture waits for its group, or for another look."""
        return not self._n_losing and not self.journal.awaits_groups()

    def wake(self) -> None:
        """The journal may have new pictures."""
        self._wake.set()

    def close(self) -> None:
        """Waits for what computes to end."""
        self._thread.shutdown(cancel_futures=True)

    async def run(self, *, ready: Callable[[], bool] = lambda: True) -> None:
        """Places pictures whenever `ready` says that what came together is there, until cancelled. Errors: DatabaseError."""
        await self.take_up()
        while True:
            self._wake.clear()
            if ready() and await self._window():
                self.found()
                continue
            await self._wake.wait()

    async def reviews(self) -> None:
        """Ends the reviews whose time is over, until cancelled."""
        while True:
            if await asyncio.to_thread(self.groups.end_reviews, self.clock.now_ns()):
                self.found()
            await self.clock.sleep(REVIEW_CHECK_S)

    def end_reviews(self) -> None:
        """Nothing waits for the user's word any more, neither now nor later."""
        self._has_reviews = False
        self.groups.end_reviews(_FOR_EVER_NS)

    async def sketches(self, digests: Sequence[Digest]) -> Mapping[Digest, Sketch]:
        """What pictures are recognised by, of those whose features are known."""
        found = await self._in_thread(lambda: [(digest, self.album.sketch(digest)) for digest in digests])
        return {digest: sketch for digest, sketch in found if sketch is not None}

    async def cover(self, digest: Digest, matches: Sequence[Match]) -> bool:
        """Whether what the destination holds makes a representative a member: it goes later then, and others like it too.

        What we placed ourselves was compared with better eyes than a sketch is: the destination has only told us what we know.
        """
        ours = await asyncio.to_thread(self.groups.roles, [match.digest for match in matches])
        foreign = [match for match in matches if match.digest not in ours]
        if not foreign or not await self._cover(digest, foreign):
            return False
        others = await self._in_thread(lambda: self.album.like(foreign))
        n_covered = 1
        for other in others.keys() - {digest}:
            n_covered += await self._cover(other, others[other])
        COVERED.inc(n_covered)
        return True

    async def _cover(self, digest: Digest, matches: Sequence[Match]) -> bool:
        stands = await asyncio.to_thread(self.journal.standing, digest)
        if stands is not None:
            await self._pin([stands])
        return self.pins.holds(digest) and await asyncio.to_thread(self.groups.cover, digest, matches)

    async def take_up(self, *, progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
        """Makes known again what was placed before, and looks again at what was seen of it and got lost.

        Tells `progress` how many of all lost pictures it has looked at. Gives the number of those that stay lost, for no file
        has them any more.
        """
        placed = dict(await asyncio.to_thread(self.groups.every_picture))
        lost = await self._in_thread(lambda: self.album.take_up(placed.items()))
        n_done = 0

        async def again(digest: Digest) -> None:
            """Looks at one again."""
            nonlocal n_done
            await self._look_again(digest, with_features=placed[digest])
            n_done += 1
            progress(n_done, len(lost))

        if lost:
            _log.warning("pictures_seen_again", pictures=len(lost))
            await each(lost, again, n_at_once=self.n_at_once)
            lost = await self._in_thread(lambda: self.album.take_up(placed.items()))
        elders = await asyncio.to_thread(self.journal.unplaced_pictures)
        self._elders = {content_of(d): d for d in elders if d.root in self.roots and self.roots[d.root].groups}
        return len(lost)

    async def _window(self) -> bool:
        """Places the richest of what waits; whether there was anything."""
        waiting = await asyncio.to_thread(self.journal.identified, limit=AHEAD)
        deliveries = self._elders | {content_of(delivery): delivery for delivery in reversed(waiting)}
        roles = await asyncio.to_thread(self.groups.roles, deliveries)
        if roles:
            members = [digest for digest, role in roles.items() if role is Role.MEMBER]
            durable = await asyncio.to_thread(self.journal.durable_among, members)
            await self._pin([deliveries[digest] for digest in members if digest not in durable])
            await asyncio.to_thread(self.groups.follow, roles)
        fresh = {digest: delivery for digest, delivery in deliveries.items() if digest not in roles}
        await each(fresh.values(), self._glance, n_at_once=self.n_at_once)
        order = await self._in_thread(lambda: self._richest(fresh))
        if order:
            await self._place(order[:WINDOW], fresh)
        for digest in {*roles, *(fresh.keys() - set(order)), *order[:WINDOW]}:
            self._elders.pop(digest, None)
        return bool(deliveries)

    def _richest(self, digests: Iterable[Digest]) -> list[Digest]:
        looks = {digest: look for digest in digests if (look := self.album.glanced(digest)) is not None}
        richness = {digest: (look.width * look.height, look.n_metadata, look.n_bytes) for digest, look in looks.items()}
        return sorted(looks, key=lambda digest: (tuple(-one for one in richness[digest]), digest))

    async def _place(self, order: Sequence[Digest], deliveries: Mapping[Digest, Delivery]) -> None:
        """Steps 3 to 5."""
        this = Round(self.album, self.groups, order)
        await self._through(this.hint())
        await each([deliveries[digest] for digest in this.wanted], self._see, n_at_once=self.n_at_once)
        while not await self._settle(this, deliveries):
            this = this.anew()  # the user spoke meanwhile, and his word stands
        n_with_features = len({*this.wanted, *this.postponed})
        PLACED.labels("early").inc(len(order) - n_with_features)
        PLACED.labels("features").inc(n_with_features)

    async def _settle(self, this: Round, deliveries: Mapping[Digest, Delivery]) -> bool:
        """Places the pictures of a round among the groups as they are; False where those changed meanwhile."""
        await self._through(this.take_up())
        await self._through(this.place())
        await each([deliveries[digest] for digest in this.postponed], self._see, n_at_once=self.n_at_once)
        await self._through(this.place_rest())
        await self._look_closer(this, deliveries)
        await self._through(this.finish())
        placing = await self._in_thread(lambda: self._placing(this, deliveries))
        await self._pin([deliveries[digest] for digest in placing.deferred() if digest not in self._elders])
        return await self._in_thread(lambda: self._journal(placing))

    def _placing(self, this: Round, deliveries: Mapping[Digest, Delivery]) -> Placing:
        root_of = {digest: self.roots.get(deliveries[digest].root) for digest in this.order}
        review_s = {digest: root.review_s for digest, root in root_of.items() if root is not None}
        review_ns = {digest: int(seconds * 1e9) for digest, seconds in review_s.items() if seconds and self._has_reviews}
        return this.placing(now_ns=self.clock.now_ns(), review_ns=review_ns)

    def _journal(self, placing: Placing) -> bool:
        self.album.sync()
        kept = self.groups.keep(placing)
        if kept:
            self.album.eyes.forget_hints()
        return kept

    async def _pin(self, deliveries: Iterable[Delivery]) -> None:
        """Keeps the bytes of what is to wait, before the journal says that it waits; where that fails, it will not wait."""

        def pin(delivery: Delivery) -> None:
            """Pins one."""
            fd = self.spool.open(delivery)
            try:
                if not self.pins.pin_later(fd, content_of(delivery)):
                    DELTA_FALLBACKS.labels("no_room").inc()
            except ContentError as error:
                raise Changed(show(delivery.version.path)) from error
            finally:
                os.close(fd)

        async def pin_or_lose(delivery: Delivery) -> None:
            """Pins one, or finds that it is not there any more."""
            try:
                await asyncio.to_thread(pin, delivery)
            except Changed:
                await self._lost(delivery)
            except OSError:
                DELTA_FALLBACKS.labels("no_pin").inc()

        await each(deliveries, pin_or_lose, n_at_once=self.n_at_once)

    # workers

    async def _glance(self, delivery: Delivery) -> None:
        """A first look; a picture that allows none is set aside."""
        digest = content_of(delivery)
        if await self._in_thread(lambda: self.album.has(digest, "glance")):
            return
        try:
            await self._look("glance", delivery)
        except Changed:
            await self._lost(delivery)
        except (ContentError, OSError) as error:
            _count(error)
            await asyncio.to_thread(self.groups.set_aside, digest, str(error))

    async def _see(self, delivery: Delivery) -> None:
        """Its features; a picture without them is compared with nothing."""
        if await self._in_thread(lambda: self.album.has(content_of(delivery), "see")):
            return
        try:
            await self._look("see", delivery)
        except (ContentError, OSError) as error:
            _count(error)

    async def _look_again(self, digest: Digest, *, with_features: bool) -> None:
        """What is kept of a placed picture is made again, from a file that has it; where there is none, nothing is."""
        delivery = await asyncio.to_thread(self.journal.standing, digest)
        for job in ("glance", "see") if with_features else ("glance",):
            if delivery is None or await self._in_thread(partial(self.album.has, digest, job)):
                continue
            try:
                await self._look(job, delivery)
            except (ContentError, OSError) as error:  # also a file that has changed: the next scan finds that out
                _count(error)
                return

    async def _look(self, job: str, delivery: Delivery) -> None:
        digest = content_of(delivery)
        fd = self.spool.open(delivery)
        try:
            seen = await self.workers.look(job, [(fd, digest)])
        except ContentError as error:
            if error.reason == "changed":
                raise Changed(show(delivery.version.path)) from error
            raise
        finally:
            os.close(fd)
        await self._in_thread(lambda: self.album.keep(digest, job, seen))

    async def _look_closer(self, this: Round, deliveries: Mapping[Digest, Delivery]) -> None:
        found: dict[tuple[Digest, Digest], Relation] = {}

        async def compare(pair: tuple[Digest, Digest]) -> None:
            """Looks at one pair; where that fails, it stays as it is."""
            fds: list[int] = []
            try:
                for digest in pair:
                    delivery = deliveries.get(digest) or await asyncio.to_thread(self.journal.standing, digest)
                    if delivery is None:
                        return
                    fds.append(self.spool.open(delivery))
                seen = await self.workers.look("compare", list(zip(fds, pair, strict=True)))
                found[pair] = registration.from_bytes(seen)
            except (ContentError, OSError) as error:
                _count(error)
            finally:
                for fd in fds:
                    os.close(fd)

        await each(await self._in_thread(this.doubts), compare, n_at_once=self.n_at_once)
        await self._in_thread(lambda: this.resolve(found))

    async def _lost(self, delivery: Delivery) -> None:
        """The file is not what its version says: another look finds out what it is now."""
        if delivery.version.id.seq in {d.version.id.seq for d in self._elders.values()}:
            return
        self._n_losing += 1
        try:
            await asyncio.to_thread(self.journal.give_up, delivery, "changed before it was looked at")
            self.look_again()
        finally:
            self._n_losing -= 1

    # the thread

    async def _in_thread(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    async def _through(self, steps: Iterator[object]) -> None:
        """Runs something long to its end, a picture at a time, so that it can be cancelled in between."""
        while await self._in_thread(lambda: next(steps, _END)) is not _END:
            pass


def _count(error: ContentError | OSError) -> None:
    FALLBACKS.labels("features", error.reason if isinstance(error, ContentError) else "os").inc()
