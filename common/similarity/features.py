"""What a picture is recognised by: its interest points, each described by 36 small numbers [S §III-C2].

Features are made once per content, kept, sent and compared; everything in them is rounded as it is stored, so what a peer
sends equals what it has. Points stand in the order of their worth: the first n are the best n (`strongest`).

    header   "SF", format 1, description code, n points u16, height u16, width u16; little endian
    points   x u16[n], y u16[n] in 1/64 pixel; diameter u8[n] in sixteenths of an octave; angle u8[n] in 256ths of a turn
    vectors  i8[n][36]

16.8 kB for 400 points.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from common.errors import ContentError
from common.similarity import interest
from common.similarity.interest import Bytes, Floats
from common.similarity.projection import DESCRIPTIONS, DIMENSIONS, Vectors, projection

DESCRIPTION = "rootsift36-1"
"""The description that is shipped: it finds more than PCA-SIFT at equal size."""
N_POINTS = interest.N_POINTS
N_INDEXED = 200
"""The best points, which are enough to find candidates by: `strongest(features, N_INDEXED)`."""
MAX_POINTS = 1000
"""Bytes that claim more are not read."""
MAX_SIDE = 1024

_MAGIC = b"SF\x01"
_HEAD = struct.Struct("<3sBHHH")
_PER_PIXEL = 64
_PER_OCTAVE = 16
_TURN = 256
_POINT_BYTES = 2 + 2 + 1 + 1 + DIMENSIONS
_NAMES = {description.code: name for name, description in DESCRIPTIONS.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The points of one picture, the best first; not to be written to."""

    points: Floats
    """(n, 4): x, y in pixels of the small picture, diameter in pixels, angle in degrees clockwise, [0, 360)."""
    vectors: Vectors
    """(n, 36)."""
    shape: tuple[int, int]
    """Height and width of the small picture in pixels."""
    description: str = DESCRIPTION
    """How the vectors were made: only equal ones compare."""

    def __len__(self) -> int:
        return len(self.points)


def extract(grey: Bytes, *, description: str = DESCRIPTION, n_points: int = N_POINTS) -> Features:
    """The features of a picture; none where nothing in it can be recognised. Deterministic.

    Shapes:  grey (h, w) uint8, the longer side 512 for pictures that are to be compared.
    Paper:   [S §III-C2], DoG and PCA-SIFT; departs: RootSIFT histograms before the analysis unless `description` says else.
    Errors:  KeyError for an unknown description.
    """
    found = interest.find(grey, n_points=n_points)
    vectors = projection(description).project(DESCRIPTIONS[description].describe(grey, found))
    return Features(_points(*_codes(found.points)), vectors, (grey.shape[0], grey.shape[1]), description)


def mirrored(features: Features) -> Features:
    """The features of the picture's mirror image, left for right, without looking at it."""
    vectors = projection(features.description).mirrored(features.vectors)
    points = interest.mirrored_points(features.points, features.shape[1])
    return Features(points, vectors, features.shape, features.description)


def strongest(features: Features, n: int) -> Features:
    """The best `n` points: a coarser description that travels first."""
    return Features(features.points[:n], features.vectors[:n], features.shape, features.description)


def to_bytes(features: Features) -> bytes:
    """Features for a disk or the wire: 10 bytes and 42 for each point."""
    height, width = features.shape
    head = _HEAD.pack(_MAGIC, DESCRIPTIONS[features.description].code, len(features), height, width)
    return head + b"".join(column.tobytes() for column in _codes(features.points)) + features.vectors.tobytes()


def from_bytes(raw: bytes) -> Features:
    """What `to_bytes` wrote. Errors: ContentError `damaged` for anything else, found out before memory is spent."""
    if len(raw) < _HEAD.size:
        raise ContentError("damaged", "features that end early")
    magic, code, n, height, width = _HEAD.unpack_from(raw)
    if magic != _MAGIC or code not in _NAMES or n > MAX_POINTS or len(raw) != _HEAD.size + n * _POINT_BYTES:
        raise ContentError("damaged", "bytes that are no features of this version")
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ContentError("damaged", f"features of a picture of {width}x{height}")
    at = _HEAD.size
    x, y = np.frombuffer(raw, "<u2", 2 * n, at).reshape(2, n)
    diameter, angle = np.frombuffer(raw, np.uint8, 2 * n, at + 4 * n).reshape(2, n)
    if n and (x.max() >= width * _PER_PIXEL or y.max() >= height * _PER_PIXEL):
        raise ContentError("damaged", "features outside of their picture")
    vectors = np.frombuffer(raw, np.int8, n * DIMENSIONS, at + 6 * n).reshape(n, DIMENSIONS)
    return Features(_points(x, y, diameter, angle), vectors, (height, width), _NAMES[code])


Codes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _codes(points: Floats) -> Codes:
    x, y, diameter, angle = points.astype(np.float64).T
    return (
        np.clip(np.rint(x * _PER_PIXEL), 0, 0xFFFF).astype("<u2"),
        np.clip(np.rint(y * _PER_PIXEL), 0, 0xFFFF).astype("<u2"),
        np.clip(np.rint(np.log2(np.maximum(diameter, 1)) * _PER_OCTAVE), 0, 0xFF).astype(np.uint8),
        (np.rint(angle * _TURN / 360).astype(np.int64) % _TURN).astype(np.uint8),
    )


def _points(x: np.ndarray, y: np.ndarray, diameter: np.ndarray, angle: np.ndarray) -> Floats:
    return np.stack(
        [x / _PER_PIXEL, y / _PER_PIXEL, 2.0 ** (diameter / _PER_OCTAVE), angle * (360 / _TURN)],
        axis=1,
    ).astype(np.float32)
