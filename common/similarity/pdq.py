"""PDQ: 256 bits of a picture's lowest frequencies, and those of its eight forms.

After Facebook's PDQ (Davis and Rosen, 2019): two passes of a box filter over the luma, 64x64 samples, a DCT of which 16x16
frequencies without the lowest are kept, each a bit: above their median or not. A cheap early word on near-duplicates; never
the only one, since a crop or a frame moves everything.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from common.similarity.dihedral import Floats, cosines, forms_of

HASH_BYTES = 32
EARLY_ACCEPT_BITS = 31
"""Two pictures whose hashes are at most this far apart, in the best form, are near-duplicates: in measurements no others were."""
LEAST_QUALITY = 50
"""Below this a picture is so flat that its bits are noise: its hash says nothing. 0 to 100."""

_SIDE = 64
_DCT = cosines(_SIDE, range(1, 17))

Bytes = NDArray[np.uint8]


def hashes(grey: Bytes) -> Bytes:
    """The hashes of a picture in its eight forms, bits in the order of PDQ's own hexadecimal: the lowest frequency comes last.

    Shapes:  grey (h, w) uint8, any size; result (8, 32) uint8, row 0 the picture as it is.
    Paper:   departs from the reference in reading 8-bit luma where that computes it from colours: 0 to 2 bits differ.
    """
    coefficients = np.asarray(_DCT @ _sampled(grey) @ _DCT.T, np.float32)
    forms = forms_of(coefficients, first=1).reshape(8, 256)
    return np.packbits((forms > np.median(forms, axis=1, keepdims=True))[:, ::-1], axis=1)


def quality(grey: Bytes) -> int:
    """How much there is to hash, 0 (flat) to 100: the sum of the steps between neighbours in the 64x64 samples, as PDQ weighs it.

    Shapes:  grey (h, w) uint8.
    """
    samples = _sampled(grey)
    steps = sum(np.trunc(np.abs(np.diff(samples, axis=axis)) * 100 / 255).sum() for axis in (0, 1))
    return min(100, int(steps / 90))


def distances(forms: Bytes, stored: Bytes) -> NDArray[np.int64]:
    """How many bits each stored hash is away from each form of a picture.

    Shapes:  forms (8, 32) or (m, 32) uint8, stored (n, 32) uint8; result (m, n) in bits, 0..256.
    """
    a = np.ascontiguousarray(forms).view(np.uint64)
    b = np.ascontiguousarray(stored).view(np.uint64)
    return np.asarray(np.bitwise_count(a[:, None] ^ b[None]).sum(axis=2), np.int64)


def closest(forms: Bytes, stored: Bytes) -> tuple[int, int]:
    """The distance in bits to one stored hash in the best form, and that form: turn the picture of `forms` so to get the stored.

    Shapes:  forms (8, 32) uint8, stored (32,) uint8.
    """
    bits = distances(forms, stored[None])[:, 0]
    form = int(bits.argmin())
    return int(bits[form]), form


def _sampled(grey: Bytes) -> Floats:
    """The 64x64 samples that PDQ hashes. Shapes: (h, w) uint8 -> (64, 64) float32."""
    h, w = grey.shape
    (rows, down), (columns, across) = _reach(h), _reach(w)
    smooth = grey.astype(np.float32)
    for _ in range(2):
        size, anchor = (across[2], down[2]), (across[0], down[0])
        sums = cv2.boxFilter(smooth, -1, size, anchor=anchor, normalize=False, borderType=cv2.BORDER_CONSTANT)
        # The reference averages over what of the window lies inside; OpenCV has put zeros outside.
        smooth = np.asarray(sums / (rows[:, None] * columns[None]), np.float32)
    return smooth[np.ix_(_picked(h), _picked(w))]


def _reach(length: int) -> tuple[Floats, tuple[int, int, int]]:
    """How many of `length` pixels the window holds at each, and its pixels before, after, and in all."""
    window = (length + 2 * _SIDE - 1) // (2 * _SIDE)
    after = window // 2
    before = window - 1 - after
    at = np.arange(length)
    inside = np.minimum(at + after, length - 1) - np.maximum(at - before, 0) + 1
    return inside.astype(np.float32), (before, after, window)


def _picked(length: int) -> NDArray[np.intp]:
    """Which of `length` pixels are sampled. Shape: (64,)."""
    return ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.intp)
