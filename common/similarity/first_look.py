"""The first look at a picture: what the summary vector and the early word need, and no more.

    layout vector and its keys   maybe similar, or surely new           common.similarity.vector, .asv
    PDQ in eight forms           one picture, said early                common.similarity.pdq
    moment, tables               time and camera; quantisation, exactly common.images.metadata
    size                         how much the picture can say           its rank in a group

It costs a tenth of what features cost: pictures that it settles are never looked at again [S §III-A].
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError
from common.images.decode import decode
from common.similarity import pdq, vector
from common.similarity.features import N_INDEXED
from common.similarity.places import Rank

LONG_SIDE = 256
"""Pixels that are decoded: PDQ takes 64x64 samples of them, so no more are worth their time."""

_FORMAT = 2
_HEAD = struct.Struct("<BBBBIIQ8s")
_MAX_MOMENT_BYTES = 32
_NO_TABLES = bytes(8)
_PDQ_BYTES = 8 * pdq.HASH_BYTES
_VECTOR_BYTES = 4 * vector.DIMENSIONS


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """What a first look shows."""

    pdq: NDArray[np.uint8]
    """(8, 32) uint8, row 0 the picture as it is, the others as `dihedral` numbers its forms."""
    vector: NDArray[np.float32]
    """(20,) float32, the layout vector."""
    quality: int
    """0 (flat) to 100: below `pdq.LEAST_QUALITY` the hashes are noise."""
    moment: bytes
    """At most 32 bytes, equal for pictures of one press of the shutter; empty where unknown."""
    tables: bytes
    """Eight bytes, equal for JPEGs that were quantised alike; empty for other formats."""
    n_metadata: int
    """How many of time and camera the file knows, 0 to 2."""
    width: int
    """Pixels of the original, orientation applied."""
    height: int
    n_bytes: int


def first_look(content: bytes) -> FirstLook:
    """Looks at a picture.

    Errors: ContentError as `common.images.decode.decode`; MemoryError.
    """
    picture = decode(content, long_side=LONG_SIDE)
    metadata = picture.metadata
    return FirstLook(
        pdq=pdq.hashes(picture.grey),
        vector=vector.vector_of(picture.grey),
        quality=pdq.quality(picture.grey),
        moment=metadata.exif_key()[:_MAX_MOMENT_BYTES],
        tables=metadata.tables,
        n_metadata=bool(metadata.time) + bool(metadata.camera),
        width=picture.width,
        height=picture.height,
        n_bytes=len(content),
    )


def rank_of(seen: FirstLook, n_features: int) -> Rank:
    """How much a picture says. Features beyond those that are compared count for nothing: then pixels decide."""
    return Rank(min(n_features, N_INDEXED), seen.width * seen.height, seen.n_metadata, seen.n_bytes)


def to_bytes(seen: FirstLook) -> bytes:
    """A first look for a cache or a journal: some 370 bytes, the same on every machine."""
    size = seen.width, seen.height, seen.n_bytes
    head = _HEAD.pack(_FORMAT, seen.quality, seen.n_metadata, len(seen.moment), *size, seen.tables or _NO_TABLES)
    return head + seen.pdq.tobytes() + seen.vector.astype("<f4").tobytes() + seen.moment


def from_bytes(raw: bytes) -> FirstLook:
    """What `to_bytes` wrote. Errors: ContentError `damaged` for anything else."""
    if len(raw) < _HEAD.size:
        raise ContentError("damaged", "a first look that ends early")
    kind, quality, n_metadata, n_moment, width, height, n_bytes, tables = _HEAD.unpack_from(raw)
    at = _HEAD.size + _PDQ_BYTES
    layout = np.frombuffer(raw[at : at + _VECTOR_BYTES], "<f4") if len(raw) >= at + _VECTOR_BYTES else np.zeros(0)
    whole = len(raw) == at + _VECTOR_BYTES + n_moment and n_moment <= _MAX_MOMENT_BYTES
    if kind != _FORMAT or not whole or not np.isfinite(layout).all():
        raise ContentError("damaged", "bytes that are no first look of this version")
    return FirstLook(
        pdq=np.frombuffer(raw[_HEAD.size : at], np.uint8).reshape(8, pdq.HASH_BYTES),
        vector=layout.astype(np.float32),
        quality=quality,
        moment=raw[at + _VECTOR_BYTES :],
        tables=b"" if tables == _NO_TABLES else tables,
        n_metadata=n_metadata,
        width=width,
        height=height,
        n_bytes=n_bytes,
    )
