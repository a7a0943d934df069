"""Streams of batches: offers out and plans in, versions out and receipts in. One writer and one reader each.

A batch takes what waits, up to the destination's limits, and never waits for more: under load batches fill by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc.aio

from common.errors import TransientError
from common.model import Announcement, Limits, Offer, Plan, Receipt, Role
from common.pb import replication_pb2 as pb
from common.wire.replication import (
    MAX_APPROXIMATION_BYTES,
    announced_from_pb,
    announcements_to_pb,
    offers_to_pb,
    plans_from_pb,
    receipts_from_pb,
    versions_to_pb,
)
from source_agent.deliveries import Delivery
from source_agent.pacing import Pacing
from source_agent.tally import Tally

MAX_BATCH_BYTES = 512 * 1024
_SKETCH_BYTES = 2560

Answer = TypeVar("Answer")
Waiting = TypeVar("Waiting", Delivery, Announcement)
Jobs = list[Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Said:
    """What every message meets on its way: the destination's limits, its turn, and who counts it."""

    limits: Limits
    tally: Tally
    pacing: Pacing


def exchange_offers(
    call: Any,
    waiting: asyncio.Queue[Delivery],
    answer: Callable[[Plan], Awaitable[None]],
    *,
    said: Said,
    offer: Callable[[Sequence[Delivery]], Awaitable[list[Offer]]],
) -> Jobs:
    """The two jobs of an Offer stream: what waits goes out, every plan that comes is handed to `answer`."""

    async def to_pb(batch: list[Delivery]) -> pb.OfferBatch:
        """What is said of their contents."""
        return offers_to_pb(await offer(batch))

    return [_write(call, waiting, to_pb, said, "offers"), _read(call, plans_from_pb, answer)]


def exchange_records(
    call: Any,
    waiting: asyncio.Queue[Delivery],
    answer: Callable[[Receipt], Awaitable[None]],
    *,
    said: Said,
) -> Jobs:
    """The two jobs of a Record stream: what waits goes out, every receipt that comes is handed to `answer`."""

    async def to_pb(batch: list[Delivery]) -> pb.RecordBatch:
        """The versions."""
        return versions_to_pb(d.version for d in batch)

    return [_write(call, waiting, to_pb, said, "other"), _read(call, receipts_from_pb, answer)]


def exchange_announcements(
    call: Any,
    waiting: asyncio.Queue[Announcement],
    answer: Callable[[int], Awaitable[None]],
    *,
    said: Said,
) -> Jobs:
    """The two jobs of an Announce stream: what waits goes out, the number of each that was heard is handed to `answer`."""

    async def to_pb(batch: list[Announcement]) -> pb.AnnouncementBatch:
        """Versions and what they look like."""
        return announcements_to_pb(batch)

    return [_write(call, waiting, to_pb, said, "approximations"), _read(call, announced_from_pb, answer)]


async def _write(
    call: grpc.aio.StreamStreamCall[Any, Any],
    waiting: asyncio.Queue[Waiting],
    to_pb: Callable[[list[Waiting]], Awaitable[Any]],
    said: Said,
    kind: str,
) -> None:
    while True:
        batch = [await waiting.get()]
        n_bytes = _message_bytes(batch[0])
        most_bytes = said.pacing.control_bytes(MAX_BATCH_BYTES)
        while not waiting.empty() and len(batch) < said.limits.batch and n_bytes < most_bytes:
            batch.append(waiting.get_nowait())
            n_bytes += _message_bytes(batch[-1])
        message = await to_pb(batch)
        await said.pacing.control_turn(message.ByteSize())
        await call.write(message)
        said.tally.sent(kind, message.ByteSize())


async def _read(
    call: grpc.aio.StreamStreamCall[Any, Any],
    from_pb: Callable[[Any], list[Answer]],
    answer: Callable[[Answer], Awaitable[None]],
) -> None:
    async for message in call:
        try:
            answers = from_pb(message)
        except ValueError as error:
            raise TransientError(f"the destination sent an answer that makes no sense: {error}") from error
        for one in answers:
            await answer(one)
    raise TransientError("the destination ended the stream")


def _message_bytes(said: Delivery | Announcement) -> int:
    """About how much a delivery, or what is said of one, adds to a message: enough to keep a batch below the limit."""
    version = said.version
    xattrs = sum(len(name) + len(value) for name, value in version.attributes.xattrs)
    sketch = _SKETCH_BYTES if version.role is Role.REPRESENTATIVE else 0
    approximation = MAX_APPROXIMATION_BYTES if isinstance(said, Announcement) else 0
    return 256 + sketch + approximation + len(version.path) + len(version.attributes.target) + xattrs
