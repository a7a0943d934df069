"""How ffmpeg's libswscale (5.1, on x86-64) makes a plane of samples larger or smaller, bit for bit.

Across with weights in 1/2**14 to levels of 15 bits; then down with weights in 1/2**12, of which vector code adds up the upper
halves of the products, but for the last two rows, which are left to the plain code.
Source: libswscale, utils.c (initFilter), x86/yuv2yuvX.asm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel import curves
from common.kernel.ffmpeg import scale_across, scale_down

Samples = npt.NDArray[np.uint8]
Window = tuple[int, int, int, int]
Coefficients = npt.NDArray[np.int64]

_ACROSS_BITS = 14
_DOWN_BITS = 12
_CURVE_BITS = 30
"""Of distances."""
_ONE_BITS = 54
"""Of the curve at 0, fewer where the picture becomes much smaller."""
_REDUCED = 500
"""What weighs less than this part of one at the ends of a table is left out."""
_ALIGNED = 4
"""Taps across come in fours."""
_PLAIN_ROWS = 2
"""Of the picture, at its end."""
_MOST_SIDE = 65535
_MOST_WEIGHT = 1 << 15
"""Of an output's taps together: sums stay in 31 bits."""


@dataclass(frozen=True, slots=True)
class Table:
    """Of one dimension: the first input of each output, int32 (n,), and as many weights for each, int32 (n, taps)."""

    first: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]

    def reach(self, first: int, n: int) -> tuple[int, int]:
        """Where the inputs of n outputs start and stop."""
        places = self.first[first : first + n]
        return int(places.min()), int(places.max()) + self.weights.shape[1]

    def cut(self, first: int, n: int) -> Table:
        """The table of n outputs, over what they reach."""
        return Table(self.first[first : first + n] - self.reach(first, n)[0], self.weights[first : first + n])


def _bicubic(d: Coefficients) -> Coefficients:
    """With B = 0 and C = 0.6, in 1/2**54."""
    one = 1 << 24
    c = 3 * one // 5
    inside = np.minimum(d, 2 << _CURVE_BITS)
    squared = inside * inside >> _CURVE_BITS
    cubed = squared * inside >> _CURVE_BITS
    near = (12 * one - 6 * c) * cubed + (-18 * one + 6 * c) * squared + (6 * one << _CURVE_BITS)
    far = -6 * c * cubed + 30 * c * squared - 48 * c * inside + (24 * c << _CURVE_BITS)
    curve: Coefficients = np.where(d < 1 << _CURVE_BITS, near, np.where(d < 2 << _CURVE_BITS, far, 0))
    return curve


def _bilinear(d: Coefficients) -> Coefficients:
    curve: Coefficients = np.maximum((1 << _CURVE_BITS) - d, 0) << (_ONE_BITS - _CURVE_BITS)
    return curve


def _lanczos(d: Coefficients) -> Coefficients:
    curve = curves.KERNELS["lanczos"].curve(np.minimum(d, 4 << _CURVE_BITS) << (curves.BITS - _CURVE_BITS))
    return _towards_zero(curve, 1 << (curves.BITS - _ONE_BITS))


SCALERS: Mapping[str, tuple[Callable[[Coefficients], Coefficients], int]] = MappingProxyType(
    {"bicubic": (_bicubic, 4), "lanczos": (_lanczos, 6), "bilinear": (_bilinear, 2)}
)
"""By ffmpeg's flag: the curve over distances in 1/2**30, and how many inputs it reaches."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A plane's way to another size. `n_plain` of its last rows belong to the last two of the picture."""

    down: Table
    across: Table
    n_plain: int

    def needs(self, window: Window) -> Window:
        """The part of the input that a window of the outcome is made of."""
        top, left, rows, cols = window
        start, stop = self.down.reach(top, rows)
        begin, end = self.across.reach(left, cols)
        return start, begin, stop - start, end - begin

    def apply(self, part: Samples, window: Window) -> Samples:
        """A window of the outcome from what it needs."""
        top, left, rows, cols = window
        n_plain = max(0, top + rows - len(self.down.first) + self.n_plain)
        across, down = self.across.cut(left, cols), self.down.cut(top, rows)
        wide = scale_across(np.ascontiguousarray(part), across.first, across.weights)
        return scale_down(wide, down.first, down.weights, n_plain)


