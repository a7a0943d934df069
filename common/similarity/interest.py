"""Interest points: where a picture has something to recognise (difference of Gaussians), and what it looks like there.

1. Points are found at the extrema of the differences of Gaussians of a scale space [S §III-C2, Lowe 2004].
2. The strongest are taken, but not more from one part of the picture than its share, so that a crop keeps some. They are in
   such an order that this holds for the first n, whatever n.
3. Each is described by the gradients around it, in a frame turned and scaled with the point: SIFT's histograms, or the
   39x39 gradient patch of PCA-SIFT [Ke 2004].

The mirror image of a picture has the mirrored points, and its descriptions are these in another order, so none is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

N_POINTS = 400
"""Points kept of one picture: with half as many, half as many crops to a twentieth of the picture are recognised."""
HISTOGRAM = 128
PATCH_SIDE = 39
PATCH = 2 * PATCH_SIDE**2

_CONTRAST = 0.01
"""A fourth of SIFT's own: a weak point of a soft picture is still found in its sharp copy."""
_FAINT_CONTRAST = 0.003
_FEW = 120
"""A picture with fewer points, a night sky or fog, is looked at again for faint ones."""
_EDGE = 12
_N_FOUND = 700
_CELLS = 8
_CELL_SHARE = 1.6
"""How much more than its even share of the points a cell of the 8x8 grid may have."""
_MIN_SIDE = 16
_PATCH_RADII = 6.0
"""Diameters of the point that its patch is wide, as wide as the histograms' window."""
_MIN_LEVEL_SIDE = 24


@dataclass(frozen=True, slots=True, eq=False)
class Interest:
    """Points of a picture, the best first."""

    points: Floats
    """(n, 4): x, y in pixels, 0, 0 the centre of the first; diameter in pixels; angle in degrees clockwise, [0, 360)."""
    histograms: Bytes
    """(n, 128) uint8: SIFT's 4x4 cells of 8 orientations."""


def find(grey: Bytes, *, n_points: int = N_POINTS) -> Interest:
    """The points of a picture, at most `n_points`; none in a picture without texture or less than 16 pixels high or wide.

    Shapes:  grey (h, w) uint8.
    Paper:   [S §III-C2]; departs: spread over a grid, and a low contrast threshold.
    """
    if min(grey.shape) < _MIN_SIDE:
        return _NONE
    found, histograms = _sift(grey, contrast=_CONTRAST)
    if len(found) < _FEW:
        found, histograms = _sift(grey, contrast=_FAINT_CONTRAST)
    if not found:
        return _NONE
    table = np.array([(*point.pt, point.size, point.angle, point.response) for point in found], np.float32)
    # Ties are broken by place: which of two equal points the library names first must not matter.
    order = np.lexsort((table[:, 3], table[:, 0], table[:, 1], -table[:, 4]))
    chosen = order[_spread(table[order, :2], grey.shape, n_points=n_points)]
    return Interest(table[chosen, :4], np.asarray(histograms)[chosen].astype(np.uint8))


def patches(grey: Bytes, points: Floats) -> Floats:
    """The gradients of the patch around each point, turned and scaled with it, of unit length.

    Shapes:  grey (h, w) uint8; points (n, 4); result (n, 3042) float32: 39x39 horizontal, then as many vertical differences.
    Paper:   PCA-SIFT [Ke 2004], which [S §III-C2] uses.
    """
    levels = [grey.astype(np.float32)]
    while min(levels[-1].shape) > _MIN_LEVEL_SIDE:
        levels.append(cv2.pyrDown(levels[-1]).astype(np.float32))
    side = PATCH_SIDE + 2
    gradients = np.zeros((len(points), PATCH), np.float32)
    for row, (x, y, diameter, angle) in zip(gradients, points.astype(np.float64), strict=True):
        step = _PATCH_RADII * diameter / (side - 1)
        level = int(np.clip(np.floor(np.log2(max(step, 1.0))), 0, len(levels) - 1))
        scale = step / 2**level
        c, s, middle = np.cos(np.radians(angle)) * scale, np.sin(np.radians(angle)) * scale, (side - 1) / 2
        at_x, at_y = (x + 0.5) / 2**level - 0.5, (y + 0.5) / 2**level - 0.5
        frame = np.array([[c, -s, at_x - middle * (c - s)], [s, c, at_y - middle * (s + c)]])
        patch = cv2.warpAffine(
            levels[level], frame, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        across, down = patch[1:-1, 2:] - patch[1:-1, :-2], patch[2:, 1:-1] - patch[:-2, 1:-1]
        row[:] = np.concatenate([across.ravel(), down.ravel()])
    return np.asarray(gradients / np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1e-6), np.float32)


def mirrored_points(points: Floats, width: int) -> Floats:
    """The points of the picture's mirror image, left for right. Shapes: (n, 4) -> (n, 4); `width` in pixels."""
    x, y, diameter, angle = points.T
    return np.stack([width - 1 - x, y, diameter, (180 - angle) % 360], axis=1).astype(np.float32)


def mirrored_histograms(histograms: Floats) -> Floats:
    """What SIFT's histograms would be in the mirror image. Shapes: (..., 128) -> (..., 128)."""
    cells = histograms.reshape(*histograms.shape[:-1], 4, 4, 8)
    # The frame turns with the point, so its mirror image is its reflection across the point's own direction.
    return cells[..., ::-1, :, -np.arange(8) % 8].reshape(histograms.shape)


def mirrored_patches(gradients: Floats) -> Floats:
    """What the patches would be in the mirror image. Shapes: (..., 3042) -> (..., 3042)."""
    flipped = gradients.reshape(*gradients.shape[:-1], 2, PATCH_SIDE, PATCH_SIDE)[..., ::-1, :]
    return (flipped * np.array([1, -1], np.float32)[:, None, None]).reshape(gradients.shape)


def _sift(grey: Bytes, *, contrast: float) -> tuple[Sequence[cv2.KeyPoint], npt.NDArray[np.generic]]:
    sift = cv2.SIFT.create(nfeatures=_N_FOUND, contrastThreshold=contrast, edgeThreshold=_EDGE, enable_precise_upscale=True)
    return sift.detectAndCompute(grey, None)


def _spread(places: Floats, shape: tuple[int, ...], *, n_points: int) -> npt.NDArray[np.intp]:
    """Which of the places, the best first, to take, and in which order: (m, 2) x, y -> at most `n_points` indices."""
    height, width = shape[:2]
    cell = np.minimum(places[:, 1] * _CELLS // height, _CELLS - 1) * _CELLS + np.minimum(
        places[:, 0] * _CELLS // width, _CELLS - 1
    )
    by_cell = np.argsort(cell, kind="stable")
    is_first = np.diff(cell[by_cell], prepend=-1) != 0
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(cell)), 0))
    rank = np.empty(len(cell), np.intp)
    rank[by_cell] = np.arange(len(cell)) - starts
    # The r-th point of a cell waits until its cell's share of all that went before is r, so every beginning is spread.
    turn = np.maximum(np.arange(len(cell)), rank * (_CELLS**2 / _CELL_SHARE))
    return np.argsort(turn, kind="stable")[:n_points]


_NONE = Interest(np.zeros((0, 4), np.float32), np.zeros((0, HISTOGRAM), np.uint8))
