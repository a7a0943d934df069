"""The layout vector of a picture: where it is light and where dark, in 20 numbers, so scaled that noise is alike in all.

    1. 8x8 means of the luma                      4. divided by the contrast of the picture
    2. their discrete cosine transform            5. whitened by what edits that keep the layout do to it (LDA), so that a
    3. the 20 lowest frequencies, without the        distance of about 4.5 is what such an edit makes and unrelated pictures
       mean: those of u + v from 1 to 5              lie ten times as far apart

It stands where the paper puts file size, time stamps and colour histograms [S §III-C1]: of these only time and camera
survive what people do to pictures, and they are one exact key of their own in `asv`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from common.similarity.dihedral import Floats, cosines, forms_of

DIMENSIONS = 20
WHITENING = "whitening_1.npz"
"""Made by `tools/train_vector.py`; vectors are kept on disks, so other numbers need another name."""

_SIDE = 8
_DCT = cosines(_SIDE, range(_SIDE))
_LEAST_CONTRAST = 8.0
"""Added to the standard deviation of the luma, so that a flat picture's noise is not blown up."""
_HIGHEST = 5
"""The largest u + v; a whole triangle, so that turning a picture only permutes its coefficients."""
_TRIANGLE = sorted((u, v) for u in range(_SIDE) for v in range(_SIDE) if 1 <= u + v <= _HIGHEST)
_ROWS, _COLUMNS = np.array(_TRIANGLE).T


def vector_of(grey: NDArray[np.uint8]) -> Floats:
    """The layout vector of a picture.

    Shapes:  grey (h, w) uint8, best some 100 to 600 pixels a side; result (20,) float32, in units of what edits do.
    """
    return np.asarray(coefficients_of(grey) @ _whitening(), np.float32)


def forms_of_vector(vector: Floats) -> Floats:
    """The vectors of the eight forms of a picture, in the order of `dihedral`, row 0 its own.

    Shapes:  vector (20,); result (8, 20) float32.
    """
    square = np.zeros((_SIDE, _SIDE), np.float32)
    square[_ROWS, _COLUMNS] = vector @ np.linalg.inv(_whitening())
    return np.asarray(forms_of(square, first=0)[:, _ROWS, _COLUMNS] @ _whitening(), np.float32)


def coefficients_of(grey: NDArray[np.uint8]) -> Floats:
    """The contrast-normalised coefficients before whitening. Shapes: (h, w) uint8 -> (20,) float32."""
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    means = small.reshape(_SIDE, 8, _SIDE, 8).mean(axis=(1, 3))
    coefficients = _DCT @ means @ _DCT.T
    return np.asarray(coefficients[_ROWS, _COLUMNS] / (_SIDE * (small.std() + _LEAST_CONTRAST)), np.float32)


@cache
def _whitening() -> NDArray[np.float64]:
    """Shape: (20, 20); vectors are rows, multiplied from the left."""
    with resources.files("common.similarity").joinpath(WHITENING).open("rb") as file, np.load(file) as arrays:
        return np.asarray(arrays["whitening"], np.float64)
