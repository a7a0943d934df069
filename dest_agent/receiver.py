"""One upload stream: frames in, receipts out.

    Begin   names a version, a coding and a length; a refusal skips everything up to the next Begin
    Data    must follow on exactly; frames are gathered and written by a thread while the next ones are read
    End     must have the digest of what came; then the content is on its way to be landed (see `landing`) and the next
            Begin is read meanwhile, as long as few contents and bytes wait for their proof: no more is read then, and
            the sender is held up by flow control
    Abort   drops what came

A stream that breaks leaves the open content's bytes to be resumed, and lets the complete ones land: the source will be told
`have`. What a peer does wrong costs that content, never the stream; what our disk does wrong ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from common.coding import CODINGS
from common.durable import crash_point
from common.errors import SmarterError
from common.ids import Digest
from common.metrics import RECEIVED_BYTES
from common.model import DELTA, Abort, Begin, Data, DeltaOffer, End, Frame, Receipt, Refusal, RefusalCode
from dest_agent.access import Access
from dest_agent.landing import Landed, Landing
from dest_agent.planner import refusal
from dest_agent.recipes import RAW
from dest_agent.staging import StagedFile, StagingKey, StaleOffset
from dest_agent.store import NoSpace, ObjectKey
from dest_agent.tally import told

GATHERED_BYTES = 1 << 20
"""Frames that came while others were written are written together; more than this is waited for."""
GATHERED_FRAMES = 1024
"""Likewise: a frame of one byte costs the memory of fifty."""
MAX_LANDING = 32
"""Complete contents of one stream that wait for their proof or commit."""
MAX_LANDING_BYTES = 64 << 20
"""Their coded bytes, where there is more than one."""
SLACK_BYTES = 64 << 10
"""A coding may add this much, and a sixty-fourth, to a content: more only serves to fill our disk."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that breaks a limit or a rule, and the sequence of the version it began, or 0."""

    seq: int
    reason: str


@dataclass(slots=True)
class _Incoming:
    """A content between its Begin and its End."""

    begin: Begin
    staged: StagedFile
    n_bytes: int
    gathered: list[bytes] = field(default_factory=list)
    gathered_bytes: int = 0
    writing: asyncio.Task[None] | None = None


