"""Levels and colours that were changed: what table or what matrix takes the pixels that an edit makes to those of the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from common.delta.edits import render
from common.delta.opened import Opened
from common.delta.search.found import Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import LookUp, Mix
from common.delta.steps.tone import LEVELS

Pairs = NDArray[np.uint8]

_MIX_ONE = 1 << 24


def looked_up(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """A table for each channel, or one for all, smooth enough for levels that were not seen."""
    if best is None:
        return None
    before, after = _pairs(base, judge, best)
    n = before.shape[1]
    apart = tuple(_table(before[:, k], after[:, k]) for k in range(n))
    together = (_table(before.ravel(), after.ravel()),)
    found = [judged(best.edit.then(LookUp(tables)), base, judge) for tables in ({together, apart} if n > 1 else {together})]
    return min(found, key=lambda one: one.score)


def mixed(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """Each channel a sum of all three, by least squares."""
    if best is None or judge.shape.channels != 3:  # noqa: PLR2004 - RGB
        return None
    before, after = (one.astype(np.float64) for one in _pairs(base, judge, best))
    is_inside = ((after > 2) & (after < LEVELS - 3)).all(axis=1)  # noqa: PLR2004 - what is cut off at the ends tells nothing
    before, after = before[is_inside], after[is_inside]
    if len(before) < LEVELS:
        return None
    r, g, b = before.T
    linear = np.stack([r, g, b, np.full_like(r, 256)], axis=1)
    square = np.concatenate([linear, np.stack([r * r, g * g, b * b, r * g, r * b, g * b], axis=1)], axis=1)
    fits = (np.linalg.lstsq(terms, after, rcond=None)[0].T for terms in (linear, square))
    mixes = (Mix(tuple(tuple(int(w) for w in row) for row in np.rint(fit * _MIX_ONE))) for fit in fits)
    return min((judged(best.edit.then(mix), base, judge) for mix in mixes), key=lambda one: one.score)


def _pairs(base: Opened, judge: Judge, best: Found) -> tuple[Pairs, Pairs]:
    """Pixels that the edit makes, and the target's at the same places: two of uint8 (n, channels)."""
    channels = judge.shape.channels
    before = [render(best.edit, base, window).reshape(-1, channels) for window in judge.windows]
    after = [judge.shown(window).reshape(-1, channels) for window in judge.windows]
    return np.concatenate(before), np.concatenate(after)


def _table(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[int, ...]:
    """The level that each became on average; between levels that were seen, what lies between."""
    seen = np.bincount(before, minlength=LEVELS)
    mean = np.bincount(before, after, LEVELS)[seen > 0] / seen[seen > 0]
    levels = np.interp(np.arange(LEVELS), np.flatnonzero(seen), mean)
    return tuple(int(level) for level in np.rint(levels))
