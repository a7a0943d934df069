"""LBPH, the perceptual hash of local binary patterns [L §4.1]: a rival here, kept under a key where a destination may not see.

    1. bilinear to 32x32, Gaussian low pass, grey           3. DCT of the 32x32 patterns
    2. circular local binary patterns, R = 1, P = 8         4. its low 8x8 or 16x16, each a bit: at least their mean or not

Paper: [L §4.1, eq. 2-4]; departs: 256 bits besides 64, which is what its Table 2 must mean (a mean change of 116 bits); and
grey comes first, which for linear filters is the same.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from common.similarity.dihedral import cosines

_SIDE = 32
_N_NEIGHBOURS = 8
_SIGMA = 1.0
_SAME = 1e-4
"""Grey values that differ by less are equal: interpolation may not decide a bit of a flat picture."""
_DCT = cosines(_SIDE, range(_SIDE))


def lbph(grey: NDArray[np.uint8], *, n_bits: int = 64) -> NDArray[np.uint8]:
    """The hash of a picture.

    Shapes:  grey (h, w) uint8; result (n_bits / 8,) uint8, n_bits 64 or 256.
    """
    side = int(n_bits**0.5)
    patterns = patterns_of(cv2.GaussianBlur(cv2.resize(grey, (_SIDE, _SIDE)), (3, 3), _SIGMA))
    low = (_DCT @ patterns.astype(np.float32) @ _DCT.T)[:side, :side]
    return np.packbits(low >= low.mean())


def patterns_of(small: NDArray[np.generic]) -> NDArray[np.uint8]:
    """For each pixel, which of 8 points on the circle around it are not darker, the point to its right in the lowest bit.

    Shapes:  (n, n) -> (n, n) uint8; beyond the border lies the border's pixel.
    """
    n = len(small)
    grey = np.asarray(small, np.float32)
    around = cv2.copyMakeBorder(grey, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    row, column = np.mgrid[1 : n + 1, 1 : n + 1].astype(np.float32)
    patterns = np.zeros((n, n), np.uint8)
    for point in range(_N_NEIGHBOURS):
        angle = 2 * np.pi * point / _N_NEIGHBOURS
        x, y = column + np.float32(np.cos(angle)), row - np.float32(np.sin(angle))
        neighbour = cv2.remap(around, x, y, cv2.INTER_LINEAR)
        patterns |= ((neighbour >= grey - _SAME) << point).astype(np.uint8)
    return patterns
