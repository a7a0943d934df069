"""What searches hand on to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta.edits import Edit, render, shapes_of
from common.delta.opened import Opened
from common.delta.search.judges import Judge
from common.delta.steps import Window
from common.errors import ContentError
from common.kernel.pixels import Samples

EXACT = 0.02
"""A score below which nothing better is looked for."""
DONE = 0.001
"""A score that no other edit of the kind could lower by more than it takes to look."""
HOPELESS = 1.0
_IMPOSSIBLE = float("inf")

_AS_IT_IS = 0.05
"""A score below which tones have not changed."""
_BLURS = (0.7, 1.5, 4.0)
"""Standard deviations in pixels, of which filters are made."""
_AROUND = 8
"""Pixels around a piece that blurs take in."""
_CUT_OFF = 3
"""Levels at both ends that may have been cut off there, and tell nothing of a tone."""


@dataclass(frozen=True, slots=True)
class Found:
    """An edit and how near it comes."""

    edit: Edit
    score: float
    promise: float = _IMPOSSIBLE
    """What the score would be with the tones set right: never above it."""


def judged(edit: Edit, base: Opened, judge: Judge, n: int | None = None) -> Found:
    """The edit with its score on `n` pieces or all; infinite where it makes a picture of another shape."""
    try:
        if shapes_of(edit, base)[-1] != judge.shape:
            return Found(edit, _IMPOSSIBLE)
        score = judge.score(partial(render, edit, base), n)
    except ContentError:
        return Found(edit, _IMPOSSIBLE)
    return Found(edit, score, score)


def promised(edit: Edit, base: Opened, judge: Judge, n: int | None = None) -> Found:
    """As `judged`, and what is promised: the score after the levels that the edit makes are taken to the target's."""
    try:
        if shapes_of(edit, base)[-1] != judge.shape:
            return Found(edit, _IMPOSSIBLE)
        shown = {window: render(edit, base, window) for window in judge.windows[:n]}
        found = Found(edit, *[judge.score(shown.__getitem__, n)] * 2)
        if found.score < _AS_IT_IS:
            return found
        return replace(found, promise=min(found.score, judge.score(_toned(shown, judge).__getitem__, n)))
    except ContentError:
        return Found(edit, _IMPOSSIBLE)


def best_of(edits: Iterable[Edit], base: Opened, judge: Judge, n: int | None = None) -> Found | None:
    """The most promising of the edits that make a picture of the target's shape; what follows an exact one is not looked at."""
    best: Found | None = None
    for edit in edits:
        found = promised(edit, base, judge, n)
        if found.promise < (best.promise if best else _IMPOSSIBLE):
            best = found
        if best is not None and best.score < DONE:
            break
    return best


def resemblance(edit: Edit, base: Opened, judge: Judge) -> float:
    """Which share of the pieces' contrasts is told by the edit's colours, their products and their surroundings.

    1 is all; about 0 where it shows another picture. What levels, filters and noise do to a picture leaves it near 1.
    """
    shape = shapes_of(edit, base)[-1]
    terms, wanted, contrast = [], [], 1.0
    for window in judge.windows:
        around = window.widened(_AROUND, shape)
        rendered, within, after = render(edit, base, around), window.within(around), judge.shown(window).astype(np.float64)
        luma = rendered.mean(axis=2, dtype=np.float32)
        blurred = [within.of(np.asarray(cv2.GaussianBlur(luma, (0, 0), width))).ravel() / 256.0 for width in _BLURS]
        terms.append(np.column_stack([_terms(within.of(rendered)), *blurred]))
        wanted.append(after.reshape(-1, shape.channels))
        contrast += float(np.square(after - after.mean(axis=(0, 1))).sum())
    before, there = np.concatenate(terms), np.concatenate(wanted)
    return 1 - float(np.square(before @ _weights(before, there) - there).sum()) / contrast


def _weights(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of sums of terms that come nearest, by least squares."""
    normal = before.T @ before + 1e-6 * np.eye(before.shape[1])
    return np.asarray(np.linalg.solve(normal, before.T @ after))


def _toned(shown: Mapping[Window, Samples], judge: Judge) -> Mapping[Window, Samples]:
    """The pieces with each channel a sum of all and of their products, as it comes nearest to the target's."""
    before = np.concatenate([_terms(piece) for piece in shown.values()])
    after = np.concatenate([judge.shown(window).reshape(-1, judge.shape.channels) for window in shown]).astype(np.float64)
    told = ((after >= _CUT_OFF) & (after < 256 - _CUT_OFF)).all(axis=1)
    if np.count_nonzero(told) < before.shape[1] ** 2:
        return shown
    weights = _weights(before[told], after[told])
    return {
        window: np.clip(np.rint(_terms(piece) @ weights), 0, 255).astype(np.uint8).reshape(piece.shape)
        for window, piece in shown.items()
    }


def _terms(piece: Samples) -> NDArray[np.float64]:
    """(n, terms): one, each channel, each product of two, in units of 256 levels."""
    channels = piece.reshape(-1, piece.shape[2]).T / 256.0
    products = [channels[i] * channels[j] for i in range(len(channels)) for j in range(i + 1)]
    return np.stack([np.ones(channels.shape[1]), *channels, *products], axis=1)
