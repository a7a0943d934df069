"""The tables of OpenCV's `resize` at places told in single precision: as many taps at any scale, edges repeated.

Source: OpenCV, resize.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.kernel.curves import BITS, KERNELS, ONE, Fixed
from common.kernel.masks import repeating_edges
from common.kernel.taps import FINE_BITS, Taps, to_even, wholes

WEIGHT_BITS = 11
_SINGLE_BITS = 24
_MOST_BITS = 36
"""Of sides of 16 bits, multiplied and doubled."""

N_TAPS: Mapping[str, int] = MappingProxyType({"bilinear": 2, "sharp_bicubic": 4, "lanczos4": 8})
"""INTER_LINEAR, INTER_CUBIC, INTER_LANCZOS4."""


def pairs(inputs: int, outputs: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The upper of two rows, int32 (n,), which may lie outside, and the weights of both, int32 (n, 2) in 1/2**11."""
    first, rest = _places(inputs, outputs)
    bits = np.full_like(rest, BITS - WEIGHT_BITS)
    weights = np.stack([to_even(ONE - rest, bits), to_even(rest, bits)], axis=1)
    return first.astype(np.int32), weights.astype(np.int32)


def pairs_across(inputs: int, outputs: int) -> Taps:
    """The table of `pairs` for columns, of which those past an edge are that at the edge; weights in 1/2**30."""
    first, weights = pairs(inputs, outputs)
    weights[(first < 0) | (first >= inputs - 1)] = 1 << WEIGHT_BITS, 0
    return repeating_edges(first.astype(np.int64), weights.astype(np.int64) << (FINE_BITS - WEIGHT_BITS), inputs)


def tapped(inputs: int, outputs: int, kernel: str) -> Taps:
    """The table of a kernel of N_TAPS, in 1/2**30: lanczos4 rounded to 1/2**11, bicubic as fine as floats."""
    n, (place, rest) = N_TAPS[kernel], _places(inputs, outputs)
    distances = np.abs(rest[:, None] - ((np.arange(n, dtype=np.int64) - n // 2 + 1) << BITS))
    weights = wholes(KERNELS[kernel].curve(distances))
    bits = WEIGHT_BITS if kernel == "lanczos4" else FINE_BITS
    return repeating_edges(place - n // 2 + 1, _cut(weights, bits) << (FINE_BITS - bits), inputs)


def _cut(weights: Fixed, bits: int) -> Fixed:
    """The nearest numbers of so many bits."""
    return (weights + (1 << (BITS - bits - 1))) >> (BITS - bits)


def _places(inputs: int, outputs: int) -> tuple[Fixed, Fixed]:
    """The input at or before the middle of each output, and how far that is behind it in 1/2**BITS, both int64 (outputs,).

    From places in single precision: of 24 bits, halves to even.
    """
    dividend = (2 * np.arange(outputs, dtype=np.int64) + 1) * inputs - outputs
    divisor = 2 * outputs
    size = np.abs(dividend)
    length = sum((size >= np.int64(1) << k).astype(np.int64) for k in range(_MOST_BITS))
    shift = _SINGLE_BITS + divisor.bit_length() - length
    shift -= (size << shift) >= divisor << _SINGLE_BITS
    whole, rest = np.divmod(size << shift, divisor)
    whole += (2 * rest > divisor) | ((2 * rest == divisor) & (whole & 1 == 1))
    place = np.sign(dividend) * whole
    before = place >> shift
    return before, (place - (before << shift)) << (BITS - shift)
