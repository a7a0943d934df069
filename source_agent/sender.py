"""Delivers what the journal has QUEUED over one connection: offers, plans, uploads, records, receipts, all in flight at once.

    1. Feed: take the next deliveries from the journal whose class is open. No content, or one that B is known to hold: record.
       Else: offer. Members come last, as the deltas that were made of them, or whole.
    2. Plan: `have` means record; `send whole` means code it and upload it; `send delta`, upload what is ready. Of several
       versions with one content, the first carries it and the others follow with a record.
    3. Receipt: the only ground on which a delivery is journalled REPLICATED (S4); then its pin may go (S5).

Everything here is forgotten when the connection ends: the journal still says QUEUED, and doing a step twice is harmless.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import grpc.aio

from common.errors import SmarterError, TransientError
from common.ids import Digest
from common.metrics import FALLBACKS
from common.model import (
    Covered,
    Have,
    Match,
    Offer,
    Plan,
    Receipt,
    Refusal,
    RefusalCode,
    Role,
    SendDelta,
    SendWhole,
    Stored,
)
from common.wire.status import error_of
from source_agent.batches import Said, exchange_offers, exchange_records
from source_agent.deliveries import Delivery
from source_agent.delta_rows import DeltaStep
from source_agent.lanes import Lanes
from source_agent.link import Connection
from source_agent.members import Members
from source_agent.scheduler import Room, in_order
from source_agent.spool import RAW, Parcel, content_of
from source_agent.states import DeltaState, State
from source_agent.tools import Outcome, Tools
from source_agent.uploads import Consignment

FEED = 512
HOLD_S = 15.0
MOST_RESTARTS = 3


class Sender:
    """One connection's deliveries in flight."""

    def __init__(self, tools: Tools, connection: Connection) -> None:
        """Nothing happens before `run`."""
        self._tools, self._connection = tools, connection
        self._in_flight: dict[int, Delivery] = {}
        self._filled = Room(tools.room_bytes)
        self._carrying: dict[Digest, deque[Delivery]] = {}
        """The deliveries of each content on its way: the first brings the bytes, the others follow with a record."""
        self._offers: asyncio.Queue[Delivery] = asyncio.Queue()
        self._bare: set[Digest] = set()
        """Contents to be offered without a sketch, so that they are taken whatever is like them."""
        self._asked: set[Digest] = set()
        """Contents that were offered and have no plan yet: any other plan answers nothing."""
        self._members = Members(tools, connection.methods)
        self._records: asyncio.Queue[Delivery] = asyncio.Queue()
        self._recording: dict[int, Delivery] = {}
        """Versions that were recorded and have no receipt yet, likewise."""
        self._lanes = Lanes(tools, connection, self)
        self._outcomes: list[Outcome] = []
        self._ended = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, *, finished: Callable[[], bool]) -> None:
        """Delivers until everything has its receipt and `finished()` says that nothing more will come.

        Errors: TransientError, PeerError when the connection ends; DatabaseError.
        """
        await asyncio.to_thread(self._tools.journal.number_from, self._connection.last_seq)
        stub = self._connection.stub
        calls = offering, recording, announcing = stub.Offer(), stub.Record(), stub.Announce()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                said = Said(self._connection.limits, self._tools.tally, self._tools.pacing)
                jobs = [self._flush(), *self._lanes.jobs(self._begin)]
                jobs += exchange_offers(offering, self._offers, self._planned, said=said, offer=self._offers_of)
                jobs += exchange_records(recording, self._records, self._recorded, said=said)
                jobs += self._members.exchange(announcing, said=said)
                for job in jobs:
                    self._begin(job)
                await self._feed(finished)
                for task in self._tasks:
                    task.cancel()
        except BaseExceptionGroup as several:
            raise _first(several) from several
        finally:
            _ = [call.cancel() for call in calls]
            self._tools.pacing.forget_due()
            self._lanes.close()
            if self._writing is not None:
                await self._writing
            await self._write_outcomes()

    def _begin(self, job: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._group.create_task(self._mapped(job)))

    async def _mapped(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except grpc.aio.AioRpcError as error:
            raise error_of(error, peer=self._connection.address) from error
        except asyncio.InvalidStateError as error:  # written to after the other side had ended the call
            raise TransientError(f"{self._connection.address}: the connection ended") from error

    # 1. feed

    async def _feed(self, finished: Callable[[], bool]) -> None:
        tools, cursor, shut = self._tools, 0, frozenset[tuple[Role, str]]()
        while True:
            tools.wake.clear()
            done = finished()
            batch = list[Delivery]()
            if tools.pacing.link_is_open():
                before, shut = shut, tools.pacing.shut() | ({(Role.NONE, "")} if self._filled.plain_is_full else set())
                # What opens again was passed over before, and what closed has come back: both are behind the cursor.
                cursor = cursor if shut == before else 0
                batch = await asyncio.to_thread(tools.journal.queued, after=cursor, limit=FEED, shut=shut)
                if batch:
                    cursor = batch[-1].ready
                else:
                    await self._members.announce(most=FEED)
                    batch = await self._due_members()
            fresh = [delivery for delivery in batch if delivery.version.id.seq not in self._in_flight]
            if not fresh:
                if batch:
                    continue
                # What ended while the journal was asked may have left something new in it.
                if done and not self._in_flight and not self._members.is_announcing and not tools.wake.is_set():
                    return
                await tools.wake.wait()
                continue
            digests = [d.version.digest for d in fresh if d.version.digest is not None]
            held = await asyncio.to_thread(tools.journal.durable_among, digests)
            for delivery in in_order(fresh):
                self._in_flight[delivery.version.id.seq] = delivery
                self._filled.enter(delivery)
                self._route(delivery, is_held=delivery.version.digest is None or delivery.version.digest in held)
            while self._filled.is_full:
                self._room.clear()
                await self._room.wait()

    async def _due_members(self) -> list[Delivery]:
        """Members that may go, for nothing that is more urgent waits or travels: as deltas, or whole [S §III-A]."""
        most = self._filled.for_members if self._tools.idle() else 0
        return await self._members.due(self._in_flight.keys(), most=most) if most else []

    async def _offers_of(self, batch: Sequence[Delivery]) -> list[Offer]:
        """Representatives with what they are recognised by, members with their deltas."""
        wanted = [content_of(d) for d in batch if d.version.role is Role.REPRESENTATIVE]
        sketches = await self._tools.pictures.sketches([digest for digest in wanted if digest not in self._bare])
        contents = [(content_of(d), d.version.size) for d in batch]
        return [Offer(digest, size, sketches.get(digest), self._members.offer(digest)) for digest, size in contents]

    def _route(self, delivery: Delivery, *, is_held: bool) -> None:
        if is_held:
            self._record(delivery)
            return
        followers = self._carrying.setdefault(content_of(delivery), deque())
        followers.append(delivery)
        if len(followers) == 1:
            self._offer(delivery)

    def _offer(self, delivery: Delivery) -> None:
        self._asked.add(content_of(delivery))
        if delivery.version.role is Role.REPRESENTATIVE:
            self._tools.pacing.expect(delivery.version.id.seq)
        self._offers.put_nowait(delivery)

    def _record(self, delivery: Delivery) -> None:
        self._tools.pacing.sent(delivery.version.id.seq)
        self._recording[delivery.version.id.seq] = delivery
        self._records.put_nowait(delivery)

    # 2. plan, code, upload

    async def _planned(self, plan: Plan) -> None:
        if plan.digest not in self._asked:
            raise TransientError(f"the destination sent a plan that answers nothing: {plan.digest.hex()}")
        self._asked.remove(plan.digest)
        carried = self._carrying[plan.digest]
        match plan.answer:
            case Have():
                self._tools.tally.went_forward()
                self._follow(plan.digest)
            case SendWhole(staged):
                self._members.go_whole(plan.digest)
                self._lanes.put(Consignment(carried[0], staged, exempt_ns=self._exempt_ns(carried[0])))
            case SendDelta(staged):
                delta = self._members.delta(plan.digest)
                if delta is None:
                    raise TransientError(f"the destination wants a delta that was not offered: {plan.digest.hex()}")
                exempt_ns = self._exempt_ns(carried[0], delta.made.n_bytes)
                self._lanes.put(Consignment(carried[0], staged, delta=delta, exempt_ns=exempt_ns))
            case Covered(matches):
                await self._covered(plan.digest, matches)
            case Refusal() as refusal:
                await self._not_wanted(plan.digest, refusal)

    async def _covered(self, digest: Digest, matches: Sequence[Match]) -> None:
        carried = self._carrying[digest]
        if carried[0].version.role is not Role.REPRESENTATIVE or digest in self._bare:
            raise TransientError(f"the destination covers what is no representative: {digest.hex()}")
        self._tools.tally.went_forward()
        if await self._tools.pictures.cover(digest, matches):
            for delivery in self._carrying.pop(digest):
                self._leave(delivery)
        else:
            self._bare.add(digest)
            self._offer(carried[0])

    async def _not_wanted(self, digest: Digest, refusal: Refusal) -> None:
        """What a refusal leads to, of an offer or an upload: a delta's concerns no version, and all that carry it wait again."""
        if await self._members.refused(digest, refusal):
            for delivery in self._carrying.pop(digest):
                self._leave(delivery)
            return
        delivery = self._carrying[digest].popleft()
        self._hand_over(digest)
        await self._refused(delivery, refusal)

    def _exempt_ns(self, delivery: Delivery, delta_bytes: int | None = None) -> int:
        return self._tools.pacing.exempt_ns(delivery.version, delta_bytes)

    # what the lanes say

    def uploaded(self, delivery: Delivery) -> None:
        """Its last byte has gone: members may go while its receipt is awaited."""
        self._tools.pacing.sent(delivery.version.id.seq)

    def closed(self, delivery: Delivery) -> None:
        """Its class may not go now: the journal knows what waits, and all that it carries is fed again when it may."""
        for waiting in self._carrying.pop(content_of(delivery), ()):
            self._leave(waiting)

    async def aborted(self, consignment: Consignment, reason: str) -> None:
        """A delta is not what it was, and was not sent."""
        await self._not_wanted(content_of(consignment.delivery), Refusal(RefusalCode.ABORTED, reason))

    # 3. receipts

    async def answered(self, consignment: Consignment, parcel: Parcel, receipt: Receipt) -> None:
        """An upload has its receipt."""
        delivery, digest = consignment.delivery, content_of(consignment.delivery)
        match receipt.outcome:
            case Stored():
                self._carrying[digest].popleft()
                self._end(Outcome(delivery, State.REPLICATED, uploaded=True, as_delta=consignment.delta is not None))
                self._follow(digest)
            case Refusal(RefusalCode.RESTART) if consignment.restarts < MOST_RESTARTS:
                self._lanes.put(replace(consignment, staged=None, restarts=consignment.restarts + 1))
            case Refusal(RefusalCode.PROOF_FAILED) if parcel.coding != RAW and consignment.delta is None:
                FALLBACKS.labels(parcel.coding, "proof_failed").inc()
                self._lanes.put(Consignment(delivery, raw=True, exempt_ns=consignment.exempt_ns))
            case Refusal(RefusalCode.ABORTED) if consignment.delta is None:
                await self.lost(delivery)
            case Refusal() as refusal:  # also a failed proof of raw bytes: they were proved here while they were sent
                await self._not_wanted(digest, refusal)

    async def _recorded(self, receipt: Receipt) -> None:
        delivery = self._recording.pop(receipt.seq, None)
        if delivery is None:
            raise TransientError(f"the destination sent a receipt that answers nothing: {receipt.seq}")
        match receipt.outcome:
            case Stored():
                # A delta whose receipt was lost is there all the same: as a delta.
                self._end(Outcome(delivery, State.REPLICATED, as_delta=self._members.delta(delivery.version.digest) is not None))
            case Refusal(RefusalCode.NEED_CONTENT) if delivery.version.digest is not None:
                await asyncio.to_thread(self._tools.journal.forget_durable, content_of(delivery))
                self._route(delivery, is_held=False)
            case Refusal() as refusal:
                await self._refused(delivery, refusal)

    async def _refused(self, delivery: Delivery, refusal: Refusal) -> None:
        """What becomes of a delivery that the destination will not take as it is."""
        self._tools.pacing.sent(delivery.version.id.seq)
        if refusal.code is RefusalCode.NO_SPACE:
            self._tools.tally.problem = f"{self._connection.agent}: {refusal.reason or 'the destination is full'}"
            self._group.create_task(self._try_later(delivery))
        elif refusal.code is RefusalCode.CONFLICT:
            await asyncio.to_thread(self._tools.journal.renumber, delivery.version.id.seq)
            self._leave(delivery)
        else:
            reason = f"{refusal.code.name.lower()}: {refusal.reason}"
            self._tools.tally.refused.append((delivery.version, reason))
            self._end(Outcome(delivery, State.QUARANTINED, reason))

    async def _try_later(self, delivery: Delivery) -> None:
        await self._tools.clock.sleep(HOLD_S)
        self._route(delivery, is_held=delivery.version.digest is None)

    async def lost(self, delivery: Delivery) -> None:
        """The file is not what its version says: another look finds out what it is now; whoever shares the content goes on."""
        digest = content_of(delivery)
        carried = self._carrying.get(digest)
        if not carried or carried[0] is not delivery:
            return  # it was told lost before, while it was still on its way
        self._tools.spool.discard(digest)
        self._tools.pins.unpin(digest)
        carried.popleft()
        self._hand_over(digest)
        await asyncio.to_thread(self._tools.journal.give_up, delivery, "changed before it was sent")
        self._tools.look_again()  # before it leaves: a single run must not think that all is done
        self._leave(delivery)

    def _hand_over(self, digest: Digest) -> None:
        """The delivery that carried a content is out of it: the next one that needs the content offers it anew."""
        if followers := self._carrying[digest]:
            self._offer(followers[0])
        else:
            del self._carrying[digest]

    def _follow(self, digest: Digest) -> None:
        """The destination holds a content: the versions that still need it are recorded."""
        for delivery in self._carrying.pop(digest):
            self._record(delivery)

    # the journal

    def _end(self, outcome: Outcome) -> None:
        if outcome.state is State.REPLICATED:
            self._tools.tally.went_forward()
        self._outcomes.append(outcome)
        self._ended.set()

    async def _flush(self) -> None:
        while True:
            await self._ended.wait()
            self._ended.clear()
            # Shielded: what was begun to be journalled is journalled, and counted, whatever ends the connection.
            self._writing = asyncio.create_task(self._write_outcomes())
            await asyncio.shield(self._writing)

    async def _write_outcomes(self) -> None:
        """Journals what ended, as one transaction, and lets go of what those deliveries needed."""
        batch, self._outcomes = self._outcomes, []
        if not batch:
            return
        await asyncio.to_thread(self._journal, batch)
        for outcome in batch:
            if outcome.state is State.REPLICATED:
                self._tools.tally.delivered(outcome.delivery.version, uploaded=outcome.uploaded)
            # Also what was coded and, after a cut, needed no upload any more; never what another delivery is about to send.
            digest = outcome.delivery.version.digest
            if digest is not None and digest not in self._carrying:
                self._tools.spool.discard(digest)
            if digest is not None and outcome.as_delta:
                self._members.stored(digest)
            self._leave(outcome.delivery)
        self._tools.deltas.wake()

    def _journal(self, batch: Sequence[Outcome]) -> None:
        journal, delivered = self._tools.journal, [o.delivery for o in batch if o.state is State.REPLICATED]
        steps = [(o.delivery.version.id.seq, o.state, o.reason) for o in batch]
        deltas = [DeltaStep(content_of(o.delivery), DeltaState.STORED) for o in batch if o.as_delta]
        durable = {d.version.digest for d in delivered if d.version.digest is not None}
        journal.advance(steps, durable=durable, deltas=deltas)
        for digest in {content_of(o.delivery) for o in batch if o.delivery.pinned}:
            if not journal.needs_pin(digest):
                self._tools.pins.unpin(digest)

    def _leave(self, delivery: Delivery) -> None:
        self._tools.pacing.sent(delivery.version.id.seq)
        if self._in_flight.pop(delivery.version.id.seq, None) is not None:
            self._filled.leave(delivery)
        self._room.set()
        self._tools.wake.set()


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error to report of several tasks: ours before foreign ones, whatever the nesting."""
    ours, others = several.split(SmarterError)
    error: BaseException = ours or others or several
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
