"""Pictures that were blurred or sharpened: by what width, gain and threshold, fitted to a few pieces, then set to round numbers.

A level becomes itself and a gain times what it differs by from the blur around it: -1 leaves the blur, more than 0 sharpens,
perhaps only where the difference passes a threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta.edits import render, shapes_of
from common.delta.opened import Opened
from common.delta.search.deepened import deepened, is_deep
from common.delta.search.found import DONE, EXACT, Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import Unsharp, Window
from common.delta.steps.deep import GAIN_BITS, TAP_BITS
from common.kernel.pixels import Samples

Floats = NDArray[np.float64]

_WIDTHS = np.geomspace(0.3, 8, 11)
"""Of blurs that are looked at, as standard deviations in pixels."""
_THRESHOLDS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1)
"""As shares of the highest level: a difference has to be half of it."""
_FINER = 4
"""Times that the surroundings of the best width are looked at again."""
_TURNS = 2
"""In which width and threshold are fitted, the other being known."""
_REACH = 24
"""Pixels around a piece that are looked at too."""
_RIM = 3
"""Levels next to the ends, where some were cut off."""
_FIT_ON = 5
"""Pieces, the most telling ones."""
_FEW = 3
"""Pieces that sort out what does not come near."""
_USEFUL = 0.97
"""Of the pieces' difference: a fit that leaves more is none."""
_PLAIN = 0.1
"""How far from -1 the gain of a blur may seem to be."""
_SURE = 0.3
"""What a fit leaves that is not mistaken."""
_LIKELY = 4
"""Starts that are followed, and of what is near, by one piece, what is looked at on a few."""
_USUAL_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
_USUAL_GAINS = (0.5, 1.0, 1.5)
_USUAL_THRESHOLDS = (0.0, 0.008, 0.02, 0.05)
_LARGEST_RADIUS = 5
_MOST_MOVES = 10
_LUMA = np.array([0.299, 0.587, 0.114])
_TOP = 65535
_LEVELS = 255
_RANK = 3
"""Samples that ImageMagick takes of the bell curve for each weight."""


@dataclass(frozen=True, slots=True)
class Blur:
    """What is asked for: a blur's width, how far it reaches or 0 for as far as it counts; a gain, and a share as threshold."""

    width: float
    radius: int = 0
    gain: float = -1.0
    threshold: float = 0.0
    is_fine: bool = False

    @property
    def step(self) -> Unsharp:
        """That, in integers."""
        gain, threshold = round(self.gain * (1 << GAIN_BITS)), int(np.ceil(self.threshold * _TOP))
        return Unsharp(_taps(self.width, self.radius, is_fine=self.is_fine), gain, threshold, self.is_fine)


@dataclass(frozen=True, slots=True)
class Fit:
    """What was measured of a blur, not in round numbers."""

    blur: Blur
    left: float
    """What it leaves of the difference, as a share of its energy."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Levels around a place of the target, the place in them, and how luma differs there; what was not cut off."""

    around: Samples
    window: Window
    became: Floats
    is_whole: NDArray[np.bool_]


def filtered(base: Opened, judge: Judge, best: Found, fit: Fit) -> Found:
    """As ImageMagick's -blur, -gaussian-blur, -unsharp and -sharpen; cut, as GraphicsMagick does it, where that serves better.

    Where what was measured is worse than nothing, what is near it is not looked at.
    """

    def climbed(starts: set[Blur], *, is_cut: bool) -> tuple[Blur, Found]:
        def tried(blur: Blur, n: int | None) -> Found:
            return judged(deepened(best.edit, blur.step, is_cut=is_cut), base, judge, n)

        likely = sorted(starts, key=lambda blur: tried(blur, 1).score)[:_LIKELY]
        scores = {blur: tried(blur, _FEW).score for blur in likely}
        for _ in range(_MOST_MOVES):
            chosen = min(scores, key=scores.__getitem__)
            near = {blur for blur in _around(chosen) if blur not in scores}
            if scores[chosen] < DONE or scores[chosen] > as_it_is or not near:
                break
            nearest = sorted(near, key=lambda blur: tried(blur, 1).score)[:_LIKELY]
            scores |= {blur: tried(blur, _FEW).score for blur in nearest}
            if min(scores[blur] for blur in nearest) >= scores[chosen]:
                break
        chosen = min(scores, key=scores.__getitem__)
        return chosen, tried(chosen, None)

    as_it_is = judged(best.edit, base, judge, _FEW).score
    chosen, found = climbed(set(_starts(fit)), is_cut=False)
    if found.score < EXACT or is_deep(best.edit):
        return found
    return min(found, climbed({chosen}, is_cut=True)[1], key=lambda one: one.score)


