"""A closer look at two pictures that their features could not relate: a small crop, say, of a large original.

1. A piece cut out without loss is found by its very pixels (`cutting`). Where they say too little, as of plain sky, the
   preview speaks that a camera wrote beside them: who cuts and keeps it has cut that picture.
2. Else features are looked for again, in more pixels at each turn: those that a picture is known by see 512 of its longer
   side, here up to 2,048 are looked at, tile by tile so that memory stays small. What the two share is laid over each other
   at the size that the judgement of `registration` was made for.

A hundred times the price of a comparison, for pairs that something else speaks for: one camera, one moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from common.images.decode import LONG_SIDE, MAX_ENLARGEMENT, luma
from common.images.metadata import metadata
from common.similarity import alignment, cutting
from common.similarity.features import Features, extract
from common.similarity.interest import Bytes
from common.similarity.registration import NEAR_CORRELATION, Kind, Relation, relate
from common.similarity.sight import Sight

SIDES = (1024, 2048)
"""Pixels of the longer side: a crop that was made smaller is found at the size that it has itself in the whole."""

_TILE = 512
_POINTS_PER_TILE = 500
_MAX_INLIERS = 0xFFFF


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A picture as it is compared."""

    grey: Bytes
    """(h, w) uint8, as large as it is."""
    preview: bytes = b""
    """What the camera wrote beside it, empty where it wrote none."""


def look(content: bytes) -> Look:
    """Looks closely at a picture.

    Errors: ContentError as `common.images.decode.decode`; MemoryError.
    """
    return Look(luma(content), metadata(content).thumbnail)


def compare(a: Look, b: Look) -> Relation:
    """How one picture relates to another.

    Cost:    some tenths of a second for a piece cut out, some seconds for two large pictures.
    """
    return _cut(a, b) or _recognised(a.grey, b.grey)


def _cut(a: Look, b: Look) -> Relation | None:
    """The relation of a piece and the whole it was cut out of, whichever is which."""
    sign, piece, whole = (1, a, b) if a.grey.size < b.grey.size else (-1, b, a)
    is_one_shot = bool(a.preview) and a.preview == b.preview
    if not is_one_shot and cutting.detail(piece.grey) < cutting.MIN_DETAIL:
        return None
    place = cutting.find(piece.grey, whole.grey)
    if place is None:
        return None
    shift = np.array([[1.0, 0.0, sign * place[0]], [0.0, 1.0, sign * place[1]]])
    transform = alignment.normalised(shift, _shape(a.grey), _shape(b.grey))
    # Every block agrees, so it outweighs what a piece of plain sky has in common with other skies.
    return Relation(Kind.NEAR, inliers=min(piece.grey.size // cutting.BLOCK**2, _MAX_INLIERS), ncc=1.0, transform=transform)


def _recognised(a: Bytes, b: Bytes) -> Relation:
    """The first near relation that more pixels reveal, else that of most inliers."""
    found = []
    for side in SIDES:
        found.append(_relation(_fitted(a, side=side), _fitted(b, side=side)))
        if found[-1].kind is Kind.NEAR or side >= max(*a.shape, *b.shape):
            break
    return max(found, key=lambda one: (one.kind is Kind.NEAR, one.inliers))


def _relation(a: Bytes, b: Bytes) -> Relation:
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
    return Features(points, vectors, _shape(grey), tiles[0][2].description)


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
    return _scaled(a, scale_a), _scaled(b, scale_b)


def _fitted(grey: Bytes, *, side: int) -> Bytes:
    """The picture with no longer side than `side`, and no shorter than features expect, as far as enlarging helps."""
    longer = max(grey.shape)
    return _scaled(grey, min(max(LONG_SIDE / longer, min(side / longer, 1.0)), MAX_ENLARGEMENT))


def _scaled(grey: Bytes, scale: float) -> Bytes:
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return grey if size == grey.shape[::-1] else np.asarray(cv2.resize(grey, size, interpolation=how), np.uint8)


def _shape(grey: Bytes) -> tuple[int, int]:
    return grey.shape[0], grey.shape[1]
