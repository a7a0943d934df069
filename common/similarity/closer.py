"""A closer look at two pictures that their features could not relate: a small crop, say, of a large original.

Features see 512 pixels of a picture. Here up to 2,048 are looked at, tile by tile so that memory stays small, and what the two
share is laid over each other at the size that the judgement of `registration` was made for. A hundred times the price of a
comparison, for pairs that something else speaks for: one camera, one moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from common.images.decode import LONG_SIDE, decode
from common.similarity import alignment
from common.similarity.features import Features, extract
from common.similarity.interest import Bytes
from common.similarity.registration import NEAR_CORRELATION, Kind, Relation, relate
from common.similarity.sight import Sight

CLOSE_SIDE = 2048
"""Pixels of the longer side."""

_TILE = 768
_POINTS_PER_TILE = 500


def look(content: bytes) -> Bytes:
    """The picture as it is compared: (h, w) uint8, as large as it is, but no larger than 2,048 and no smaller than 512 a side.

    Errors: ContentError as `common.images.decode.decode`; MemoryError.
    """
    picture = decode(content, long_side=CLOSE_SIDE)
    have, wanted = max(picture.grey.shape), max(picture.width, picture.height, LONG_SIDE)
    return picture.grey if wanted >= have else _reduced(picture.grey, wanted / have)


def compare(a: Bytes, b: Bytes) -> Relation:
    """How one picture that was looked at relates to another.

    Shapes:  (h, w) uint8 each, as `look` gives them.
    Cost:    about a second for two large pictures.
    """
    found = relate(_sight(a), _sight(b))
    if found.kind is Kind.NONE:
        return found
    ncc = alignment.correlation(*_to_common_size(a, b, found), found.transform)
    return replace(found, kind=Kind.NEAR if ncc >= NEAR_CORRELATION else Kind.SCENE, ncc=ncc)


def _sight(grey: Bytes) -> Sight:
    return Sight(_dense(grey), alignment.small_grey(grey))


def _dense(grey: Bytes) -> Features:
    """The features of all tiles, in the pixels of the whole."""
    tiles = [(x, y, extract(tile, n_points=_POINTS_PER_TILE)) for x, y, tile in _tiles(grey)]
    points = np.concatenate([tile.points + np.array([x, y, 0, 0], np.float32) for x, y, tile in tiles])
    vectors = np.concatenate([tile.vectors for _, _, tile in tiles])
    return Features(points, vectors, (grey.shape[0], grey.shape[1]), tiles[0][2].description)


def _tiles(grey: Bytes) -> Iterator[tuple[int, int, Bytes]]:
    """Tiles side by side, each with the place of its corner: points that a border cuts off are few."""
    for y in range(0, grey.shape[0], _TILE):
        for x in range(0, grey.shape[1], _TILE):
            yield x, y, np.ascontiguousarray(grey[y : y + _TILE, x : x + _TILE])


def _to_common_size(a: Bytes, b: Bytes, found: Relation) -> tuple[Bytes, Bytes]:
    """Both pictures so reduced that what they share is as long as `alignment` expects whole pictures to be."""
    in_b = alignment.in_pixels(found.transform, _shape(a), _shape(b))
    corners = np.array([[0, 0, 1], [a.shape[1], 0, 1], [0, a.shape[0], 1], [a.shape[1], a.shape[0], 1]], np.float64) @ in_b.T
    shared = np.clip(corners.max(axis=0), 0, b.shape[::-1]) - np.clip(corners.min(axis=0), 0, b.shape[::-1])
    scale_b = min(alignment.LONG_SIDE / max(float(shared.max()), 1.0), 1.0)
    scale_a = min(scale_b * float(np.sqrt(abs(np.linalg.det(in_b[:, :2])))), 1.0)
    return _reduced(a, scale_a), _reduced(b, scale_b)


def _reduced(grey: Bytes, scale: float) -> Bytes:
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shape(grey: Bytes) -> tuple[int, int]:
    return grey.shape[0], grey.shape[1]
