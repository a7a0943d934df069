"""Group commit: what arrives while one transaction is written goes into the next, so many receipts cost one sync.

1. `commit` queues an arrival          crash: nothing is known of it; the source sends it again
2. one transaction for all that queue  crash: whole or absent
3. D3, then each waiting caller gets its outcome
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from common.clock import Clock
from common.database import DatabaseError
from common.durable import crash_point
from common.model import Announcement, Receipt, Refusal, RefusalCode, Stored, Version
from dest_agent.catalogue import Arrival, Catalogue
from dest_agent.store import NoSpace, StoreFailed

MAX_GROUP = 512
"""Arrivals in a transaction."""

_Waiting = tuple[Arrival, asyncio.Future[Stored | Refusal]]


class Committer:
    """The one who writes versions to the catalogue. Event loop only."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(4 * MAX_GROUP)
        self._writing: asyncio.Task[None] | None = None

    async def commit(self, arrival: Arrival) -> Stored | Refusal:
        """The outcome of one arrival, when it is durable. Errors: NoSpace, StoreFailed."""
        return await (await self._enqueue(arrival))

    async def record(self, versions: Sequence[Version], *, sharing: frozenset[str]) -> list[Receipt]:
        """Commits versions that come without a content, and gives a receipt for each, in order. Errors: StoreFailed."""
        waiting = [await self._enqueue(Arrival(version, sharing)) for version in versions]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        return [Receipt(version.id.seq, _outcome(outcome)) for version, outcome in zip(versions, outcomes, strict=True)]

    async def announce(self, announcements: Sequence[Announcement], *, sharing: frozenset[str]) -> list[int]:
        """Keeps what a source announces, and gives the sequences of what is kept. Errors: DatabaseError."""

        def announce() -> list[int]:
            """In the thread that writes."""
            return self._catalogue.announce(announcements, sharing=sharing, announced_ns=self._clock.now_ns())

        return await asyncio.get_running_loop().run_in_executor(self._thread, announce)

    async def _enqueue(self, arrival: Arrival) -> asyncio.Future[Stored | Refusal]:
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        outcome: asyncio.Future[Stored | Refusal] = asyncio.get_running_loop().create_future()
        await self._queue.put((arrival, outcome))
        return outcome

    async def close(self) -> None:
        """Writes what is queued and ends."""
        await self._queue.join()
        if self._writing is not None:
            self._writing.cancel()
        self._thread.shutdown()

    async def _write(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < MAX_GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                await self._write_group(group)
            finally:
                for _ in group:
                    self._queue.task_done()

    async def _write_group(self, group: list[_Waiting]) -> None:
        arrivals = [arrival for arrival, _ in group]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, arrivals)
        except DatabaseError as error:
            full = getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_FULL"
            failure = (NoSpace if full else StoreFailed)(f"catalogue: {error}")
            for _, waiting in group:
                if not waiting.done():
                    waiting.set_exception(failure)
            return
        for (_, waiting), outcome in zip(group, outcomes, strict=True):
            if not waiting.done():
                waiting.set_result(outcome)

    def _commit(self, arrivals: list[Arrival]) -> list[Stored | Refusal]:
        outcomes = self._catalogue.commit(arrivals, received_ns=self._clock.now_ns())
        crash_point("D3")
        return outcomes


def _outcome(outcome: Stored | Refusal | BaseException) -> Stored | Refusal:
    match outcome:
        case NoSpace():
            return Refusal(RefusalCode.NO_SPACE, str(outcome))
        case BaseException():
            raise outcome
        case _:
            return outcome
