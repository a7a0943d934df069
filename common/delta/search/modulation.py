"""Lightness, saturation and hue that were changed together: by how much, from sums over a few pieces, set to whole percents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from common.delta.edits import render
from common.delta.opened import Opened
from common.delta.search.deepened import deepened, is_deep, magicks_own
from common.delta.search.found import DONE, Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import Deep, Modulate
from common.kernel.pixels import Samples

_RGB = 3
_PERCENT = 10
"""Thousandths."""
_ROUNDS = 5
_FEW = 3
"""Pieces that sort out what does not come near."""
_MOST_MOVES = 8
_LEAST, _MOST = 50, 3000
"""Thousandths that are looked at: what a program is asked for, and no black picture."""
_STILL = 5
"""Thousandths of a half turn, below which hues were not turned."""


def modulated(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """As ImageMagick's -modulate does it, or GraphicsMagick's, which cuts what is rounded there."""
    if best is None or judge.shape.channels != _RGB:
        return None
    guess = _guess(base, judge, best)
    own = magicks_own(best.edit)
    places = [best] if own == best.edit else [best, judged(own, base, judge)]
    ways = [(place, is_cut) for place in places for is_cut in ((False,) if is_deep(place.edit) else (False, True))]
    return min((_climbed(guess, base, judge, place, is_cut=is_cut) for place, is_cut in ways), key=lambda one: one.score)


def _climbed(guess: tuple[int, int, int], base: Opened, judge: Judge, best: Found, *, is_cut: bool) -> Found:
    """From the guess to what comes nearest, as long as it is better than nothing."""

    def tried(values: tuple[int, int, int], n: int | None) -> Found:
        return judged(deepened(best.edit, Modulate(*values), is_cut=is_cut), base, judge, n)

    chosen, found = guess, tried(guess, _FEW)
    for _ in range(_MOST_MOVES):
        if found.score < DONE or found.score > best.score:
            break
        near = {values: tried(values, _FEW) for values in _around(chosen)}
        nearest = min(near, key=lambda values: near[values].score)
        if near[nearest].score >= found.score:
            break
        chosen, found = nearest, near[nearest]
    return tried(chosen, None)


def _around(values: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """A percent more or less."""
    brightness, saturation, hue = values
    hues = (0,) if hue == 1000 else (-1, 0, 1)  # noqa: PLR2004 - as it was
    for light, strong, turned in product((-1, 0, 1), (-1, 0, 1), hues):
        moved = brightness + light * _PERCENT, saturation + strong * _PERCENT, hue + turned * _PERCENT
        if moved != values and min(moved) > 0:
            yield moved


def _guess(base: Opened, judge: Judge, best: Found) -> tuple[int, int, int]:
    """In thousandths, of whole percents: with which the pieces, when they have gone the target's way, are like the target's."""
    pieces = [(window, render(best.edit, base, window)) for window in judge.windows]
    shown = np.concatenate([judge.shown(window).reshape(-1, _RGB) for window, _ in pieces])
    light, chroma, wheel = _seen(shown)
    values = np.array([1000.0, 1000.0, 1000.0])
    for _ in range(_ROUNDS):
        step = Deep((Modulate(*np.rint(values).astype(int).tolist()),))
        passed = [judge.passed(window, step.apply(piece, window, window, judge.shape)) for window, piece in pieces]
        light_now, chroma_now, wheel_now = _seen(np.concatenate([picture.reshape(-1, _RGB) for picture in passed]))
        values[0] *= light / max(light_now, 1)
        values[1] *= chroma / max(chroma_now, 1)
        values[2] += 1000 * np.angle(np.vdot(wheel_now, wheel)) / np.pi
        values = np.clip(values, _LEAST, _MOST)
    if abs(values[2] - 1000) < _STILL:
        values[2] = 1000
    brightness, saturation, hue = (_PERCENT * round(value / _PERCENT) for value in values)
    return brightness, saturation, hue


def _seen(pixels: Samples) -> tuple[float, float, NDArray[np.complex128]]:
    """The sums of lightness and chroma, and where each pixel (n, 3) stands on the wheel of colours."""
    highest, lowest = pixels.max(axis=1).astype(np.int64), pixels.min(axis=1).astype(np.int64)
    r, g, b = pixels.astype(np.float64).T
    wheel: NDArray[np.complex128] = r - (g + b) / 2 + 1j * np.sqrt(3) / 2 * (g - b)
    return float((highest + lowest).sum()), float((highest - lowest).sum()), wheel
