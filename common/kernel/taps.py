"""How others weigh the samples that a resized one is made of: tables, and the rules by which means of boxes are rounded.

Integers on both sides: an encoder names a way to resize, and a decoder makes the same tables of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor, gcd, isqrt
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel.curves import BITS, KERNELS, ONE, Fixed, ratios, times
from common.kernel.resample import box_means

Samples = npt.NDArray[np.uint8]

WEIGHT_BITS = 22
FINE_BITS = 30
_MOST_PARTS = 1 << 56


@dataclass(frozen=True, slots=True)
class Taps:
    """One dimension's table: `bounds` int32 (n, 2) of first and count, `weights` int32 (n, most) in 1/2**22, or 2**30."""

    bounds: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]

    def reach(self, first: int, n: int) -> tuple[int, int]:
        """Where the inputs of n outputs start and stop."""
        bounds = self.bounds[first : first + n]
        return int(bounds[:, 0].min()), int(bounds.sum(axis=1).max())

    def cut(self, first: int, n: int, start: int) -> Taps:
        """The table of n outputs, over inputs of which those before `start` are missing."""
        bounds = self.bounds[first : first + n] - np.array([start, 0], np.int32)
        return Taps(np.ascontiguousarray(bounds), np.ascontiguousarray(self.weights[first : first + n]))


def taps(
    inputs: int,
    outputs: int,
    kernel: str,
    *,
    start: Fraction | int = 0,
    stop: Fraction | int | None = None,
    bits: int = WEIGHT_BITS,
) -> Taps:
    """The weights with which `outputs` samples show the inputs from `start` to `stop`; wider where that makes it smaller.

    As Pillow and ImageMagick: what lies outside is left out and the rest made whole. `area` shows what each output covers.
    `bits` are WEIGHT_BITS or FINE_BITS.
    What they show may end less than an output beyond the inputs.
    Errors: ContentError: `damaged` of places outside of that, and of ones told in too small parts.
    """
    bounds, shares = _shares(inputs, outputs, kernel, Fraction(start), Fraction(inputs if stop is None else stop))
    return Taps(bounds, _to_weights(shares, bits))


@lru_cache(maxsize=8)
def _shares(inputs: int, outputs: int, kernel: str, start: Fraction, stop: Fraction) -> tuple[npt.NDArray[np.int32], Fixed]:
    """The bounds of a table, and its weights in fixed point: engines round them to more bits or to fewer."""
    grid = Grid.of(inputs, outputs, start, stop)
    reach = grid.widening // 2 if kernel == "area" else int(KERNELS[kernel].support * grid.widening)
    centre, one = grid.centres(), grid.one
    if kernel == "area":
        first, last = (centre - reach) // one, -(-(centre + reach) // one)
    else:
        first, last = (2 * (centre - reach) + one) // (2 * one), (2 * (centre + reach) + one) // (2 * one)
    if kernel == "box":
        _settle_ties(grid, centre, first, last)
    n = min(grid.period, outputs)  # the others lie to the inputs as one of these does
    place = first[:n, None] + np.arange(int((last - first).max()))
    if kernel == "area":
        covered = np.minimum(centre[:n, None] + reach, (place + 1) * one) - np.maximum(centre[:n, None] - reach, place * one)
        curve = ratios(np.maximum(covered, 0), np.full_like(covered, one))
    else:
        curve = KERNELS[kernel].curve(np.abs(grid.distances(centre[:n], first[:n], place.shape[1])))
    weights = curve[np.arange(outputs) % n]
    begin, end = np.clip(first, 0, inputs - 1), np.clip(last, 1, inputs)
    column = np.arange(weights.shape[1]) + (begin - first)[:, None]
    weights = np.take_along_axis(weights, np.minimum(column, weights.shape[1] - 1), axis=1)
    weights[column >= (end - first)[:, None]] = 0
    return np.stack([begin, end - begin], axis=1).astype(np.int32), wholes(weights)


