"""From a recipe to the bytes: the one place that knows how each kind of recipe is followed.

`Whole` is one object that decodes by itself. `DeltaOver` is one that decodes over its base: the base first, then the delta.
What a delta is over is whole; a chain is refused. So is `Chunks`, by name: no coder for them exists here, and a content that
cannot be rebuilt must be heard of.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from common.errors import ContentError, IntegrityError
from common.ids import Digest
from common.metrics import PROOFS
from common.model import DELTA, DeltaOver, Recipe, Whole
from common.workers import Decoded
from dest_agent.catalogue import Content
from dest_agent.store import ObjectKey, ObjectStore, disk_errors
from dest_agent.threads import opened, to_the_end

RAW = "raw"
IN_MEMORY_BYTES = 64 << 20
"""Contents up to here are decoded into memory, others into a nameless file in the staging folder."""
ALL_IN_MEMORY_BYTES = 256 << 20
"""Of all contents that are open at once: a reader may ask for many and take none, so the next ones go to files too."""

ContentsOf = Callable[[Sequence[Digest]], Mapping[Digest, Content]]
"""`Catalogue.contents`."""

_READ_BYTES = 1 << 20


class Decoder(Protocol):
    """What is used of `common.workers.Workers`."""

    async def decode(self, coding: str, source_fd: int, target_fd: int | None, *, size: int) -> Decoded:
        """See Workers.decode."""

    async def decode_delta(self, delta_fd: int, base_fd: int, target_fd: int | None) -> Decoded:
        """See Workers.decode_delta."""


def object_of(digest: Digest, recipe: Recipe) -> ObjectKey:
    """The object that a recipe names. Errors: IntegrityError for a kind of recipe that cannot be followed."""
    match recipe:
        case Whole(coding, _):
            return ObjectKey(digest, coding)
        case DeltaOver(base):
            # By its base too: an object never changes under a recipe that names another base than it has.
            return ObjectKey(digest, DELTA + base.hex())
        case other:
            raise IntegrityError(f"content {digest.hex()}: no way to follow a recipe of the kind {type(other).__name__}")


async def prove(decoder: Decoder, fd: int, coding: str, *, content: tuple[Digest, int]) -> None:
    """Proves that the coded bytes in `fd` stand for a content of this digest and size.

    Errors: ContentError: the reason `digest` where they stand for another one, otherwise the decoder's.
    """
    digest, size = content
    try:
        if coding == RAW:
            decoded = await to_the_end(_digest_file, fd, size)
        else:
            decoded = await decoder.decode(coding, fd, None, size=size)
        check(decoded, digest, size=size)
    except ContentError as error:
        PROOFS.labels(coding, error.reason).inc()
        raise
    PROOFS.labels(coding, "proved").inc()


def check(decoded: Decoded, digest: Digest, *, size: int) -> None:
    """Errors: ContentError, reason `digest`, where what was decoded is not the content of this digest and size."""
    if decoded.digest != digest or decoded.n_bytes != size:
        raise ContentError(
            "digest", f"decodes to {decoded.n_bytes} bytes of digest {decoded.digest.hex()}, not to {digest.hex()}"
        )


class Rebuilder:
    """Opens and proves stored contents. Event loop only; the work is done in threads and workers."""

    def __init__(self, store: ObjectStore, decoder: Decoder, scratch: Path, *, contents: ContentsOf) -> None:
        """`scratch` takes nameless files, which a crash leaves none of; `contents` knows how bases are rebuilt."""
        self._store = store
        self._decoder = decoder
        self._contents = contents
        self._scratch = scratch
        self._in_memory_bytes_by_fd: dict[int, int] = {}

    async def open(self, content: Content) -> int:
        """A descriptor of the content's bytes at position 0, not yet proved; the caller gives it to `close`.

        Errors: IntegrityError where the object is missing, does not decode, or cannot be followed; NoSpace, StoreFailed.
        """
        async with self._object(content) as (key, fd):
            if key.coding == RAW:
                return os.dup(fd)
            target = self._target(content.size)
            try:
                with disk_errors(f"decoding {key}"):
                    await self._decode(content, fd, target)
                os.lseek(target, 0, os.SEEK_SET)
            except ContentError as error:
                self.close(target)
                raise _broken(key, error) from error
            except BaseException:
                self.close(target)
                raise
            return target

    def close(self, fd: int) -> None:
        """Lets go of a content that was opened."""
        self._in_memory_bytes_by_fd.pop(fd, None)
        os.close(fd)

    async def prove(self, content: Content) -> None:
        """Reads a content back and proves it. Errors: IntegrityError, StoreFailed."""
        async with self._object(content) as (key, fd):
            try:
                match content.recipe:
                    case DeltaOver(base):
                        async with self.base(base) as base_fd:
                            await self.prove_delta(fd, base_fd, content=(content.digest, content.size))
                    case _:
                        await prove(self._decoder, fd, key.coding, content=(content.digest, content.size))
            except ContentError as error:
                raise _broken(key, error) from error

    async def prove_delta(self, fd: int, base_fd: int, *, content: tuple[Digest, int], target: int | None = None) -> None:
        """Proves that the delta in `fd` gives a content of this digest and size, which is written to `target`, if there is one.

        Errors: ContentError, as `prove`.
        """
        try:
            check(await self._decoder.decode_delta(fd, base_fd, target), content[0], size=content[1])
        except ContentError as error:
            PROOFS.labels(DELTA, error.reason).inc()
            raise
        PROOFS.labels(DELTA, "proved").inc()

    @asynccontextmanager
    async def base(self, digest: Digest) -> AsyncIterator[int]:
        """A descriptor of the bytes of a base, not yet proved, for the length of the block. Errors: as `open`."""
        content = (await asyncio.to_thread(self._contents, [digest])).get(digest)
        if content is None or not isinstance(content.recipe, Whole):
            raise IntegrityError(f"content {digest.hex()}: a delta is over it, and it is {content.recipe if content else 'gone'}")
        fd = await self.open(content)
        try:
            yield fd
        finally:
            self.close(fd)

    async def _decode(self, content: Content, fd: int, target: int) -> None:
        match content.recipe:
            case DeltaOver(base):
                async with self.base(base) as base_fd:
                    await self._decoder.decode_delta(fd, base_fd, target)
            case Whole(coding):
                await self._decoder.decode(coding, fd, target, size=content.size)

    @asynccontextmanager
    async def _object(self, content: Content) -> AsyncIterator[tuple[ObjectKey, int]]:
        key = object_of(content.digest, content.recipe)
        fd = await opened(lambda: self._store.open(key))
        try:
            yield key, fd
        finally:
            os.close(fd)

    def _target(self, size: int) -> int:
        if size <= IN_MEMORY_BYTES and size + sum(self._in_memory_bytes_by_fd.values()) <= ALL_IN_MEMORY_BYTES:
            fd = os.memfd_create("content", os.MFD_CLOEXEC)
            self._in_memory_bytes_by_fd[fd] = size
            return fd
        with disk_errors(f"scratch file in {self._scratch}"), tempfile.TemporaryFile(dir=self._scratch) as file:
            return os.dup(file.fileno())


def _broken(key: ObjectKey, error: ContentError) -> IntegrityError:
    return IntegrityError(f"object {key}: {error}")


def _digest_file(fd: int, size: int) -> Decoded:
    hashed, n_bytes = blake3(), 0
    with disk_errors("reading a content"):
        # One byte beyond the size is enough to know that it is too long.
        while n_bytes <= size and (piece := os.pread(fd, _READ_BYTES, n_bytes)):
            hashed.update(piece)
            n_bytes += len(piece)
    return Decoded(Digest(hashed.digest()), n_bytes)