def measured(base: Opened, judge: Judge, best: Found) -> Fit | None:
    """The blur that explains most of how the target differs from what the edit makes; None where none explains anything."""
    return _fitted(list(_pieces(base, judge, best)))


# what is seen of it


def _pieces(base: Opened, judge: Judge, best: Found) -> Iterator[_Piece]:
    shape = shapes_of(best.edit, base)[-1]
    for window in judge.windows[:_FIT_ON]:
        around = window.widened(_REACH, shape)
        rendered, shown = render(best.edit, base, around), judge.shown(window)
        within = window.within(around)
        is_whole = np.all((shown >= _RIM) & (shown <= _LEVELS - _RIM), axis=2, keepdims=True)[:, :, 0]
        yield _Piece(rendered, within, _luma(shown.astype(np.float64) - within.of(rendered)), is_whole)


def _luma(levels: Floats) -> Floats:
    """Of differences (rows, cols, channels)."""
    return np.asarray(levels @ _LUMA if levels.shape[2] == len(_LUMA) else levels.mean(axis=2))


def _fitted(pieces: Sequence[_Piece]) -> Fit | None:
    """None where even the best blur leaves about all of the pieces' differences."""
    blur, left = Blur(1.0), 1.0
    for _ in range(_TURNS):
        blur, left = _of_least([replace(blur, width=float(width)) for width in _WIDTHS], pieces)
        ratio = _WIDTHS[1] / _WIDTHS[0]
        for _ in range(_FINER):
            ratio = ratio**0.5
            blur, left = _of_least([replace(blur, width=blur.width * by) for by in (1, 1 / ratio, ratio)], pieces)
        if abs(blur.gain + 1) < _PLAIN:
            break
        blur, left = _of_least([replace(blur, threshold=threshold) for threshold in _THRESHOLDS], pieces)
    return Fit(blur, left) if left < _USEFUL else None


def _of_least(blurs: Sequence[Blur], pieces: Sequence[_Piece]) -> tuple[Blur, float]:
    """The one that leaves least of the differences, with its gain by least squares, and what it leaves, as a share."""
    best, least = blurs[0], np.inf
    for blur in blurs:
        sums = np.full(3, 1e-9)
        for piece in pieces:
            differs = _luma(_differs(piece, blur))[piece.is_whole]
            became = piece.became[piece.is_whole]
            sums += [differs @ became, differs @ differs, became @ became]
        both, square, total = sums.tolist()
        left = 1 - both * both / square / total
        if left < least:
            best, least = replace(blur, gain=both / square), left
    return best, least


def _differs(piece: _Piece, blur: Blur) -> Floats:
    """What a piece's levels differ by from the blur around them, and enough."""
    half = np.array(_taps(blur.width, blur.radius)) / (1 << TAP_BITS)
    taps = np.concatenate([half[:0:-1], half])
    around = piece.around.astype(np.float32)
    blurred = cv2.sepFilter2D(around, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REPLICATE)
    top, left, rows, cols = piece.window
    differs = (around - np.asarray(blurred).reshape(around.shape))[top : top + rows, left : left + cols].astype(np.float64)
    return np.where(2 * np.abs(differs) >= blur.threshold * _LEVELS, differs, 0.0)


