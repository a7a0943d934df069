"""From a recipe to the bytes: the one place that knows how each kind of recipe is followed.

`Whole` is one object that decodes by itself. `Chunks` and `DeltaOver` are refused by name: no coder for them exists here,
and a content that cannot be rebuilt must be heard of.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from common.errors import ContentError, IntegrityError
from common.ids import Digest
from common.metrics import PROOFS
from common.model import Recipe, Whole
from common.workers import Decoded
from dest_agent.catalogue import Content
from dest_agent.store import ObjectKey, ObjectStore, disk_errors
from dest_agent.threads import opened, to_the_end

RAW = "raw"
IN_MEMORY_BYTES = 64 << 20
"""Contents up to here are decoded into memory, others into a nameless file in the staging folder."""
ALL_IN_MEMORY_BYTES = 256 << 20
"""Of all contents that are open at once: a reader may ask for many and take none, so the next ones go to files too."""

_READ_BYTES = 1 << 20


class Decoder(Protocol):
    """What is used of `common.workers.Workers`."""

    async def decode(self, coding: str, source_fd: int, target_fd: int | None, *, size: int) -> Decoded:
        """See Workers.decode."""


def object_of(digest: Digest, recipe: Recipe) -> ObjectKey:
    """The object that a recipe names. Errors: IntegrityError for a kind of recipe that cannot be followed."""
    match recipe:
        case Whole(coding, _):
            return ObjectKey(digest, coding)
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

    def __init__(self, store: ObjectStore, decoder: Decoder, scratch: Path) -> None:
        """`scratch` takes nameless files, which a crash leaves none of."""
        self._store = store
        self._decoder = decoder
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
                    await self._decoder.decode(key.coding, fd, target, size=content.size)
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
                await prove(self._decoder, fd, key.coding, content=(content.digest, content.size))
            except ContentError as error:
                raise _broken(key, error) from error

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
