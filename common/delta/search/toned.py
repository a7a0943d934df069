"""Levels and colours that were changed: what table or what matrix takes the pixels that an edit makes to those of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.delta.edits import render
from common.delta.opened import Opened
from common.delta.search.curves import Seen, Table, averages, deep_tables, tables, to_table
from common.delta.search.deepened import deepened, is_deep
from common.delta.search.found import DONE, Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import Curve, LookUp, Mix, Window
from common.delta.steps.tone import LEVELS, MAX_WEIGHT
from common.kernel.pixels import Samples

Pairs = NDArray[np.uint8]

_MIX_ONE = 1 << 24
_LIKELY = 8
"""Tables that are tried."""
_ROUNDS = 4
"""In which means are set right."""


def looked_up(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """A table for each channel, or one for all: one that a program makes, else what each level became on average."""
    if best is None:
        return None
    pieces = [(window, np.ascontiguousarray(render(best.edit, base, window))) for window in judge.windows]
    seen = _seen(pieces, judge, 1)[0]
    together = tables(seen)
    edits = [best.edit.then(LookUp((table,))) for table in (*together[:_LIKELY], together[-1])]
    if is_deep(best.edit):
        edits += [deepened(best.edit, Curve((table,))) for table in deep_tables(seen)[:_LIKELY]]
    likeliest = min((judged(edit, base, judge) for edit in edits), key=lambda one: one.score)
    if judge.shape.channels == 1 or likeliest.score < DONE:
        return likeliest
    apart = [tables(channel)[:_LIKELY] for channel in _seen(pieces, judge, judge.shape.channels)]
    return min(likeliest, _by_channel(apart, base, judge, best), key=lambda one: one.score)


def _by_channel(likely: Sequence[Sequence[Table]], base: Opened, judge: Judge, best: Found) -> Found:
    """The best of each channel's likely tables: all the likeliest, then each channel's others, the rest being as they are."""
    chosen = [tables_of[0] for tables_of in likely]
    found = judged(best.edit.then(LookUp(tuple(chosen))), base, judge)
    for channel, tables_of in enumerate(likely):
        for table in tables_of[1:]:
            tried = [*chosen[:channel], table, *chosen[channel + 1 :]]
            other = judged(best.edit.then(LookUp(tuple(tried))), base, judge)
            if other.score < found.score:
                found, chosen = other, tried
    return found


def _seen(pieces: Sequence[tuple[Window, Samples]], judge: Judge, n_tables: int) -> list[Seen]:
    """What became of each level, in all channels or in each.

    An encoder moves colours between neighbours, so what levels seem to have become is drawn to the mean. So the pieces are looked
    up and go the target's way too, and what they then lack is added.
    """
    groups = [slice(k, k + 1) if n_tables > 1 else slice(None) for k in range(n_tables)]
    levels = [np.concatenate([piece[:, :, group].ravel() for _, piece in pieces]) for group in groups]
    shown = [judge.shown(window).astype(np.int16) for window, _ in pieces]
    curves = np.tile(np.arange(LEVELS, dtype=np.float64), (n_tables, 1))
    for _ in range(_ROUNDS):
        looked = LookUp(tuple(to_table(curve / (LEVELS - 1)) for curve in curves))
        lacks = [
            there - judge.passed(window, looked.apply(piece, window, window, judge.shape))
            for there, (window, piece) in zip(shown, pieces, strict=True)
        ]
        for k, group in enumerate(groups):
            curves[k] += averages(levels[k], np.concatenate([lack[:, :, group].ravel() for lack in lacks]))
    return [Seen(curve / (LEVELS - 1), np.bincount(level, minlength=LEVELS)) for curve, level in zip(curves, levels, strict=True)]


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
    weights = (np.clip(np.rint(fit * _MIX_ONE), -MAX_WEIGHT, MAX_WEIGHT) for fit in fits)
    mixes = (Mix(tuple(tuple(int(w) for w in row) for row in rows)) for rows in weights)
    return min((judged(best.edit.then(mix), base, judge) for mix in mixes), key=lambda one: one.score)


def _pairs(base: Opened, judge: Judge, best: Found) -> tuple[Pairs, Pairs]:
    """Pixels that the edit makes, and the target's at the same places: two of uint8 (n, channels)."""
    channels = judge.shape.channels
    before = [render(best.edit, base, window).reshape(-1, channels) for window in judge.windows]
    after = [judge.shown(window).reshape(-1, channels) for window in judge.windows]
    return np.concatenate(before), np.concatenate(after)
