"""From members that wait to deltas that may be sent: the source's half of a member's way.

1. A member's base is looked for among what the destination holds whole and a file here still has. What makes of it roughly what
   the member shows is journalled with the step from WAITING to DUE; the sender says it to the destination at once. This comes
   first for all that wait: a delta protects one picture exactly, in the time in which a hundred are protected roughly.
2. A worker makes the delta, a new one decodes it; of at most three bases the smallest delta stays.
3. It is kept beside the journal (E1), then journalled (E2: ENCODED); the sender offers it when members may go.

What has no base, or is smaller whole, FELL_BACK with its reason and goes whole. A crash leaves WAITING or DUE what was in hand.
Coding for the link comes first: no delta is begun while contents wait for that, or pictures to be looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from common.clock import Clock
from common.durable import crash_point
from common.errors import ContentError, IllegalTransition
from common.ids import Digest, digest_of
from common.logs import get
from common.metrics import DELTA_FALLBACKS, DELTAS_MADE
from common.model import Announcement
from common.wire.replication import MAX_APPROXIMATION_BYTES
from common.workers import Delta, Workers, each
from source_agent.bases import Bases, NoBase, Wait, bases_of
from source_agent.deliveries import Delivery
from source_agent.delta_rows import DeltaStep, Made, Rough
from source_agent.delta_spool import DeltaSpool
from source_agent.deltas import Deltas, Ready
from source_agent.journal import Journal
from source_agent.spool import Changed, Parcel, Spool, content_of
from source_agent.states import DeltaState
from source_agent.tally import Tally
from source_agent.windows import Gate

WINDOW = 256
"""Members that are taken up together."""
BETWEEN = 16
"""Deltas that each worker makes before it is looked whether anything new is to be said."""
GOOD_ENOUGH = 1 / 20
"""Of a target: no other base is tried below this."""
PAUSE_S = 0.05
SWEEP_EVERY_S = 600.0
_REMEMBERED = 4096
"""Bases that were refused; what is forgotten is asked for once more."""

_log = get("source.encoder")


@dataclass(slots=True)
class Encoder:
    """Makes deltas. One event loop; what computes runs in workers."""

    journal: Journal
    deltas: Deltas
    kept: DeltaSpool
    spool: Spool
    workers: Workers
    n_at_once: int
    clock: Clock
    tally: Tally
    idle: Callable[[], bool]
    """Whether nothing more urgent needs the processors."""
    found: Callable[[], None]
    """Called when a member may be ready to go."""
    look_again: Callable[[], None]
    """Called when a path was marked dirty, because its file is not what its version says."""
    n_working: int = 0
    """Members that are being seen to."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: dict[Digest, None] = field(default_factory=dict)
    """Bases that the destination does not take, or that could not be read here; asked again after the next start."""
    _waits: set[Digest] = field(default_factory=set)
    """Members whose bases are on their way, as of the last look."""
    _n_losing: int = 0
    _swept_s: float = 0.0

    @property
    def quiet(self) -> bool:
        """Whether no member waits for its delta."""
        return not self._n_losing and not self.deltas.waits()

    def wake(self) -> None:
        """The journal may have new members, or their bases' receipts."""
        self._wake.set()

    def take_up(self) -> None:
        """After a start: what was made and is not there any more is made again. Blocks."""
        for target in self.kept.sweep(self.deltas.encoded()):
            self.deltas.advance([DeltaStep(target, DeltaState.DROPPED, "lost")])

    async def run(self) -> None:
        """Makes deltas until cancelled. Errors: DatabaseError."""
        while True:
            self._wake.clear()
            if not await self._round():
                await self._sweep()
                await self._wake.wait()

    async def _sweep(self) -> None:
        """Now and then: what nobody waits for any more goes. Nothing is being made at this moment."""
        if self.clock.monotonic_s() - self._swept_s > SWEEP_EVERY_S:
            self._swept_s = self.clock.monotonic_s()
            await asyncio.to_thread(self.take_up)

    async def _round(self) -> bool:
        """Goes once through all that may be said and made now; whether there was anything."""
        after, n_taken = 0, 0

        async def make(target: Digest) -> None:
            """Makes one delta."""
            nonlocal n_taken
            n_taken += await self._take(target, self._make)

        while True:
            n_taken += await self._say_all()
            few = BETWEEN * self.n_at_once
            pending = await asyncio.to_thread(self.deltas.pending, DeltaState.DUE, limit=few, after=after)
            if not pending:
                return n_taken > 0
            after = pending[-1][0]
            await each([target for _, target in pending], make, n_at_once=self.n_at_once)

    async def _say_all(self) -> int:
        """Finds out of all that wait what they roughly show; how many there were."""
        after, n_taken, waits = 0, 0, set[Digest]()

        async def say(target: Digest) -> None:
            """Finds it out of one."""
            nonlocal n_taken
            if await self._take(target, self._say):
                n_taken += 1
            else:
                waits.add(target)

        while pending := await asyncio.to_thread(self.deltas.pending, DeltaState.WAITING, limit=WINDOW, after=after):
            after = pending[-1][0]
            await each([target for _, target in pending], say, n_at_once=self.n_at_once)
        self._waits = waits
        self.found()
        return n_taken

    async def _take(self, target: Digest, do: Callable[[Delivery, Sequence[Digest]], Awaitable[None]]) -> bool:
        """Does something for a member with its bases, or lets it fall back; False where its base is to be waited for."""
        self.n_working += 1
        try:
            while not self.idle() or self.spool.is_busy:
                await self.clock.sleep(PAUSE_S)
            match bases_of(await asyncio.to_thread(self.deltas.candidates, target), refused=self._refused):
                case Bases(bases):
                    delivery = await asyncio.to_thread(self.deltas.carrier, target)
                    if delivery is not None:  # else it does not wait any more
                        await self._unless_lost(delivery, do(delivery, bases))
                case NoBase(reason):
                    await self.fall_back(target, reason)
                case Wait():
                    return False
            return True
        finally:
            self.n_working -= 1

    async def _unless_lost(self, delivery: Delivery, work: Awaitable[None]) -> None:
        try:
            await work
        except Changed:
            await self._lost(delivery)

    async def _say(self, delivery: Delivery, bases: Sequence[Digest]) -> None:
        target = content_of(delivery)
        fd = self.spool.open(delivery)
        try:
            rough = await self._rough((fd, target), bases[0])
        finally:
            os.close(fd)
        await self._journalled(DeltaStep(target, DeltaState.DUE, rough=rough))
        self.found()

    async def _make(self, delivery: Delivery, bases: Sequence[Digest]) -> None:
        target = content_of(delivery)
        fd = self.spool.open(delivery)
        try:
            rough = await asyncio.to_thread(self.deltas.rough, target)
            best, reason = await self._smallest((fd, target), bases, rough)
        finally:
            os.close(fd)
        if best is None:
            await self.fall_back(target, reason)
        else:
            await self._keep(target, *best)

    async def _rough(self, target: tuple[int, Digest], base: Digest) -> Rough | None:
        """What is said of a member before its delta is made; None where the base shows nothing of it, or cannot be read."""
        hint = await asyncio.to_thread(self.deltas.hint, target[1], base)
        try:
            fd = await self._opened(base)
        except ContentError:
            return None
        try:
            approximation = await self.workers.approximate(target[0], fd, hint=hint)
        except (ContentError, OSError):
            return None
        finally:
            os.close(fd)
        return Rough(base, approximation) if 0 < len(approximation) <= MAX_APPROXIMATION_BYTES else None

    async def _smallest(
        self, target: tuple[int, Digest], bases: Sequence[Digest], rough: Rough | None
    ) -> tuple[tuple[Digest, Delta] | None, str]:
        """The smallest delta over one of the bases with that base, or why there is none. Errors: Changed."""
        best: tuple[Digest, Delta] | None = None
        reason = "base_gone"
        size = os.fstat(target[0]).st_size
        for base in bases:
            try:
                made = await self._over(base, target, rough.approximation if rough and rough.base == base else b"")
            except ContentError as error:
                if error.reason == "changed":
                    raise Changed(target[1].hex()) from error
                reason = error.reason
                if reason in {"base_changed", "base_gone"}:
                    self._refuse(base)
                continue
            except OSError:
                reason = "os"
                continue
            self.tally.went_on()
            if not made.needs_base:
                reason = "whole_is_smaller"
            elif best is None or len(made.content) < len(best[1].content):
                best = base, made
            if best is not None and len(best[1].content) <= GOOD_ENOUGH * size:
                break
        return best, reason

    async def _over(self, base: Digest, target: tuple[int, Digest], approximation: bytes) -> Delta:
        """Errors: as `_opened`, and a worker's."""
        hint = await asyncio.to_thread(self.deltas.hint, target[1], base)
        fd = await self._opened(base)
        try:
            return await self.workers.encode_delta(target, (fd, base), hint=hint, approximation=approximation)
        finally:
            os.close(fd)

    async def _opened(self, base: Digest) -> int:
        """A file that has a base. Errors: ContentError `base_gone`."""
        stands = await asyncio.to_thread(self.journal.standing, base)
        if stands is None:
            raise ContentError("base_gone", f"no file has the base {base.hex()} any more")
        try:
            return self.spool.open(stands)
        except Changed as error:
            raise ContentError("base_gone", str(error)) from error

    async def _keep(self, target: Digest, base: Digest, delta: Delta) -> None:
        try:
            await asyncio.to_thread(self.kept.keep, target, delta.content)
        except OSError:
            await self.fall_back(target, "no_room")
            return
        made = Made(base, delta.method, len(delta.content), digest_of(delta.content))
        await self._journalled(DeltaStep(target, DeltaState.ENCODED, made=made))
        crash_point("E2")
        DELTAS_MADE.labels(delta.method).inc()
        self.found()

    async def _journalled(self, step: DeltaStep) -> None:
        """Journals a step; one that what happened meanwhile has overtaken is forgotten."""
        try:
            await asyncio.to_thread(self.deltas.advance, [step])
        except IllegalTransition as error:
            _log.debug("delta_overtaken", target=step.target.hex(), reason=str(error))

    async def _lost(self, delivery: Delivery) -> None:
        """The file is not what its version says: another look finds out what it is now."""
        self._n_losing += 1
        try:
            await asyncio.to_thread(self.journal.give_up, delivery, "changed before its delta was made")
            self.look_again()
        finally:
            self._n_losing -= 1
        self.found()

    def _refuse(self, base: Digest) -> None:
        self._refused[base] = None
        if len(self._refused) > _REMEMBERED:
            del self._refused[next(iter(self._refused))]

    # what the sender asks and says

    async def ready(self, *, limit: int, gates: Sequence[Gate]) -> list[Ready]:
        """Members whose deltas may go through one of the gates."""
        return await asyncio.to_thread(self.deltas.ready, limit=limit, gates=gates)

    async def has_unsaid(self) -> bool:
        """Whether it is still to be found out of any member what it roughly shows."""
        most = len(self._waits) + 1
        pending = await asyncio.to_thread(self.deltas.pending, DeltaState.WAITING, limit=most, after=0)
        return any(target not in self._waits for _, target in pending)

    async def unannounced(self, *, limit: int) -> list[Announcement]:
        """What is to be said of members before their deltas go."""
        return await asyncio.to_thread(self.deltas.unannounced, limit=limit)

    async def announced(self, target: Digest) -> None:
        """It was said of one."""
        await asyncio.to_thread(self.deltas.announced, target)

    def parcel(self, ready: Ready) -> Parcel:
        """A delta ready to be sent."""
        return self.kept.parcel(ready.target, ready.made)

    def stored(self, target: Digest) -> None:
        """The destination has it; its receipt is journalled."""
        self.kept.discard(target)

    async def bad_base(self, ready: Ready, reason: str) -> None:
        """The destination takes nothing over this base: another one is tried, or none."""
        _log.warning("base_refused", base=ready.made.base.hex(), reason=reason)
        self._refuse(ready.made.base)
        self.kept.discard(ready.target)
        await self._journalled(DeltaStep(ready.target, DeltaState.DROPPED, "bad_base"))
        self.wake()

    async def fall_back(self, target: Digest, reason: str) -> None:
        """A member goes whole."""
        DELTA_FALLBACKS.labels(reason).inc()
        await self._journalled(DeltaStep(target, DeltaState.FELL_BACK, reason))
        self.kept.discard(target)
        self.found()
