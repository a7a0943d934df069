"""Discrete cosine transforms of small pictures, and the eight ways to turn and mirror a picture without computing anew.

A form is a number 0..7 of three bits: 4 transposed first (rows become columns), then 2 turned upside down, then 1 mirrored
left to right. So 0 is the picture itself, 1 its mirror image, 3 half a turn, 5 a quarter clockwise, 6 a quarter the other way.
A flip negates the coefficients of odd frequency along its axis; a transposition transposes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_FORMS = 8

Floats = NDArray[np.float32]


def cosines(n_points: int, frequencies: range) -> Floats:
    """The orthonormal DCT-II of `n_points` samples, only the rows named.

    Shapes:  (len(frequencies), n_points) float32.
    """
    row = np.array(frequencies, np.float64)[:, None]
    column = np.arange(n_points, dtype=np.float64)[None]
    scale = np.where(row == 0, np.sqrt(1 / n_points), np.sqrt(2 / n_points))
    return np.asarray(scale * np.cos(np.pi * (2 * column + 1) * row / (2 * n_points)), np.float32)


def forms_of(coefficients: Floats, *, first: int) -> Floats:
    """The coefficients of the eight forms of a picture from those of the picture.

    Shapes:  coefficients (..., n, n), row the vertical frequency, of which the lowest is `first`; result (..., 8, n, n).
    """
    n = coefficients.shape[-1]
    sign = np.where((np.arange(n) + first) % 2 == 0, 1, -1).astype(np.float32)
    forms = []
    for transposed in (coefficients, np.swapaxes(coefficients, -1, -2)):
        for down in (transposed, transposed * sign[:, None]):
            forms += [down, down * sign[None, :]]
    return np.stack(forms, axis=-3)


def turned(picture: NDArray[np.uint8], form: int) -> NDArray[np.uint8]:
    """A form of a picture itself.

    Shapes:  (h, w) or (h, w, 3) uint8; the result is contiguous, (w, h, ...) where the form transposes.
    """
    if form & 4:
        picture = np.swapaxes(picture, 0, 1)
    if form & 2:
        picture = picture[::-1]
    if form & 1:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
