"""One upload stream: contents as frames one after another, receipts as they come.

    1. Begin, with the version that the content belongs to; from the destination's staged bytes on, if they are ours.
    2. Data frames of at most `frame_bytes`, each when its turn has come.
    3. End with the digest of all coded bytes; or Abort, where a live file turned out to have changed.

Where a content's class closes in the middle, the stream is ended behind what has gone: the destination keeps it, to be resumed.

The sender does not wait for a receipt before the next Begin. A cut leaves staged bytes at the destination and nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import grpc.aio

from common.errors import TransientError
from common.metrics import RESUMED_BYTES
from common.model import DELTA, Abort, Begin, Data, End, Frame, Limits, Receipt, Staged
from common.pb import replication_pb2 as pb
from common.wire.replication import frame_to_pb, receipt_from_pb
from source_agent.deliveries import Delivery
from source_agent.deltas import Ready
from source_agent.pacing import Closed, class_of
from source_agent.spool import Parcel, Reading
from source_agent.tools import Tools
from source_agent.yielding import Yielding

UploadCall = grpc.aio.StreamStreamCall[pb.Frame, pb.Receipt]


@dataclass(slots=True)
class Consignment:
    """A content on its way, on behalf of one delivery."""

    delivery: Delivery
    staged: Staged | None = None
    raw: bool = False
    """Send it uncoded: the destination could not prove the coded form."""
    restarts: int = 0

    delta: Ready | None = None
    """Send this in place of the content."""

    exempt_ns: int = 0
    """Of a member: from when on it passes a timetable that is closed (nanoseconds since 1970)."""

    @property
    def begun(self) -> str:
        """The coding of which the destination holds a part; empty where it holds none."""
        return self.staged.coding if self.staged else ""


class UploadStream:
    """Frames out, receipts in, over one call."""

    def __init__(self, call: UploadCall, tools: Tools, *, limits: Limits, yielding: Yielding | None) -> None:
        """The call is the caller's to cancel; `yielding` is for members."""
        self._call, self._limits, self._yielding = call, limits, yielding
        self._spool, self._tally, self._pacing = tools.spool, tools.tally, tools.pacing
        self._awaiting: dict[int, tuple[Consignment, Parcel]] = {}
        self._has_begun = False
        self.is_ended = False
        """No content more may be sent; receipts may still come."""

    async def send(self, consignment: Consignment, parcel: Parcel) -> None:
        """Sends one content.

        Errors: Changed before anything was sent; Closed, after which the stream may be ended; AioRpcError when the link breaks.
        """
        delivery = consignment.delivery
        reading = self._spool.read(delivery, parcel)
        try:
            if consignment.staged is not None and await asyncio.to_thread(_resumes, reading, consignment.staged, parcel):
                RESUMED_BYTES.inc(reading.offset)
            self._awaiting[delivery.version.id.seq] = (consignment, parcel)
            begin = Begin(
                delivery.version, parcel.coding, parcel.coded_bytes, reading.offset, base=parcel.base, method=parcel.method
            )
            await self._write(begin, consignment, parcel)
            self._has_begun = True
            offset = reading.offset
            while piece := await asyncio.to_thread(reading.piece):
                start = 0
                while start < len(piece):
                    part = piece[start : start + self._frame_bytes(delivery)]
                    await self._write(Data(offset, part), consignment, parcel)
                    start, offset = start + len(part), offset + len(part)
            await self._write(End(parcel.coded_digest) if reading.is_whole() else Abort(), consignment, parcel)
            self._has_begun = False
        except Closed:
            del self._awaiting[delivery.version.id.seq]
            if self._has_begun:
                self.is_ended = True
                await self._call.done_writing()
            raise
        finally:
            reading.close()

    async def receipts(self) -> AsyncIterator[tuple[Consignment, Parcel, Receipt]]:
        """Every receipt with what it answers, until it was ended here.

        Errors: TransientError where the destination ends it, leaves something out, or names what was not sent.
        """
        async for message in self._call:
            try:
                receipt = receipt_from_pb(message)
                consignment, parcel = self._awaiting.pop(receipt.seq)
            except (ValueError, KeyError) as error:
                raise TransientError(f"the destination sent a receipt that answers nothing: {error}") from error
            yield consignment, parcel, receipt
        if not self.is_ended or self._awaiting:
            raise TransientError("the destination ended the upload stream")

    def _frame_bytes(self, delivery: Delivery) -> int:
        version, most = delivery.version, self._limits.frame_bytes
        if self._yielding is not None:
            most = self._yielding.frame_bytes(most)
        return self._pacing.frame_bytes(class_of(version), most, policy=version.policy)

    async def _write(self, frame: Frame, consignment: Consignment, parcel: Parcel) -> None:
        message, version = frame_to_pb(frame), consignment.delivery.version
        n_bytes, exempt_ns = message.ByteSize(), consignment.exempt_ns
        if self._yielding is not None:
            await self._yielding.room(n_bytes, needs_idle=partial(self._pacing.needs_idle, version.policy, exempt_ns))
        await self._pacing.turn(class_of(version), n_bytes, policy=version.policy, exempt_ns=exempt_ns)
        await self._call.write(message)
        if self._yielding is not None:
            self._yielding.sent(n_bytes)
        kind = "deltas" if parcel.coding == DELTA else "whole"
        self._tally.sent(kind if isinstance(frame, Data) else "other", n_bytes)


def _resumes(reading: Reading, staged: Staged, parcel: Parcel) -> bool:
    """Whether the destination's staged bytes are a beginning of ours; the reading then goes on behind them."""
    return staged.coding == parcel.coding and reading.skip(staged.n_bytes, staged.prefix_digest)