# what may have been asked for


def _starts(fit: Fit) -> Iterator[Blur]:
    """The fit in round numbers, in the ways in which programs are asked; where it is not sure, what is often asked for."""
    fitted = fit.blur
    widths = {round(fitted.width * steps) / steps for steps in (2, 10, 20)} - {0.0}
    if fitted.gain < 0:
        widths.add(round(fitted.width * (-fitted.gain) ** 0.5, 1) or 0.1)  # of a narrow blur both are hard to tell apart
        yield from (Blur(width, is_fine=is_fine) for width in widths for is_fine in (False, True))
        yield from (Blur(width, radius) for width in {1.0, *widths} for radius in range(1, _LARGEST_RADIUS))
        return
    yield fitted
    for width in widths:
        yield from (replace(fitted, width=width, gain=gain) for gain in {round(fitted.gain, 1), round(2 * fitted.gain) / 2})
        yield _sharpened(width)
    for width in (*_USUAL_WIDTHS, *widths):
        yield from (replace(fitted, width=width, radius=radius, gain=round(fitted.gain, 1)) for radius in (1, 2))
    if fit.left > _SURE:
        yield from (_sharpened(width) for width in _USUAL_WIDTHS)
        for width, gain, threshold in product(_USUAL_WIDTHS, _USUAL_GAINS, _USUAL_THRESHOLDS):
            yield Blur(width, 0, gain, threshold)


def _sharpened(width: float) -> Blur:
    """ImageMagick's -sharpen: the bell's negative, whose middle is raised to twice its sum."""
    middle = _taps(width, 0, is_fine=True)[0] / (1 << TAP_BITS)
    return Blur(width, gain=1 / (1 + middle * middle), is_fine=True)


def _around(blur: Blur) -> Iterator[Blur]:
    """In round numbers, a little wider or narrower, stronger or weaker, further or less far."""
    widths = {max(round(20 * blur.width) + by, 2) / 20 for by in (-2, -1, 0, 1, 2)}
    if blur.is_fine and blur.gain > 0:
        yield from (replace(_sharpened(width), radius=blur.radius) for width in widths)
        return
    for width, by in product(widths, range(-2, 3) if blur.gain > 0 else (0,)):
        gain = (round(20 * blur.gain) + by) / 20 if blur.gain > 0 else blur.gain
        yield replace(blur, width=width, gain=gain)
    yield from (replace(blur, radius=radius) for radius in range(max(blur.radius - 1, 0), blur.radius + 2))
    if blur.gain > 0:
        thousandths = {max(round(1000 * blur.threshold) + by, 0) for by in (-10, -5, -2, -1, 0, 1, 2, 5, 10)}
        yield from (replace(blur, threshold=n / 1000) for n in thousandths)


@cache
def _taps(width: float, radius: int, *, is_fine: bool = False) -> tuple[int, ...]:
    """ImageMagick's weights of a blur, from its centre on, in 1/2**30: of the bell curve, or each the sum of three of its."""
    if radius == 0:
        radius = _optimal_radius(width, 2 if is_fine else 1)
    rank = 1 if is_fine else _RANK
    places = np.arange(-(rank * (2 * radius + 1) // 2), rank * (2 * radius + 1) // 2 + 1)
    weights = np.exp(-(places**2) / (2 * (rank * width) ** 2)).reshape(-1, rank).sum(axis=1)
    half = np.rint(weights[radius:] / weights.sum() * (1 << TAP_BITS)).astype(np.int64)
    half[0] = (1 << TAP_BITS) - 2 * half[1:].sum()
    return tuple(half.tolist())


def _optimal_radius(width: float, dimensions: int) -> int:
    """Where the bell curve, as a share of all of it, has fallen below a level of 16 bits."""
    radius = 2
    while True:
        bell = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * width * width))
        if bell[0] / bell.sum() ** dimensions < 1 / _TOP:
            return radius - 1
        radius += 1
