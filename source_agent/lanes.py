"""From planned contents to receipts: coded, queued in lanes, uploaded over the streams of one connection.

What becomes of each is said to whoever had them planned; a content whose class closes goes back to him, and a stream that it
held up in the middle is ended and begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from common.errors import ContentError
from common.model import DELTA, Receipt
from source_agent.deliveries import Delivery
from source_agent.link import Connection
from source_agent.pacing import Closed
from source_agent.scheduler import STREAMS, Lane, lane_of
from source_agent.spool import Parcel
from source_agent.tools import Tools
from source_agent.uploads import Consignment, UploadStream
from source_agent.yielding import Yielding

LANE_DEPTH = {Lane.PROMPT: 8, Lane.PLAIN: 8, Lane.BULK: 1, Lane.DEFERRED: 8}
"""Coded contents that wait for each lane's streams."""

Jobs = list[Coroutine[Any, Any, None]]


class Planner(Protocol):
    """What the lanes say of the contents that they were given."""

    async def lost(self, delivery: Delivery) -> None:
        """Its file is not what its version says."""

    async def aborted(self, consignment: Consignment, reason: str) -> None:
        """A delta is not what it was."""

    def uploaded(self, delivery: Delivery) -> None:
        """Its last byte has gone."""

    def closed(self, delivery: Delivery) -> None:
        """It may not go now."""

    async def answered(self, consignment: Consignment, parcel: Parcel, receipt: Receipt) -> None:
        """It has its receipt."""


class Lanes:
    """One connection's. Event loop only."""

    def __init__(self, tools: Tools, connection: Connection, planner: Planner) -> None:
        self._tools, self._connection, self._planner = tools, connection, planner
        self._to_code: dict[Lane, asyncio.Queue[Consignment]] = {lane: asyncio.Queue() for lane in Lane}
        self._yielding = Yielding(connection.ask, tools.clock)
        self._coded = {lane: asyncio.Queue[tuple[Consignment, Parcel]](depth) for lane, depth in LANE_DEPTH.items()}

    def put(self, consignment: Consignment) -> None:
        """To be coded and uploaded."""
        self._to_code[lane_of(consignment.delivery)].put_nowait(consignment)

    def close(self) -> None:
        """The connection is over."""
        self._yielding.close()

    def jobs(self, begin: Callable[[Coroutine[Any, Any, None]], None]) -> Jobs:
        """What runs while the connection stands; `begin` is given more of it later."""
        # Each lane has coders of its own: one that waits for room in its lane must not keep the others waiting.
        most = self._tools.coders
        n_coders = {Lane.PROMPT: most, Lane.PLAIN: most, Lane.BULK: 1, Lane.DEFERRED: max(1, most // 2)}
        jobs = [self._code(lane) for lane, n in n_coders.items() for _ in range(n)]
        return jobs + [self._stream(n, lane, begin) for n, lane in enumerate(STREAMS)]

    async def _code(self, lane: Lane) -> None:
        while True:
            consignment = await self._to_code[lane].get()
            waits = 2 * self._coded[lane].qsize() >= LANE_DEPTH[lane] or self._tools.is_unhurried
            try:
                parcel = await self._parcel(consignment, waits=waits)
            except ContentError:
                await self._planner.lost(consignment.delivery)
                continue
            self._tools.tally.went_on()
            await self._coded[lane].put((consignment, parcel))

    async def _parcel(self, consignment: Consignment, *, waits: bool) -> Parcel:
        delivery, spool = consignment.delivery, self._tools.spool
        if consignment.delta is not None:
            parcel = self._tools.deltas.parcel(consignment.delta)
        else:
            parcel = await spool.prepare(delivery, raw=consignment.raw, waits=waits, staged=consignment.begun)
        if parcel.coding not in {*self._connection.codings, DELTA}:
            return await spool.prepare(delivery, raw=True)
        return parcel

    async def _stream(self, n: int, lane: Lane, begin: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """One stream after another over one of the connection's channels."""
        tools, limits = self._tools, self._connection.limits
        while True:
            call = self._connection.uploads[n].Upload()
            stream = UploadStream(call, tools, limits=limits, yielding=self._yielding if lane is Lane.DEFERRED else None)
            begin(self._receive(stream))
            while not stream.is_ended:
                await self._upload(stream, *await self._coded[lane].get())

    async def _upload(self, stream: UploadStream, consignment: Consignment, parcel: Parcel) -> None:
        delivery = consignment.delivery
        try:
            await stream.send(consignment, parcel)
            self._planner.uploaded(delivery)
        except Closed:
            self._planner.closed(delivery)
        except ContentError as error:
            if consignment.delta is None:
                await self._planner.lost(delivery)
            else:
                await self._planner.aborted(consignment, str(error))

    async def _receive(self, stream: UploadStream) -> None:
        async for consignment, parcel, receipt in stream.receipts():
            await self._planner.answered(consignment, parcel, receipt)
