"""What the codings share: the two ends they read and write, the size of a piece, and when a saving counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from common.errors import ContentError

PIECE_BYTES = 256 * 1024
SMALL_BYTES = 64 * 1024
LEAST_SAVING = 0.015
"""Of contents above SMALL_BYTES. Less is not worth a decoding at each proof and restore."""


class Readable(Protocol):
    """The part of a binary file that codings read from."""

    def read(self, n: int, /) -> bytes:
        """At most `n` bytes from the present position, empty only at the end."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the present position and returns it. Decoding never seeks."""


class Writable(Protocol):
    """The part of a binary file that codings write to."""

    def write(self, content: bytes, /) -> object:
        """Writes all of `content`."""


def pieces(source: Readable) -> Iterator[bytes]:
    """The bytes of `source` from its present position to its end."""
    while piece := source.read(PIECE_BYTES):
        yield piece


def first_bytes(source: Readable, limit: int) -> bytes:
    """All that `source` has from its present position, or the first `limit` bytes and some: a file that grows has no end."""
    read: list[bytes] = []
    n_bytes = 0
    for piece in pieces(source):
        read.append(piece)
        n_bytes += len(piece)
        if n_bytes > limit:
            break
    return b"".join(read)


def size_of(source: Readable) -> int:
    """The size of `source` in bytes; leaves it at its first byte."""
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    return size


def check_size(n_bytes: int, size: int) -> None:
    """Errors: ContentError `too_long`, `damaged` where a content of `size` bytes comes out with another."""
    if n_bytes != size:
        raise ContentError("too_long" if n_bytes > size else "damaged", f"{n_bytes} bytes where the content has {size}")


def most_coded_bytes(size: int) -> int:
    """The largest coded form of a content of `size` bytes that counts as smaller. Pure."""
    return size - 1 if size <= SMALL_BYTES else int(size * (1 - LEAST_SAVING))