@lru_cache(maxsize=8)
def scaling(inputs: tuple[int, int], outputs: tuple[int, int], scaler: str, subsampling: int = 1) -> Scaling:
    """From (rows, cols) to others; the picture has `subsampling` times the plane's rows.

    Errors: ContentError `damaged` of sizes that ffmpeg would not make.
    """
    down = _table(inputs[0], outputs[0], scaler, _DOWN_BITS, 1)
    return Scaling(down, _table(inputs[1], outputs[1], scaler, _ACROSS_BITS, _ALIGNED), _PLAIN_ROWS // subsampling)


@lru_cache(maxsize=16)
def _table(inputs: int, outputs: int, scaler: str, bits: int, aligned: int) -> Table:
    """As initFilter. Errors: ContentError `damaged`."""
    if not (0 < outputs <= _MOST_SIDE and 0 < inputs <= _MOST_SIDE) or inputs > 64 * outputs:
        raise ContentError("damaged", "a side that is not scaled")
    step = ((inputs << 16) + (outputs >> 1)) // outputs
    if abs(step - (1 << 16)) < 10:  # noqa: PLR2004 - taken for no change
        return _checked(np.arange(outputs, dtype=np.int64), np.full((outputs, 1), 1 << bits, np.int64), inputs)
    curve, reach = SCALERS[scaler]
    n = 1 + reach if step <= 1 << 16 else 1 + (reach * inputs + outputs - 1) // outputs
    n = max(min(n, inputs - 2), 1)
    centre = step - (1 << 16) + 2 * step * np.arange(outputs, dtype=np.int64)
    first = _towards_zero(centre - ((n - 2) << 16), 1 << 17)
    distance = np.abs(((first[:, None] + np.arange(n)) << 17) - centre[:, None]) << 13
    if step > 1 << 16:
        distance = distance * outputs // inputs
    coarser = min((inputs // outputs or 1).bit_length() - 1, 8)
    one = 1 << (_ONE_BITS - coarser)
    coefficients = _towards_zero(curve(distance), 1 << coarser)
    first, coefficients = _reduced(first, coefficients, one // _REDUCED, aligned)
    first, coefficients = _within(first, coefficients, inputs)
    return _checked(first, _normalised(coefficients, 1 << bits), inputs)


def _towards_zero(a: Coefficients, b: Coefficients | int) -> Coefficients:
    """Quotients as in C."""
    return np.where(a >= 0, np.abs(a) // b, -(np.abs(a) // b))


def _reduced(first: Coefficients, weights: Coefficients, most: int, aligned: int) -> tuple[Coefficients, Coefficients]:
    """The table without what weighs next to nothing on its left, as far as outputs stay in order, and on its right."""
    n = weights.shape[1]
    small = (np.cumsum(np.abs(weights), axis=1) <= most).sum(axis=1)
    moved = first + small
    for k in range(len(first) - 2, -1, -1):
        moved[k] = min(moved[k], max(first[k], moved[k + 1]))
    place = np.arange(n) + (moved - first)[:, None]
    shifted = np.where(place < n, np.take_along_axis(weights, np.minimum(place, n - 1), axis=1), 0)
    small = (np.cumsum(np.abs(shifted[:, :0:-1]), axis=1) <= most).sum(axis=1)
    kept = -(-int((n - small).max()) // aligned) * aligned
    return moved, np.pad(shifted, ((0, 0), (0, max(kept - n, 0))))[:, :kept]


def _within(first: Coefficients, weights: Coefficients, inputs: int) -> tuple[Coefficients, Coefficients]:
    """The table with what lies outside added to the input at the edge."""
    n = weights.shape[1]
    if n > inputs:
        raise ContentError("damaged", "a side too small to be scaled")
    start = np.clip(first, 0, inputs - n)
    column = np.clip(first[:, None] + np.arange(n) - start[:, None], 0, n - 1)
    folded = np.zeros_like(weights)
    np.add.at(folded, (np.arange(len(first))[:, None], column), weights)
    return start, folded


def _normalised(weights: Coefficients, one: int) -> Coefficients:
    """Lines that add up to one; what is rounded away is handed on to the next."""
    total = (weights.sum(axis=1) + one // 2) // one
    if total.min() < 1:
        raise ContentError("damaged", "a sample that shows nothing")
    rounded, over = np.empty_like(weights), np.zeros(len(weights), np.int64)
    for k in range(weights.shape[1]):
        value = weights[:, k] + over
        rounded[:, k] = _towards_zero(value + np.where(value >= 0, 1, -1) * (total >> 1), total)
        over = value - rounded[:, k] * total
    return rounded


def _checked(first: Coefficients, weights: Coefficients, inputs: int) -> Table:
    """The table, whose taps lie in the input."""
    if first.min() < 0 or first.max() + weights.shape[1] > inputs or np.abs(weights).sum(axis=1).max() > _MOST_WEIGHT:
        raise ContentError("damaged", "a table that makes no sense")
    return Table(np.ascontiguousarray(first, np.int32), np.ascontiguousarray(weights, np.int32))