def picked(inputs: int, outputs: int, place: str, *, bits: int = WEIGHT_BITS) -> Taps:
    """A table that takes one input for each output, at one of PLACES."""
    doubled = 2 * np.arange(outputs, dtype=np.int64) * inputs  # of its start, times 2 * outputs
    first = {"first": doubled, "middle": doubled + inputs - 1, "centre": doubled + inputs}[place] // (2 * outputs)
    return Taps(np.stack([first, np.ones_like(first)], axis=1).astype(np.int32), np.full((outputs, 1), 1 << bits, np.int32))


PLACES = ("first", "middle", "centre")
"""Of what an output covers: GraphicsMagick's `-sample`; of two in the middle the former: ImageMagick's; the latter: Pillow's."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where outputs lie over inputs, in parts of which `one` make an input; after `period` outputs they lie alike again."""

    outputs: int
    one: int
    start: int
    step: int
    period: int

    @classmethod
    def of(cls, inputs: int, outputs: int, start: Fraction, stop: Fraction) -> Self:
        """Outputs that share what lies between start and stop. Errors: ContentError `damaged`."""
        parts = start.denominator * stop.denominator
        span = int((stop - start) * parts)
        if not 0 <= start < stop < inputs + (stop - start) / outputs or inputs * outputs * parts > _MOST_PARTS:
            raise ContentError("damaged", "what is resized lies in the picture, in few enough parts")
        return cls(
            outputs,
            4 * parts * outputs,
            int(start * parts) * 4 * outputs,
            4 * span,
            parts * outputs // gcd(parts * outputs, span),
        )

    @property
    def widening(self) -> int:
        """The distance at which a curve is at 1: an output, or an input where these are further apart."""
        return max(self.step, self.one)

    def centres(self) -> Fixed:
        """The middles of the outputs."""
        return self.start + (2 * np.arange(self.outputs, dtype=np.int64) + 1) * (self.step // 2)

    def distances(self, centre: Fixed, first: Fixed, n: int) -> Fixed:
        """How far n inputs from the first on are from the centre, in fixed point, as curves have it."""
        nearest = ((2 * first + 1) * self.one - 2 * centre).astype(object)
        between = (self.one << BITS) // self.widening
        return ((nearest << BITS) // (2 * self.widening)).astype(np.int64)[:, None] + np.arange(n) * between


def _settle_ties(grid: Grid, centre: Fixed, first: Fixed, last: Fixed) -> None:
    """Where a box ends in the very middle of an input: whether that belongs to it as Pillow's doubles, seldom exact, have it."""
    scale = Fraction(grid.step, grid.one)
    if scale == rounded(scale):
        return
    ends = 2 * centre[:, None] + np.array([-grid.widening, grid.widening]) + grid.one
    for row in np.flatnonzero((ends % (2 * grid.one) == 0).any(axis=1)):
        middle = rounded(Fraction(grid.start, grid.one) + rounded((int(row) + Fraction(1, 2)) * rounded(scale)))
        reach = max(rounded(scale), Fraction(1)) / 2
        ends = [floor(rounded(rounded(middle + side) + Fraction(1, 2))) for side in (-reach, reach)]
        inside = [
            place
            for place in range(*ends)
            if -1 < 2 * rounded(rounded(place - middle + Fraction(1, 2)) * rounded(Fraction(1, 2) / reach)) <= 1
        ]
        first[row], last[row] = inside[0], inside[-1] + 1


def rounded(number: Fraction, bits: int = 53) -> Fraction:
    """The nearest number of so many bits, halves to even: as doubles are, or those of single precision with 24."""
    dividend, divisor = abs(number.numerator), number.denominator
    shift = bits + divisor.bit_length() - dividend.bit_length()
    shift -= (dividend << max(shift, 0)) >= (divisor << (bits + max(-shift, 0)))
    dividend, divisor = dividend << max(shift, 0), divisor << max(-shift, 0)
    whole, rest = divmod(dividend, divisor)
    whole += 2 * rest > divisor or (2 * rest == divisor and whole & 1)
    nearest = Fraction(whole, 1 << shift) if shift >= 0 else Fraction(whole << -shift)
    return nearest if number >= 0 else -nearest


def wholes(weights: Fixed) -> Fixed:
    """Each line divided by its sum. Errors: ContentError: `damaged` of lines that have next to none."""
    weights = weights >> max(weights.shape[1].bit_length() - 4, 0)  # so that sums stay in range
    total = weights.sum(axis=1)
    if total.min() < ONE >> 5:
        raise ContentError("damaged", "a sample that shows nothing")
    return times(weights, ratios(np.full_like(total, ONE), total)[:, None])


def _to_weights(shares: Fixed, bits: int) -> npt.NDArray[np.int32]:
    """Rounded as Pillow does: halves away from zero."""
    cut = BITS - bits
    rounded: npt.NDArray[np.int32] = (np.sign(shares) * ((np.abs(shares) + (1 << (cut - 1))) >> cut)).astype(np.int32)
    return rounded


def _halves_to_even(sums: npt.NDArray[np.int64], area: int) -> npt.NDArray[np.int64]:
    """OpenCV's INTER_AREA: times a reciprocal of 24 bits, rounded to 24 bits, then to a whole number, halves to even both.

    2 x 2 adds a half instead.
    """
    if area == 4:  # noqa: PLR2004 - 2 x 2
        return (sums + 2) >> 2
    bits = 23 + (area - 1).bit_length()
    product = sums * ((2 * (1 << bits) + area) // (2 * area))  # an odd area never halves; a power of two divides
    length = sum((product >= 1 << k).astype(np.int64) for k in range(49))
    cut = np.maximum(length - 24, 0)
    return to_even(to_even(product, cut) << cut, np.full_like(product, bits))


def to_even(values: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Values / 2**bits to whole numbers, halves to even."""
    whole = values >> bits
    rest = 2 * (values - (whole << bits)) - (np.int64(1) << bits)
    is_up = (bits > 0) & ((rest > 0) | ((rest == 0) & (whole & 1 == 1)))
    return np.where(is_up, whole + 1, whole)


MEANS: Mapping[str, Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.int64]]] = MappingProxyType(
    {
        "half_up": lambda sums, area: (sums + area // 2) // area,
        "opencv": _halves_to_even,
        "pillow": lambda sums, area: ((sums + area // 2) * ((1 << 32) // (256 * area))) >> 24,
    }
)
"""How a sum of `area` samples becomes a level: plainly; OpenCV's INTER_AREA; Pillow's `Image.reduce`."""


def reduce_boxes(picture: Samples, wide: int, tall: int, rule: str) -> Samples:
    """The means of whole boxes of `wide` x `tall` samples by a rule of MEANS; what is over at the far edges is left out."""
    area = wide * tall
    sums = np.arange(255 * area + 1, dtype=np.int64)
    return box_means(picture, wide, tall, np.minimum(MEANS[rule](sums, area), 255).astype(np.uint8))


def between(quarters: int | None) -> npt.NDArray[np.int32]:
    """The curve of a `warp`, int32 (256, 2 or 4) in 1/2**14: bilinear, or bicubic with a = -quarters / 4.

    2 is Catmull and Rom's, 3 OpenCV's, 4 Pillow's. Integers, so that it need not travel. Each line sums to one.
    """
    t = np.arange(256, dtype=np.int64)
    if quarters is None:
        return np.stack([(256 - t) << 6, t << 6], axis=1).astype(np.int32)
    a, one = -quarters, 256
    exact = np.stack(  # times 4 * 256**3
        [
            a * (t**3 - 2 * one * t**2 + one**2 * t),
            (a + 8) * t**3 - (a + 12) * one * t**2 + 4 * one**3,
            -(a + 8) * t**3 + (2 * a + 12) * one * t**2 - a * one**2 * t,
            a * (one * t**2 - t**3),
        ],
        axis=1,
    )
    rounded = (exact + (1 << 11)) >> 12
    rounded[t, np.where(t < one // 2, 1, 2)] += (1 << 14) - rounded.sum(axis=1)
    return rounded.astype(np.int32)


def rings() -> npt.NDArray[np.int32]:
    """The weights of an `ewa`, int32 (1024,) in 1/2**22: Robidoux's cubic, ImageMagick's choice."""
    roots = np.array([isqrt(square << (2 * BITS)) for square in range(1024)], np.int64) // 16
    return ((KERNELS["robidoux"].curve(roots) + (1 << (BITS - WEIGHT_BITS - 1))) >> (BITS - WEIGHT_BITS)).astype(np.int32)
