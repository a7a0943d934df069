"""From a complete upload to a durable version; the order is the promise that a receipt makes.

1. the coded bytes are synced (D1)              crash: a complete partial, which the source resumes
2. they are decoded, the digest is proved       crash: the same; a delta is decoded over its base, as this holds it
3. the object store takes them (D2)             crash: an object without a recipe, kept if the source comes again
4. the catalogue commits version and recipe (D3)    crash: all is there; the source asks again and is told `have`
5. the caller sends the receipt (D4) and clears what is left in staging (D5)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from common.durable import crash_point
from common.errors import ContentError, IntegrityError
from common.ids import Digest
from common.logs import get
from common.metrics import PROOFS, VERIFIED
from common.model import DELTA, DeltaOffer, DeltaOver, Refusal, RefusalCode, Stored, Version, Whole
from dest_agent.catalogue import Arrival, Catalogue, Content
from dest_agent.collect import Claims
from dest_agent.committer import Committer
from dest_agent.planner import bad_base
from dest_agent.recipes import RAW, Decoder, Rebuilder, check, object_of, prove
from dest_agent.room import Space
from dest_agent.staging import StagedFile, Staging
from dest_agent.store import NoSpace, ObjectKey, StoreFailed, disk_errors

_log = get("dest.landing")


class BadBase(ContentError):
    """A delta cannot be taken over this base."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_base", message)


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
    catalogue: Catalogue
    rebuilder: Rebuilder
    space: Space
    committer: Committer
    claims: Claims
    arrived: Callable[[str, Digest], None] = lambda source, digest: None  # noqa: ARG005 - where nobody asks
    """Told of each source's content that is durable; must not wait."""
    keep_original: bool = False

    async def land(
        self, version: Version, staged: StagedFile, *, sharing: frozenset[str], delta: DeltaOffer | None = None
    ) -> Landed:
        """Makes a staged content and its version durable, or says why not; a refused one is gone from staging.

        What is staged is the content, coded, or `delta`.

        Errors: StoreFailed; the staged file is gone then too, for what a disk keeps of bytes that it failed to sync is unknown.
        """
        digest = version.digest
        if digest is None:
            raise ValueError("only a file has a content")
        try:
            await asyncio.to_thread(staged.seal)
            if delta is None:
                kept = await self._proved(version, digest, staged)
            else:
                kept = await self._delta_proved(version, staged, sharing=sharing, delta=delta)
            recipe = _recipe(kept, delta)
            key = object_of(digest, recipe)
            with self.claims.claim(key):
                recipe = replace(recipe, stored_bytes=await asyncio.to_thread(self._publish, kept, key))
                outcome = await self.committer.commit(Arrival(version, sharing, Content(digest, version.size, recipe)))
        except BadBase as error:
            return await self._refused(staged, RefusalCode.BAD_BASE, str(error))
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

        async def decode(target: int) -> None:
            """Decodes into the file beside, and proves what comes."""
            try:
                check(await self.decoder.decode(coding, fd, target, size=version.size), digest, size=version.size)
            except ContentError as error:
                PROOFS.labels(coding, error.reason).inc()
                raise
            PROOFS.labels(coding, "proved").inc()

        return await self._beside(staged, decode)

    async def _beside(self, staged: StagedFile, decode: Callable[[int], Awaitable[None]]) -> StagedFile:
        """The original, decoded into a file beside the staged one."""
        original = self.staging.beside(staged, RAW)
        try:
            target = await asyncio.to_thread(original.descriptor)
            with disk_errors(f"decoding {staged.key.object}"):
                await decode(target)
            await asyncio.to_thread(original.seal)
        except BaseException:
            original.discard()
            raise
        return original

    async def _delta_proved(
        self, version: Version, staged: StagedFile, *, sharing: frozenset[str], delta: DeltaOffer
    ) -> StagedFile:
        """As `_proved`, of a delta. Errors: ContentError; BadBase where the base is no base, or is damaged here."""
        digest = staged.key.object.digest
        recipes = await asyncio.to_thread(self.catalogue.recipes, sharing, [delta.base])
        if (refused := bad_base(delta, recipes.get(delta.base))) is not None:
            raise BadBase(refused.reason)
        try:
            async with self.rebuilder.base(delta.base) as base_fd:
                with _reading(staged) as fd:
                    if not self.keep_original:
                        await self.rebuilder.prove_delta(fd, base_fd, content=(digest, version.size))
                        return staged
                    return await self._beside(
                        staged,
                        lambda target: self.rebuilder.prove_delta(fd, base_fd, content=(digest, version.size), target=target),
                    )
        except ContentError:
            # The delta's fault, or that of the base as it lies here?
            await self._base_proved(delta.base)
            raise
        except IntegrityError as error:
            raise _alarmed(delta.base, error) from error

    async def _base_proved(self, base: Digest) -> None:
        try:
            for content in (await asyncio.to_thread(self.catalogue.contents, [base])).values():
                await self.rebuilder.prove(content)
        except IntegrityError as error:
            raise _alarmed(base, error) from error

    def _publish(self, kept: StagedFile, key: ObjectKey) -> int:
        stored_bytes = self.space.store.publish(kept.path, key)
        crash_point("D2")
        return stored_bytes

    async def _refused(self, staged: StagedFile, code: RefusalCode, reason: str) -> Landed:
        await asyncio.to_thread(staged.discard)
        return Landed(Refusal(code, reason))


def _recipe(kept: StagedFile, delta: DeltaOffer | None) -> Whole | DeltaOver:
    """How a content is rebuilt from a file; how large the object is, is known when it is published."""
    coding = kept.key.object.coding
    return Whole(coding, 0) if delta is None or coding != DELTA else DeltaOver(delta.base, delta.method, 0)


def _alarmed(base: Digest, error: IntegrityError) -> BadBase:
    """A base that cannot be read back is heard of, whatever the source does then."""
    VERIFIED.labels("broken").inc()
    _log.error("content_broken", digest=base.hex(), reason=str(error))
    return BadBase(f"the base cannot be read back: {error}")


@contextmanager
def _reading(staged: StagedFile) -> Iterator[int]:
    with disk_errors(f"staging {staged.path.name}"):
        fd = os.open(staged.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
