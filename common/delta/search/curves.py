"""Curves that programs offer to change levels by: fitted to what is seen of one, set to round numbers, made into tables.

A table that is told to the level is worth ten that are nearly so: quantised pixels tell a mean of each level, and the program's
own arithmetic tells the rest. Levels are shares of the highest here; a table is rounded, or cut as GraphicsMagick and Pillow do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.tone import LEVELS

Floats = NDArray[np.float64]
Table = tuple[int, ...]

_TOP = LEVELS - 1
_DEEP_TOP = 65535
_SHARES = np.arange(LEVELS) / _TOP
_RIM = 3
"""Levels next to the ends, where some were cut off: they tell nothing of a straight line."""
_HAIR = 1e-9
_NUDGE = 1e-4
_MOST_TURNS = 12
_FLAT = 0.02
"""A slope's difference from one, at which where it turns cannot be told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of each level, as far as it is known: the mean as a share, float64 (256,), and how often it was seen."""

    means: Floats
    counts: NDArray[np.int64]

    def misfit(self, curve: Floats) -> float:
        """The mean square of its distance, in levels."""
        return float((self.counts * (_TOP * (curve - self.means)) ** 2).sum() / max(int(self.counts.sum()), 1))


def averages(levels: NDArray[np.uint8], values: NDArray[np.int16]) -> Floats:
    """The mean of the values (n,) that go with each level (n,), (256,); between others of a level that is not there."""
    counts = np.bincount(levels, minlength=LEVELS)
    known = np.flatnonzero(counts)
    return np.interp(np.arange(LEVELS), known, np.bincount(levels, values, LEVELS)[known] / counts[known])


def tables(of: Seen) -> list[Table]:
    """Tables that may have done it, the likeliest first: the fitted ones and, last, the means themselves."""
    raised = Seen(of.means + 0.5 / _TOP, of.counts)  # what is cut is half a level less on average
    rounded = {to_table(curve) for curve in _curves(of)}
    cut = {_cut(curve) for curve in _curves(raised)}
    return [*sorted(rounded | cut, key=lambda table: of.misfit(np.array(table) / _TOP)), to_table(of.means)]


def deep_tables(of: Seen) -> list[Table]:
    """The fitted curves, the likeliest first, as 16 bits have them, not cut off at the ends."""
    curves = {tuple(np.rint(_DEEP_TOP * curve).astype(int).tolist()) for curve in _curves(of)}
    return sorted(curves, key=lambda table: of.misfit(np.clip(np.array(table) / _DEEP_TOP, 0, 1)))


def to_table(curve: Floats) -> Table:
    """A curve's levels, rounded."""
    return tuple(np.clip(np.floor(_TOP * curve + 0.5), 0, _TOP).astype(int).tolist())


def _cut(curve: Floats) -> Table:
    """A curve's levels, cut, where one that is meant to be whole may be a hair less."""
    return tuple(np.clip(np.floor(_TOP * curve + _HAIR), 0, _TOP).astype(int).tolist())


def _curves(of: Seen) -> Iterator[Floats]:
    yield from _lines(of)
    yield from _powers(of)
    yield from _sigmoids(of)


# straight lines


def _lines(of: Seen) -> Iterator[Floats]:
    """Brightness, contrast, black and white points."""
    is_inside = (of.means > _RIM / _TOP) & (of.means < 1 - _RIM / _TOP) & (of.counts > 0)
    if np.count_nonzero(is_inside) < _RIM:
        return
    slope, start = np.polyfit(_SHARES[is_inside], of.means[is_inside], 1, w=np.sqrt(of.counts[is_inside]))
    for a, b in {(slope, start), *_round_lines(float(slope), float(start))}:
        yield a * _SHARES + b


