"""The Replication service, for sources alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from common.admin.admission import Context
from common.coding import CODINGS
from common.errors import RefusedError
from common.logs import get
from common.model import Frame, Limits, Offer, Receipt, Refusal, RefusalCode, Version
from common.pb import replication_pb2 as pb
from common.pb import replication_pb2_grpc as pb_grpc
from common.wire import replication as wire
from common.wire.versions import version_from_pb
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue
from dest_agent.committer import Committer
from dest_agent.offers import Offers
from dest_agent.planner import DELTA_METHODS
from dest_agent.receiver import Malformed, Receiver
from dest_agent.rpc import SOFTWARE, Calls, messages
from dest_agent.tally import told
from dest_agent.throttle import Throttle

MOST_SKETCHED = 24
"""Offers with a sketch answered in one message: each may have eight matches of 4 KiB, and a message has a mebibyte."""
MAX_PROTOCOLS = 16
"""Of those that a source says it speaks, these are looked at."""

_log = get("dest.replication")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the service calls."""

    agent: str
    limits: Limits
    access: Access
    catalogue: Catalogue
    offers: Offers
    receiver: Receiver
    committer: Committer


class Replication(pb_grpc.ReplicationServicer):
    """See replication.proto and PROTOCOL.md."""

    def __init__(self, delivery: Delivery, calls: Calls, throttle: Throttle) -> None:
        self._to = delivery
        self._calls = calls
        self._throttle = throttle

    async def Hello(self, request: pb.HelloRequest, context: Context) -> pb.HelloReply:  # noqa: N802
        """Agrees on a protocol and says what is remembered of the source."""
        async with self._calls.answering(context) as peer:
            source = self._to.access.source(peer)
            protocol = _agreed(request.protocols)
            last_seq = await asyncio.to_thread(self._to.catalogue.last_seq, source)
            _log.info("source_connected", source=source, software=request.software[:100], protocol=protocol, last_seq=last_seq)
        limits = wire.limits_to_pb(self._to.limits)
        reply = pb.HelloReply(protocol=protocol, software=SOFTWARE, agent=self._to.agent, last_seq=last_seq, limits=limits)
        reply.codings.extend(CODINGS)
        reply.methods.extend(DELTA_METHODS)
        return reply

    async def Offer(self, request_iterator: AsyncIterator[pb.OfferBatch], context: Context) -> AsyncIterator[pb.PlanBatch]:  # noqa: N802
        """Answers each batch of offers with plans, in batches that fit into a message."""
        async with self._calls.answering(context) as peer:
            source = self._to.access.source(peer)
            async for batch in messages(request_iterator):
                for offers in _portions(wire.offers_from_pb(batch, self._to.limits)):
                    yield wire.plans_to_pb(await self._to.offers.answer(source, offers))

    async def Upload(self, request_iterator: AsyncIterator[pb.Frame], context: Context) -> AsyncIterator[pb.Receipt]:  # noqa: N802
        """Takes contents as frames and gives a receipt for each."""
        async with self._calls.answering(context) as peer:
            source = self._to.access.source(peer)
            async for receipt in self._to.receiver.receive(source, self._frames(request_iterator, source)):
                yield wire.receipt_to_pb(receipt)

    async def Record(self, request_iterator: AsyncIterator[pb.RecordBatch], context: Context) -> AsyncIterator[pb.ReceiptBatch]:  # noqa: N802
        """Commits versions that bring no content and gives a receipt for each."""
        async with self._calls.answering(context) as peer:
            source = self._to.access.source(peer)
            async for batch in messages(request_iterator):
                yield wire.receipts_to_pb(await self._recorded(source, batch))

    async def Announce(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.AnnouncementBatch], context: Context
    ) -> AsyncIterator[pb.AnnouncedBatch]:
        """Keeps what will come, roughly."""
        async with self._calls.answering(context) as peer:
            source = self._to.access.source(peer)
            async for batch in messages(request_iterator):
                announcements = wire.announcements_from_pb(batch, self._to.limits, agent=source)
                kept = await self._to.committer.announce(announcements, sharing=self._to.access.sharing(source))
                yield wire.announced_to_pb(announcements, kept)

    async def _frames(self, stream: AsyncIterator[pb.Frame], source: str) -> AsyncIterator[Frame | Malformed]:
        async for message in messages(stream):
            await self._throttle.receive(message.ByteSize())
            try:
                yield wire.frame_from_pb(message, self._to.limits, agent=source)
            except ValueError as error:
                yield Malformed(message.begin.version.seq, str(error))

    async def _recorded(self, source: str, batch: pb.RecordBatch) -> list[Receipt]:
        versions, refused = _versions(batch, self._to.limits, source=source)
        receipts = await self._to.committer.record(versions, sharing=self._to.access.sharing(source))
        for receipt in (*receipts, *refused):
            told(source, receipt.outcome)
        return [*receipts, *refused]


def _portions(offers: list[Offer]) -> Iterator[list[Offer]]:
    """Offers to be answered together: those without a sketch at once, the others so that no answer gets too large or too late."""
    plain = [offer for offer in offers if offer.sketch is None]
    sketched = [offer for offer in offers if offer.sketch is not None]
    if plain:
        yield plain
    for at in range(0, len(sketched), MOST_SKETCHED):
        yield sketched[at : at + MOST_SKETCHED]


def _versions(batch: pb.RecordBatch, limits: Limits, *, source: str) -> tuple[list[Version], list[Receipt]]:
    """The versions of a batch, and a refusal for each that breaks a rule: one bad record does not hold up the others."""
    if len(batch.versions) > limits.batch:
        raise ValueError(f"a batch of {len(batch.versions)}: at most {limits.batch} are taken")
    versions: list[Version] = []
    refused: list[Receipt] = []
    for message in batch.versions:
        try:
            versions.append(version_from_pb(message, agent=source))
        except ValueError as error:
            refused.append(Receipt(message.seq, Refusal(RefusalCode.INVALID, str(error))))
    return versions, refused


def _agreed(theirs: Sequence[int]) -> int:
    """The highest protocol that both speak. Errors: RefusedError naming both sides' numbers."""
    common = set(theirs[:MAX_PROTOCOLS]) & set(wire.PROTOCOLS)
    if not common:
        spoken = ", ".join(map(str, wire.PROTOCOLS))
        asked = ", ".join(map(str, sorted(theirs[:MAX_PROTOCOLS]))) or "none"
        raise RefusedError(
            f"no common protocol: this destination speaks {spoken}, the source {asked}; update the older of the two"
        )
    return max(common)
