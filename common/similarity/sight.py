"""A picture as it is compared: its features, and itself at 160 pixels to lay over others.

Made once per content, kept and never made again; what only the summary vector and the early word need is `first_look`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from common.errors import ContentError
from common.images.decode import decode
from common.similarity import alignment, features
from common.similarity.features import Features
from common.similarity.interest import Bytes

_MAGIC = b"SS\x01"
_HEAD = struct.Struct("<3sBBI")


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What comparing needs of a picture."""

    features: Features
    grey: Bytes
    """(h, w) uint8, the longer side at most 160."""


def see(content: bytes) -> Sight:
    """Looks at a picture.

    Errors: ContentError as `common.images.decode.decode`; MemoryError.
    """
    grey = decode(content).grey
    return Sight(features.extract(grey), alignment.small_grey(grey))


def to_bytes(sight: Sight) -> bytes:
    """A sight for a cache or a journal: some 20 kB."""
    described = features.to_bytes(sight.features)
    height, width = sight.grey.shape
    # Neighbours differ little, so their differences deflate; modulo 256, so nothing is lost.
    steps = np.diff(sight.grey, axis=1, prepend=np.uint8(0))
    return _HEAD.pack(_MAGIC, height, width, len(described)) + described + zlib.compress(steps.tobytes(), 6)


def from_bytes(raw: bytes) -> Sight:
    """What `to_bytes` wrote. Errors: ContentError `damaged` for anything else, found out before memory is spent."""
    if len(raw) < _HEAD.size:
        raise ContentError("damaged", "a sight that ends early")
    magic, height, width, n_described = _HEAD.unpack_from(raw)
    if magic != _MAGIC or not height or not width or _HEAD.size + n_described > len(raw):
        raise ContentError("damaged", "bytes that are no sight of this version")
    at = _HEAD.size + n_described
    inflating = zlib.decompressobj()
    try:
        steps = inflating.decompress(raw[at:], height * width + 1)
    except zlib.error as error:
        raise ContentError("damaged", f"a sight's small picture: {error}") from error
    if len(steps) != height * width or not inflating.eof or inflating.unused_data:
        raise ContentError("damaged", "a sight's small picture of another size")
    grey = np.frombuffer(steps, np.uint8).reshape(height, width).cumsum(axis=1, dtype=np.uint8)
    return Sight(features.from_bytes(raw[_HEAD.size : at]), grey)
