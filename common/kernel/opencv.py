"""The tables of OpenCV's `resize` at places told in single precision: as many taps at any scale, edges repeated.

Source: OpenCV, resize.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.kernel.curves import BITS, KERNELS, Fixed
from common.kernel.masks import repeating_edges
from common.kernel.taps import FINE_BITS, Taps, rounded, wholes

WEIGHT_BITS = 11
_SINGLE_BITS = 24

N_TAPS: Mapping[str, int] = MappingProxyType({"bilinear": 2, "sharp_bicubic": 4, "lanczos4": 8})
"""INTER_LINEAR, INTER_CUBIC, INTER_LANCZOS4."""


def pairs(inputs: int, outputs: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The upper of two rows, int32 (n,), which may lie outside, and the weights of both, int32 (n, 2) in 1/2**11."""
    places = _places(inputs, outputs)
    weights = [(round((1 - rest) * (1 << WEIGHT_BITS)), round(rest * (1 << WEIGHT_BITS))) for _, rest in places]
    return np.array([place for place, _ in places], np.int32), np.array(weights, np.int32)


def pairs_across(inputs: int, outputs: int) -> Taps:
    """The table of `pairs` for columns, of which those past an edge are that at the edge; weights in 1/2**30."""
    first, weights = pairs(inputs, outputs)
    weights[(first < 0) | (first >= inputs - 1)] = 1 << WEIGHT_BITS, 0
    return repeating_edges(first.astype(np.int64), weights.astype(np.int64) << (FINE_BITS - WEIGHT_BITS), inputs)


def tapped(inputs: int, outputs: int, kernel: str) -> Taps:
    """The table of a kernel of N_TAPS, in 1/2**30: lanczos4 rounded to 1/2**11, bicubic as fine as floats."""
    n, places = N_TAPS[kernel], _places(inputs, outputs)
    rest = np.array([int(rest * (1 << BITS)) for _, rest in places], np.int64)
    distances = np.abs(rest[:, None] - ((np.arange(n, dtype=np.int64) - n // 2 + 1) << BITS))
    weights = wholes(KERNELS[kernel].curve(distances))
    bits = WEIGHT_BITS if kernel == "lanczos4" else FINE_BITS
    first = np.array([place for place, _ in places], np.int64) - n // 2 + 1
    return repeating_edges(first, _cut(weights, bits) << (FINE_BITS - bits), inputs)


def _cut(weights: Fixed, bits: int) -> Fixed:
    """The nearest numbers of so many bits."""
    return (weights + (1 << (BITS - bits - 1))) >> (BITS - bits)


def _places(inputs: int, outputs: int) -> list[tuple[int, Fraction]]:
    """The input at or before the middle of each output, and how far that is behind it, from places in single precision."""
    places = []
    for k in range(outputs):
        place = rounded(Fraction((2 * k + 1) * inputs - outputs, 2 * outputs), _SINGLE_BITS)
        places.append((place.__floor__(), place - place.__floor__()))
    return places
