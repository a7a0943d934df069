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
from common.delta.search.deepened import deepened
from common.delta.search.found import DONE, Found, judged
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
_USEFUL = 0.6
"""Of the pieces' difference: a fit that leaves more is none."""
_PLAIN = 0.1
"""How far from -1 the gain of a blur may seem to be."""
_MOST_MOVES = 6
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
        return Unsharp(_taps(self.width, self.radius), gain, threshold, self.is_fine)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Levels around a place of the target, the place in them, and how luma differs there; what was not cut off."""

    around: Samples
    window: Window
    became: Floats
    is_whole: NDArray[np.bool_]


def filtered(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """As ImageMagick's -blur, -gaussian-blur, -unsharp and -sharpen."""
    if best is None:
        return None
    fitted = _fitted(list(_pieces(base, judge, best)))
    if fitted is None:
        return None

    def tried(blur: Blur, n: int | None) -> Found:
        return judged(deepened(best.edit, blur.step), base, judge, n)

    scores = {blur: tried(blur, _FEW).score for blur in _starts(fitted)}
    for _ in range(_MOST_MOVES):
        chosen = min(scores, key=scores.__getitem__)
        near = [blur for blur in _around(chosen) if blur not in scores]
        if scores[chosen] < DONE or not near:
            break
        scores |= {blur: tried(blur, _FEW).score for blur in near}
    return tried(min(scores, key=scores.__getitem__), None)


# what is seen of it


def _pieces(base: Opened, judge: Judge, best: Found) -> Iterator[_Piece]:
    shape = shapes_of(best.edit, base)[-1]
    for window in judge.windows[:_FIT_ON]:
        top, left = max(window.top - _REACH, 0), max(window.left - _REACH, 0)
        bottom = min(window.top + window.rows + _REACH, shape.rows)
        right = min(window.left + window.cols + _REACH, shape.cols)
        around = Window(top, left, bottom - top, right - left)
        rendered, shown = render(best.edit, base, around), judge.shown(window)
        within = window.within(around)
        is_whole = np.all((shown >= _RIM) & (shown <= _LEVELS - _RIM), axis=2, keepdims=True)[:, :, 0]
        yield _Piece(rendered, within, _luma(shown.astype(np.float64) - within.of(rendered)), is_whole)


def _luma(levels: Floats) -> Floats:
    """Of differences (rows, cols, channels)."""
    return np.asarray(levels @ _LUMA if levels.shape[2] == len(_LUMA) else levels.mean(axis=2))


def _fitted(pieces: Sequence[_Piece]) -> Blur | None:
    """The blur that leaves least of the pieces' differences, or None where none leaves much less than all."""
    blur, left = Blur(1.0), 1.0
    for _ in range(_TURNS):
        blur, left = _of_least([replace(blur, width=float(width)) for width in _WIDTHS], pieces)
        ratio = _WIDTHS[1] / _WIDTHS[0]
        for _ in range(_FINER):
            ratio = ratio**0.5
            blur, left = _of_least([replace(blur, width=blur.width * by) for by in (1, 1 / ratio, ratio)], pieces)
        if left > _USEFUL or abs(blur.gain + 1) < _PLAIN:
            break
        blur, left = _of_least([replace(blur, threshold=threshold) for threshold in _THRESHOLDS], pieces)
    return blur if left < _USEFUL else None


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


def _starts(fitted: Blur) -> Iterator[Blur]:
    """The fit in round numbers, in each of the ways in which programs are asked."""
    for width in {round(fitted.width, 1), round(2 * fitted.width) / 2, round(fitted.width, 2)} - {0.0}:
        if fitted.gain < 0:
            yield from (Blur(width), Blur(width, is_fine=True))
            continue
        for gain in {round(fitted.gain, 1), round(2 * fitted.gain) / 2}:
            yield replace(fitted, width=width, gain=gain)
        yield _sharpened(width)
    yield fitted
    if fitted.gain < 0:  # a narrow blur's width and gain are hard to tell apart
        yield Blur(round(fitted.width * (-fitted.gain) ** 0.5, 1) or 0.1)


def _sharpened(width: float) -> Blur:
    """ImageMagick's -sharpen: the bell's negative, whose middle is raised to twice its sum."""
    middle = _taps(width, 0)[0] / (1 << TAP_BITS)
    return Blur(width, gain=1 / (1 + middle * middle), is_fine=True)


def _around(blur: Blur) -> Iterator[Blur]:
    """In round numbers, a little wider or narrower, stronger or weaker, further or less far."""
    for width, by in product((-1, 0, 1), range(-2, 3) if blur.gain > 0 else (0,)):
        gain = (round(20 * blur.gain) + by) / 20 if blur.gain > 0 else blur.gain
        yield replace(blur, width=max(round(10 * blur.width) + width, 1) / 10, gain=gain)
    yield from (replace(blur, radius=radius) for radius in range(max(blur.radius - 1, 0), blur.radius + 2))
    if blur.gain > 0:
        at = int(np.searchsorted(_THRESHOLDS, blur.threshold))
        yield from (replace(blur, threshold=threshold) for threshold in _THRESHOLDS[max(at - 1, 0) : at + 2])


@cache
def _taps(width: float, radius: int) -> tuple[int, ...]:
    """ImageMagick's weights of a blur, from its centre on, in 1/2**30: each the sum of three of the bell curve's."""
    if radius == 0:
        radius = _optimal_radius(width)
    places = np.arange(-(_RANK * (2 * radius + 1) // 2), _RANK * (2 * radius + 1) // 2 + 1)
    weights = np.exp(-(places**2) / (2 * (_RANK * width) ** 2)).reshape(-1, _RANK).sum(axis=1)
    half = np.rint(weights[radius:] / weights.sum() * (1 << TAP_BITS)).astype(np.int64)
    half[0] = (1 << TAP_BITS) - 2 * half[1:].sum()
    return tuple(half.tolist())


def _optimal_radius(width: float) -> int:
    """Where the bell curve has fallen below a level of 16 bits."""
    radius = 2
    while True:
        bell = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * width * width))
        if bell[0] / bell.sum() < 1 / _TOP:
            return radius - 1
        radius += 1
