"""Tables that programs take from how often each level is in a picture: made even, stretched, or brought to a usual mean.

They follow from the whole picture, so that little has to be measured; a curve with a step for every level, and points that lie
between two levels, are more than the means of a few pieces can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search.curves import Table, to_table
from common.delta.search.found import Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import LookUp
from common.delta.steps.tone import LEVELS
from common.kernel.pixels import Samples

Counts = NDArray[np.int64]

_TOP = LEVELS - 1
_DEEP_TOP = 65535
_DEEP_LEVEL = 257
_SHARES = np.arange(LEVELS) / _TOP
_INTENSITY = np.array([0.212656, 0.715158, 0.072186])
"""ImageMagick's, Rec. 709."""
_CUT_OFF = (0.0, 0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.1)
"""Shares of the pixels that are let become black, or white: 0.0015 and 0.0005 are ImageMagick's -normalize."""

_AS_IT_IS = 0.97
"""A promise, as a share of the score, above which tones have not changed."""


def counted(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """The table that comes nearest: by one piece, then by all."""
    if best is None or best.promise > _AS_IT_IS * best.score:
        return None
    found = [judged(edit, base, judge, 1) for edit in _edits(best.edit, render(best.edit, base))]
    likeliest = min(found, key=lambda one: one.score)
    return judged(likeliest.edit, base, judge) if likeliest.score < best.score else None


def _edits(edit: Edit, picture: Samples) -> Iterator[Edit]:
    counts = [np.bincount(picture[:, :, channel].ravel(), minlength=LEVELS) for channel in range(picture.shape[2])]
    yield from (edit.then(LookUp(tuple(way(channel) for channel in counts))) for way in (_pillow, _opencv, _graphics))
    deep = _deep_counts(picture)
    yield from (edit.then(LookUp((to_table(curve),))) for curve in (_even(deep), _brought_to_half(picture), *_stretched(deep)))


# of each channel for itself


def _pillow(counts: Counts) -> Table:
    """As `ImageOps.equalize`: in whole numbers, without what the highest level counts."""
    there = counts[counts > 0]
    step = int(there.sum() - there[-1]) // _TOP
    if step == 0:
        return tuple(range(LEVELS))
    before = np.cumsum(counts) - counts
    return tuple(np.minimum((step // 2 + before) // step, _TOP).tolist())


def _opencv(counts: Counts) -> Table:
    """As `equalizeHist`: without what the lowest level counts."""
    lowest, total = int(counts[np.argmax(counts > 0)]), np.cumsum(counts)
    return to_table((total - lowest) / max(int(total[-1]) - lowest, 1))


def _graphics(counts: Counts) -> Table:
    """As GraphicsMagick's -equalize: cut."""
    even = (_even(counts) * _DEEP_TOP).astype(np.int64)
    return tuple((even // _DEEP_LEVEL).tolist())


# of all channels together, by intensities of 16 bits


def _deep_counts(picture: Samples) -> Counts:
    """How often ImageMagick sees each intensity."""
    weights = _INTENSITY if picture.shape[2] == len(_INTENSITY) else np.eye(picture.shape[2])[0]
    total: Counts = np.zeros(_DEEP_TOP + 1, np.int64)
    for row in picture:
        total += np.bincount(np.rint(_DEEP_LEVEL * (row @ weights)).astype(np.int64), minlength=len(total))
    return total


def _even(counts: Counts) -> NDArray[np.float64]:
    """Of -equalize: what each level becomes, as a share."""
    total = np.cumsum(counts)
    black, white = int(total[0]), int(total[-1])
    return (total[:: (len(total) - 1) // _TOP] - black) / max(white - black, 1)


def _brought_to_half(picture: Samples) -> NDArray[np.float64]:
    """Of -auto-gamma: the mean becomes a half."""
    mean = min(max(float(picture.mean()) / _TOP, 1 / _TOP), 1 - 1 / _TOP)
    return np.asarray(_SHARES ** (np.log(0.5) / np.log(mean)))


def _stretched(counts: Counts) -> Iterator[NDArray[np.float64]]:
    """Of -normalize and -contrast-stretch: by shares of the pixels."""
    total, n = np.cumsum(counts), int(counts.sum())
    from_top = n - total + counts
    lows = {int(np.argmax(total > share * n)) for share in _CUT_OFF}
    highs = {int(np.count_nonzero(from_top > share * n)) - 1 for share in _CUT_OFF}
    for low, high in product(sorted(lows), sorted(highs)):
        if high > low:
            yield np.clip((_DEEP_TOP * _SHARES - low) / (high - low), 0, 1)
