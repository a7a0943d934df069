"""Reading back: listing versions, and the bytes of contents in the order asked, a few decoded ahead.

Every byte that leaves passes a digest, and only a content whose bytes had theirs ends with `done`. One that does not ends
with its failure, counted and logged, and the next one follows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice

from blake3 import blake3

from common.errors import IntegrityError, PeerError, SmarterError
from common.ids import Digest
from common.logs import get
from common.metrics import RESTORED_BYTES
from common.model import Announcement, Entry, Refusal, RefusalCode, Selection
from common.tls import PeerIdentity
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue, Content
from dest_agent.recipes import Rebuilder
from dest_agent.store import NoSpace, StoreFailed, disk_errors
from dest_agent.threads import to_the_end

PIECE_BYTES = 256 * 1024
_READ_BYTES = 1 << 20
_BATCH = 256
_BATCH_BYTES = 512 * 1024

_log = get("dest.restore")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer to one request: the first has the digest, each may have bytes, the last has an end."""

    digest: Digest | None = None
    data: bytes = b""
    done: bool = False
    failed: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A content that a version of `source` has."""

    source: str
    digest: Digest


class Restorer:
    """Serves listings and fetches. Event loop only; reading and decoding are done in threads and workers."""

    def __init__(self, catalogue: Catalogue, rebuilder: Rebuilder, *, access: Access, n_ahead: int) -> None:
        """`n_ahead`: contents of one stream that are opened or decoded before their turn."""
        self._catalogue = catalogue
        self._rebuilder = rebuilder
        self._access = access
        self._n_ahead = n_ahead

    async def list(self, peer: PeerIdentity, selection: Selection) -> AsyncIterator[list[Entry]]:
        """The selected versions in batches that fit a message. Errors: PeerError, ValueError, IntegrityError, DatabaseError."""
        entries = self._catalogue.entries(self._access.listing(peer, selection))
        batches = _batches(entries)
        try:
            while batch := await asyncio.to_thread(next, batches, None):
                yield batch
        finally:
            # Refused while a thread of a cancelled call is still in it: that thread then drops the listing.
            with suppress(ValueError):
                batches.close()

    async def announced(self, peer: PeerIdentity, selection: Selection) -> AsyncIterator[Sequence[Announcement]]:
        """What was announced and has not come, in batches that fit a message. Errors: as `list`."""
        found = self._catalogue.announced(self._access.listing(peer, selection))
        while batch := await asyncio.to_thread(lambda: list(islice(found, _BATCH))):
            yield batch

    async def fetch(self, peer: PeerIdentity, wanted: AsyncIterator[Wanted]) -> AsyncIterator[Piece]:
        """The bytes of the wanted contents, in order. Errors: what `wanted` raises."""
        opening: asyncio.Queue[tuple[Digest, asyncio.Task[_Opened]] | None] = asyncio.Queue(self._n_ahead)
        asking = asyncio.create_task(self._open_ahead(peer, wanted, opening=opening))
        try:
            while (next_up := await opening.get()) is not None:
                async for piece in self._pieces(*next_up):
                    yield piece
            await asking
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError, SmarterError, ValueError):
                await asking
            while not opening.empty():
                await _drop(opening.get_nowait())

    async def _open_ahead(
        self,
        peer: PeerIdentity,
        wanted: AsyncIterator[Wanted],
        *,
        opening: asyncio.Queue[tuple[Digest, asyncio.Task[_Opened]] | None],
    ) -> None:
        try:
            async for one in wanted:
                task = asyncio.create_task(self._open(peer, one))
                try:
                    await opening.put((one.digest, task))
                except asyncio.CancelledError:
                    await _drop((one.digest, task))
                    raise
        except asyncio.CancelledError:
            # The reader has gone, and nobody makes room any more.
            with suppress(asyncio.QueueFull):
                opening.put_nowait(None)
            raise
        except (SmarterError, ValueError):
            await opening.put(None)
            raise
        await opening.put(None)

    async def _open(self, peer: PeerIdentity, wanted: Wanted) -> _Opened:
        content = await asyncio.to_thread(self._visible, peer, wanted)
        opened = _Opened(await self._rebuilder.open(content), self._rebuilder)
        try:
            await to_the_end(opened.read)
        except BaseException:
            opened.close()
            raise
        return opened

    def _visible(self, peer: PeerIdentity, wanted: Wanted) -> Content:
        source = self._access.reading(peer, wanted.source)
        contents = self._catalogue.contents([wanted.digest])
        if wanted.digest not in self._catalogue.held({source}, [wanted.digest]) or wanted.digest not in contents:
            raise PeerError(f"no version of {source} has the content {wanted.digest.hex()}")
        return contents[wanted.digest]

    async def _pieces(self, digest: Digest, opening: asyncio.Task[_Opened]) -> AsyncIterator[Piece]:
        lead: Digest | None = digest
        try:
            with closing(await opening) as opened:
                while True:
                    # must: the last bytes and `done` leave only when the digest of all is right.
                    if opened.is_last and opened.hashed.digest() != digest:
                        raise IntegrityError(f"content {digest.hex()}: the stored bytes have another digest")
                    *pieces, last = _cut(opened.block)
                    for piece in pieces:
                        yield Piece(lead, piece)
                        lead = None
                    yield Piece(lead, last, done=opened.is_last)
                    lead = None
                    RESTORED_BYTES.inc(len(opened.block))
                    if opened.is_last:
                        return
                    await to_the_end(opened.read)
        except SmarterError as error:
            yield Piece(lead, failed=_failure(digest, error))


@dataclass(slots=True)
class _Opened:
    """A content that is being read, with the digest of what was; its first block is read ahead of its turn."""

    fd: int
    rebuilder: Rebuilder
    hashed: blake3 = field(default_factory=blake3)
    block: bytes = b""
    is_last: bool = False

    def read(self) -> None:
        """Reads the next block; a short one is the last, for these are files."""
        with disk_errors("reading a content"):
            self.block = os.read(self.fd, _READ_BYTES)
        self.hashed.update(self.block)
        self.is_last = len(self.block) < _READ_BYTES

    def close(self) -> None:
        """Ends the reading."""
        self.rebuilder.close(self.fd)


def _cut(block: bytes) -> list[bytes]:
    return [block[at : at + PIECE_BYTES] for at in range(0, len(block), PIECE_BYTES)] or [b""]


def _failure(digest: Digest, error: SmarterError) -> Refusal:
    match error:
        case IntegrityError() | StoreFailed():
            # Bytes that cannot be read are as lost as wrong ones until somebody looks after the disk.
            _log.error("content_broken", digest=digest.hex(), reason=str(error))
            return Refusal(RefusalCode.PROOF_FAILED, str(error))
        case NoSpace():
            return Refusal(RefusalCode.NO_SPACE, str(error))
        case PeerError():
            return Refusal(RefusalCode.NEED_CONTENT, str(error))
        case _:
            return Refusal(RefusalCode.RESTART, str(error))


async def _drop(unsent: tuple[Digest, asyncio.Task[_Opened]] | None) -> None:
    """Closes what was opened ahead for a reader who has gone."""
    if unsent is None:
        return
    _, task = unsent
    if not task.done():
        task.cancel()
    with suppress(asyncio.CancelledError, SmarterError):
        (await task).close()


def _batches(entries: Iterator[Entry]) -> Generator[list[Entry]]:
    batch: list[Entry] = []
    n_bytes = 0
    for entry in entries:
        batch.append(entry)
        n_bytes += _wire_bytes(entry)
        if len(batch) >= _BATCH or n_bytes >= _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _wire_bytes(entry: Entry) -> int:
    attributes = entry.version.attributes
    return 512 + len(entry.version.path) + len(attributes.target) + sum(len(n) + len(v) for n, v in attributes.xattrs)