class Receiver:
    """Serves the upload streams of all sources. Event loop only."""

    def __init__(self, landing: Landing, access: Access) -> None:
        self._landing = landing
        self._access = access
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, source: str, frames: AsyncIterator[Frame | Malformed]) -> AsyncIterator[Receipt]:
        """The receipts of one stream, as they come. Errors: TakenOver, StoreFailed, and what `frames` raises."""
        stream = _Stream(source, self._landing, sharing=self._access.sharing(source), tasks=self._tasks)
        reading = asyncio.create_task(stream.read(frames))
        try:
            async for receipt in stream.receipts():
                yield receipt
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, SmarterError):
                await reading
            await stream.close()

    async def drain(self, *, seconds: float) -> None:
        """Lets the contents that are being landed finish, for so long, and gives up the others."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()


class _Stream:
    def __init__(self, source: str, landing: Landing, *, sharing: frozenset[str], tasks: set[asyncio.Task[None]]) -> None:
        self._source = source
        self._landing = landing
        self._sharing = sharing
        self._all_tasks = tasks
        self._bytes_by_task: dict[asyncio.Task[None], int] = {}
        # More than can be on their way, so that a task never waits here once the stream is closed and emptied.
        self._out: asyncio.Queue[tuple[int, Landed] | SmarterError | None] = asyncio.Queue(2 * MAX_LANDING)
        self._incoming: _Incoming | None = None
        self._closed = False

    async def receipts(self) -> AsyncIterator[Receipt]:
        """What is to be sent, until the peer has ended the stream and everything landed. Errors: StoreFailed, TakenOver."""
        while (told_next := await self._out.get()) is not None:
            if isinstance(told_next, SmarterError):
                raise told_next
            seq, landed = told_next
            told(self._source, landed.outcome)
            yield Receipt(seq, landed.outcome)
            crash_point("D4")
            if landed.leftover is not None:
                await asyncio.to_thread(landed.leftover.discard)
            crash_point("D5")

    async def read(self, frames: AsyncIterator[Frame | Malformed]) -> None:
        """Takes frames until the peer ends the stream; afterwards everything has landed and the receipts end."""
        try:
            async for frame in frames:
                await self._take_or_refuse(frame)
            while self._bytes_by_task:
                await asyncio.wait(self._bytes_by_task)
        except SmarterError as error:
            await self._out.put(error)
        except asyncio.CancelledError:
            self._closed = True
            with suppress(asyncio.QueueFull):
                self._out.put_nowait(None)
            raise
        else:
            await self._out.put(None)

    async def close(self) -> None:
        """Keeps what came of the open content; nobody hears of the others any more."""
        self._closed = True
        while not self._out.empty():
            match self._out.get_nowait():
                case (_, Landed(_, StagedFile() as leftover)):
                    await asyncio.to_thread(leftover.discard)
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            with suppress(SmarterError, StaleOffset):
                await self._write(incoming)
                await self._written(incoming)
            await asyncio.to_thread(incoming.staged.leave)
            for old in self._landing.staging.surplus(self._source):
                with suppress(SmarterError):
                    await asyncio.to_thread(old.discard)

    async def _take_or_refuse(self, frame: Frame | Malformed) -> None:
        try:
            await self._take(frame)
        except NoSpace as error:
            self._landing.space.full = True
            if self._incoming is not None:
                await self._refuse(self._incoming, RefusalCode.NO_SPACE, str(error))

    async def _take(self, frame: Frame | Malformed) -> None:
        incoming = self._incoming
        match frame:
            case Begin():
                if incoming is not None:
                    await self._refuse(incoming, RefusalCode.RESTART, "another content began before this one ended")
                await self._begin(frame)
            case Malformed(seq, reason):
                if incoming is not None:
                    await self._refuse(incoming, RefusalCode.INVALID, reason)
                if seq:
                    await self._tell(seq, Refusal(RefusalCode.INVALID, reason))
            case _ if incoming is None:
                pass  # the rest of a content that was refused
            case Data():
                await self._data(incoming, frame)
            case End(coded_digest):
                await self._end(incoming, coded_digest)
            case Abort():
                await self._refuse(incoming, RefusalCode.ABORTED, "the source gave it up")

    async def _begin(self, begin: Begin) -> None:
        refused = self._unwanted(begin)
        if refused is not None or begin.version.digest is None:
            await self._tell(begin.version.id.seq, refused or Refusal(RefusalCode.INVALID, "digest: missing"))
            return
        staged = self._landing.staging.begin(StagingKey(self._source, ObjectKey(begin.version.digest, begin.coding)))
        self._incoming = _Incoming(begin, staged, begin.offset)
        if begin.offset:
            self._incoming.writing = asyncio.create_task(asyncio.to_thread(staged.resume, begin.offset))
            try:
                await self._written(self._incoming)
            except StaleOffset as error:
                self._incoming.writing = None
                await self._refuse(self._incoming, RefusalCode.RESTART, str(error))

    def _unwanted(self, begin: Begin) -> Refusal | None:
        version = begin.version
        most_bytes = version.size if begin.coding == RAW else version.size + version.size // 64 + SLACK_BYTES
        if version.digest is None:
            return Refusal(RefusalCode.INVALID, f"kind: a {version.kind} has no content to upload")
        if begin.coding not in CODINGS and begin.coding != DELTA:
            return Refusal(RefusalCode.INVALID, f"coding: {begin.coding!r} is not known here")
        if begin.coded_bytes > most_bytes or (begin.coding == RAW and begin.coded_bytes != version.size):
            return Refusal(RefusalCode.INVALID, f"coded_bytes: {begin.coded_bytes} for a content of {version.size} bytes")
        if begin.offset > begin.coded_bytes:
            return Refusal(RefusalCode.INVALID, f"offset: {begin.offset} is beyond the {begin.coded_bytes} coded bytes")
        return refusal(version.size, self._landing.space.room())

    async def _data(self, incoming: _Incoming, data: Data) -> None:
        if data.offset != incoming.n_bytes:
            await self._refuse(incoming, RefusalCode.RESTART, f"offset {data.offset} came where {incoming.n_bytes} follows")
            return
        if data.offset + len(data.data) > incoming.begin.coded_bytes:
            await self._refuse(incoming, RefusalCode.INVALID, f"more than the {incoming.begin.coded_bytes} bytes announced")
            return
        if not data.data:
            return  # nothing to write, so nothing would ever take it from the list
        incoming.n_bytes += len(data.data)
        incoming.gathered.append(data.data)
        incoming.gathered_bytes += len(data.data)
        RECEIVED_BYTES.labels(self._source).inc(len(data.data))
        is_idle = incoming.writing is None or incoming.writing.done()
        is_full = incoming.gathered_bytes >= GATHERED_BYTES or len(incoming.gathered) >= GATHERED_FRAMES
        # On a slow link each frame is written at once, so that a cut loses none; on a fast one they gather meanwhile.
        if incoming.n_bytes < incoming.begin.coded_bytes and (is_idle or is_full):
            await self._write(incoming)

    async def _end(self, incoming: _Incoming, coded_digest: Digest) -> None:
        n_bytes = incoming.begin.coded_bytes
        while len(self._bytes_by_task) >= MAX_LANDING or (
            self._bytes_by_task and sum(self._bytes_by_task.values()) + n_bytes > MAX_LANDING_BYTES
        ):
            await asyncio.wait(self._bytes_by_task, return_when=asyncio.FIRST_COMPLETED)
        self._incoming = None
        # From here on the bytes are complete: the next attempt at this content, on this stream or another, has its own file.
        self._landing.staging.release(incoming.staged)
        task = asyncio.create_task(self._land(incoming, coded_digest))
        self._bytes_by_task[task] = n_bytes
        self._all_tasks.add(task)
        task.add_done_callback(self._bytes_by_task.pop)
        task.add_done_callback(self._all_tasks.discard)

    async def _land(self, incoming: _Incoming, coded_digest: Digest) -> None:
        seq = incoming.begin.version.id.seq
        try:
            landed = await self._landed(incoming, coded_digest)
        except SmarterError as error:
            if not self._closed:
                await self._out.put(error)
            return
        if not self._closed:
            await self._out.put((seq, landed))
        elif landed.leftover is not None:
            await asyncio.to_thread(landed.leftover.discard)

    async def _landed(self, incoming: _Incoming, coded_digest: Digest) -> Landed:
        staged, coded_bytes = incoming.staged, incoming.begin.coded_bytes
        try:
            await self._write(incoming)
            await self._written(incoming)
        except NoSpace as error:
            self._landing.space.full = True
            return Landed(await self._dropped(incoming, RefusalCode.NO_SPACE, str(error)))
        if incoming.n_bytes != coded_bytes:
            return Landed(
                await self._dropped(incoming, RefusalCode.RESTART, f"ended at {incoming.n_bytes} of {coded_bytes} bytes")
            )
        if staged.digest() != coded_digest:
            return Landed(await self._dropped(incoming, RefusalCode.RESTART, "the digest at the end is not that of the bytes"))
        begin = incoming.begin
        delta = None if begin.base is None else DeltaOffer(begin.base, begin.method, coded_bytes)
        return await self._landing.land(begin.version, staged, sharing=self._sharing, delta=delta)

    async def _write(self, incoming: _Incoming) -> None:
        """Has a thread write what was gathered, after what it still writes. Errors: those of the earlier write."""
        await self._written(incoming)
        if incoming.gathered:
            pieces, incoming.gathered, incoming.gathered_bytes = incoming.gathered, [], 0
            incoming.writing = asyncio.create_task(asyncio.to_thread(incoming.staged.append, pieces))

    async def _written(self, incoming: _Incoming) -> None:
        if incoming.writing is not None:
            # A stream may be cancelled here, but never between two pieces: what was begun is waited for when it closes.
            await asyncio.shield(incoming.writing)
            incoming.writing = None

    async def _refuse(self, incoming: _Incoming, code: RefusalCode, reason: str) -> None:
        self._incoming = None
        await self._tell(incoming.begin.version.id.seq, await self._dropped(incoming, code, reason))

    async def _dropped(self, incoming: _Incoming, code: RefusalCode, reason: str) -> Refusal:
        """Refuses a content and removes what was staged of it."""
        self._landing.staging.release(incoming.staged)
        with suppress(SmarterError):
            await self._written(incoming)
        await asyncio.to_thread(incoming.staged.discard)
        return Refusal(code, reason)

    async def _tell(self, seq: int, refused: Refusal) -> None:
        await self._out.put((seq, Landed(refused)))
