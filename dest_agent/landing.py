"""From a complete upload to a durable version; the order is the promise that a receipt makes.

1. the coded bytes are synced (D1)              crash: a complete partial, which the source resumes
2. they are decoded, the digest is proved       crash: the same
3. the object store takes them (D2)             crash: an object without a recipe, kept if the source comes again
4. the catalogue commits version and recipe (D3)    crash: all is there; the source asks again and is told `have`
5. the caller sends the receipt (D4) and clears what is left in staging (D5)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.durable import crash_point
from common.errors import ContentError
from common.ids import Digest
from common.metrics import PROOFS
from common.model import Refusal, RefusalCode, Stored, Version, Whole
from dest_agent.catalogue import Arrival, Content
from dest_agent.collect import Claims
from dest_agent.committer import Committer
from dest_agent.recipes import RAW, Decoder, check, prove
from dest_agent.room import Space
from dest_agent.staging import StagedFile, Staging
from dest_agent.store import NoSpace, StoreFailed, disk_errors


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of an upload, and the staged file that is cleared once the source knows."""

    outcome: Stored | Refusal
    leftover: StagedFile | None = None


@dataclass(frozen=True, slots=True)
class Landing:
    """Proves, publishes and commits complete uploads. Event loop only; the work is done in threads and workers."""

    staging: Staging
    decoder: Decoder
    space: Space
    committer: Committer
    claims: Claims
    arrived: Callable[[str, Digest], None] = lambda source, digest: None  # noqa: ARG005 - where nobody asks
    """Told of each source's content that is durable; must not wait."""
    keep_original: bool = False

    async def land(self, version: Version, staged: StagedFile, *, sharing: frozenset[str]) -> Landed:
        """Makes a staged content and its version durable, or says why not; a refused one is gone from staging.

        Errors: StoreFailed; the staged file is gone then too, for what a disk keeps of bytes that it failed to sync is unknown.
        """
        digest = version.digest
        if digest is None:
            raise ValueError("only a file has a content")
        try:
            await asyncio.to_thread(staged.seal)
            kept = await self._proved(version, digest, staged)
            with self.claims.claim(kept.key.object):
                stored_bytes = await asyncio.to_thread(self._publish, kept)
                recipe = Whole(kept.key.object.coding, stored_bytes)
                outcome = await self.committer.commit(Arrival(version, sharing, Content(digest, version.size, recipe)))
        except ContentError as error:
            return await self._refused(staged, RefusalCode.PROOF_FAILED, f"{error.reason}: {error}")
        except NoSpace as error:
            self.space.full = True
            return await self._refused(staged, RefusalCode.NO_SPACE, str(error))
        except StoreFailed:
            await asyncio.to_thread(staged.discard)
            raise
        self.space.full = False
        if isinstance(outcome, Stored):
            self.arrived(version.id.agent, digest)
        return Landed(outcome, staged if kept is not staged else None)

    async def _proved(self, version: Version, digest: Digest, staged: StagedFile) -> StagedFile:
        """The file to keep, its content proved: the staged one, or the original decoded beside it. Errors: ContentError."""
        coding = staged.key.object.coding
        if coding == RAW:
            # The digest of the coded bytes was computed as they came; raw, it is the content's own.
            if staged.digest() != digest:
                PROOFS.labels(RAW, "digest").inc()
                raise ContentError("digest", f"the bytes have the digest {staged.digest().hex()}")
            PROOFS.labels(RAW, "proved").inc()
            return staged
        with _reading(staged) as fd:
            if not self.keep_original:
                await prove(self.decoder, fd, coding, content=(digest, version.size))
                return staged
            return await self._decoded_beside(version, digest, staged=staged, fd=fd)

    async def _decoded_beside(self, version: Version, digest: Digest, *, staged: StagedFile, fd: int) -> StagedFile:
        coding = staged.key.object.coding
        original = self.staging.beside(staged, RAW)
        try:
            target = await asyncio.to_thread(original.descriptor)
            with disk_errors(f"decoding {staged.key.object}"):
                check(await self.decoder.decode(coding, fd, target, size=version.size), digest, size=version.size)
            await asyncio.to_thread(original.seal)
        except ContentError as error:
            PROOFS.labels(coding, error.reason).inc()
            await asyncio.to_thread(original.discard)
            raise
        except BaseException:
            original.discard()
            raise
        PROOFS.labels(coding, "proved").inc()
        return original

    def _publish(self, kept: StagedFile) -> int:
        stored_bytes = self.space.store.publish(kept.path, kept.key.object)
        crash_point("D2")
        return stored_bytes

    async def _refused(self, staged: StagedFile, code: RefusalCode, reason: str) -> Landed:
        await asyncio.to_thread(staged.discard)
        return Landed(Refusal(code, reason))


@contextmanager
def _reading(staged: StagedFile) -> Iterator[int]:
    with disk_errors(f"staging {staged.path.name}"):
        fd = os.open(staged.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