def _round_lines(slope: float, start: float) -> Iterator[tuple[float, float]]:
    """Lines of round numbers near one: each of the ways in which programs ask for them."""
    if slope <= 0:
        yield -1.0, 1.0
        return
    factor = round(slope, 2)
    yield factor, 0.0  # Pillow's Brightness, ImageMagick's -evaluate multiply
    yield 1.0, round(100 * start) / 100
    yield 1.0, round(_TOP * start) / _TOP
    if abs(1 - slope) > _FLAT:  # Pillow's Contrast turns around a whole level
        yield factor, round(_TOP * start / (1 - slope)) / _TOP * (1 - factor)
    yield from _magick_contrasts(slope, start)
    black, white = -start / slope, (1 - start) / slope
    for steps, off in ((_TOP, (-1, 0, 1)), (100, (0,)), (200, (0,))):  # whole levels are what programs measure, and so are near
        for low, high in product([round(steps * black) + by for by in off], [round(steps * white) + by for by in off]):
            if high > low:
                yield steps / (high - low), -low / (high - low)


def _magick_contrasts(slope: float, start: float) -> Iterator[tuple[float, float]]:
    """ImageMagick's -brightness-contrast of whole numbers."""
    contrast = round(100 * (4 * np.arctan(slope) / np.pi - 1))
    exact = float(np.tan(np.pi * (contrast / 100 + 1) / 4))
    shift = (1 - exact) / 2
    brightness = round(100 * (start - shift) / (1 - shift))
    yield exact, brightness / 100 + (100 - brightness) / 200 * (1 - exact)


# bent ones


def _powers(of: Seen) -> Iterator[Floats]:
    """Gamma, also with black and white points."""

    def level(values: Floats) -> Floats:
        black, white, gamma = np.clip(values, (-1, -1, 0.05), (2, 2, 20))
        return np.asarray(np.clip((_SHARES - black) / max(white - black, 0.01), 0, 1) ** (1 / gamma))

    (gamma,) = _fitted(lambda values: level(np.array([0, 1, values[0]])), of, np.array([1.0]))
    for value in (gamma, round(gamma, 2), round(gamma, 1), 1 / max(round(1 / gamma, 2), 0.01)):
        yield level(np.array([0, 1, value]))
    black, white, gamma = _fitted(level, of, np.array([0.0, 1.0, gamma]))
    for steps in (_TOP, 100):
        yield level(np.array([round(steps * black) / steps, round(steps * white) / steps, round(gamma, 2)]))
    yield level(np.array([black, white, gamma]))


def _sigmoids(of: Seen) -> Iterator[Floats]:
    """ImageMagick's -sigmoidal-contrast, and +sigmoidal-contrast, which undoes it."""

    def rise(values: Floats) -> Floats:
        contrast, middle = np.clip(values, (0.01, 0), (30, 1))
        low, high = (np.tanh(contrast * (end - middle) / 2) for end in (0, 1))
        return np.asarray((np.tanh(contrast * (_SHARES - middle) / 2) - low) / (high - low))

    def fall(values: Floats) -> Floats:
        contrast, middle = np.clip(values, (0.01, 0), (30, 1))
        low, high = (np.tanh(contrast * (end - middle) / 2) for end in (0, 1))
        return np.asarray(
            np.clip(middle + 2 / contrast * np.arctanh(np.clip(low + (high - low) * _SHARES, -1 + 1e-9, 1 - 1e-9)), 0, 1)
        )

    for curve in (rise, fall):
        contrast, middle = _fitted(curve, of, np.array([3.0, 0.5]))
        for digits in (0, 1):
            yield curve(np.array([round(contrast, digits), round(middle, 2)]))
        yield curve(np.array([contrast, middle]))


def _fitted(curve: Callable[[Floats], Floats], of: Seen, start: Floats) -> Floats:
    """The values of least misfit near a start, by Gauss and Newton."""
    weights = np.sqrt(of.counts)
    values, best = start, of.misfit(curve(start))
    for _ in range(_MOST_TURNS):
        made = curve(values)
        slopes = np.stack([(curve(values + _NUDGE * unit) - made) / _NUDGE for unit in np.eye(len(values))], axis=1)
        move = np.linalg.lstsq(weights[:, None] * slopes, weights * (of.means - made), rcond=None)[0]
        near = [values + share * move for share in (1.0, 0.3, 0.1)]
        misfits = [of.misfit(curve(one)) for one in near]
        if min(misfits) >= best:
            break
        best, values = min(misfits), near[int(np.argmin(misfits))]
    return values
