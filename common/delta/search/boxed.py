"""What Pillow's `BoxBlur`, `GaussianBlur` and `UnsharpMask` have made: by what radius, percentage and threshold.

A bell curve is three boxes of Pillow's, so that what was fitted of a bell tells a radius nearby; people ask for round numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from common.delta.opened import Opened
from common.delta.search.found import DONE, Found, judged
from common.delta.search.judges import Judge
from common.delta.search.sharpness import Fit
from common.delta.steps import BoxBlur
from common.delta.steps.boxes import BOX_BITS

_FEW = 3
"""Pieces that sort out what does not come near."""
_LIKELY = 3
"""Starts that are followed."""
_MOST_MOVES = 12
_NEAREST = 8
"""Of those around that are looked at more closely."""
_TENTHS = (-5, -2, -1, 1, 2, 5)
"""Of a pixel, by which a radius is moved."""
_PERCENTS = (-20, -10, -5, -1, 1, 5, 10, 20)
"""By which a percentage is moved."""
_LEVELS = 255
_LARGEST_RADIUS = 100.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What Pillow is asked for: tenths of a radius, by boxes or by a bell; to sharpen, a percentage and a threshold."""

    tenths: int
    is_box: bool = False
    sharpened: tuple[int, ...] = ()

    @property
    def step(self) -> BoxBlur:
        """That, in integers."""
        return box(self.tenths / 10) if self.is_box else gaussian(self.tenths / 10, self.sharpened)


def box(radius: float, passes: int = 1, sharpened: tuple[int, ...] = ()) -> BoxBlur:
    """Boxes of this radius in pixels, with weights as single precision has them."""
    reach = int(radius)
    weight = int(np.float32(1 << BOX_BITS) / (np.float32(radius) * np.float32(2) + np.float32(1)))
    return BoxBlur(reach, weight, ((1 << BOX_BITS) - (2 * reach + 1) * weight) // 2, passes, sharpened)


def gaussian(radius: float, sharpened: tuple[int, ...] = ()) -> BoxBlur:
    """Three boxes that are about as wide as a bell curve of this standard deviation in pixels."""
    passes = 3
    variance = np.float32(radius) * np.float32(radius) / np.float32(passes)
    whole = np.floor((np.sqrt(np.float32(12 * float(variance) + 1)) - np.float32(1)) / np.float32(2))
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) * (whole + 1)))
    return box(float(whole + part), passes, sharpened)


def boxed(base: Opened, judge: Judge, best: Found, fit: Fit) -> Found:
    """By the numbers that serve best, climbing from those that were measured, unless they are worse than nothing."""

    def tried(asked: Asked, n: int | None) -> Found:
        return judged(best.edit.then(asked.step), base, judge, n)

    def climbed(starts: list[Asked]) -> Found:
        scores = {asked: tried(asked, _FEW).score for asked in sorted(starts, key=lambda asked: tried(asked, 1).score)[:_LIKELY]}
        for _ in range(_MOST_MOVES):
            chosen = min(scores, key=scores.__getitem__)
            near = [asked for asked in _around(chosen) if asked not in scores]
            if scores[chosen] < DONE or scores[chosen] > as_it_is or not near:
                break
            near = sorted(near, key=lambda asked: tried(asked, 1).score)[:_NEAREST]
            scores |= {asked: tried(asked, _FEW).score for asked in near}
            if min(scores[asked] for asked in near) >= scores[chosen]:
                break
        return tried(min(scores, key=scores.__getitem__), None)

    as_it_is = judged(best.edit, base, judge, _FEW).score
    starts = set(_starts(fit.blur.width, fit.blur.gain, fit.blur.threshold))
    kinds = [[asked for asked in starts if asked.is_box == is_box] for is_box in (False, True)]
    return min((climbed(kind) for kind in kinds if kind), key=lambda one: one.score)


def _starts(width: float, gain: float, threshold: float) -> Iterator[Asked]:
    """Of a bell's width in pixels, its gain, and a threshold as a share."""
    radii = {max(round(10 * width / unit) * unit, 1) for unit in (1, 5, 10)}
    if gain < 0:
        wide = (np.sqrt(12 * width * width + 1) - 1) / 2
        yield from (Asked(tenths) for tenths in radii)
        yield from (Asked(max(round(10 * wide / unit) * unit, 1), is_box=True) for unit in (1, 5, 10))
        return
    percents = {max(round(100 * gain / unit) * unit, 1) for unit in (10, 50)}
    levels = {0, 2, 3, round(threshold * _LEVELS / 2)}
    yield from (Asked(tenths, sharpened=(percent, level)) for tenths in radii for percent in percents for level in levels)


def _around(asked: Asked) -> Iterator[Asked]:
    """A little wider or narrower, stronger or weaker, and all of that at once."""
    tenths = [asked.tenths + by for by in _TENTHS if 0 < asked.tenths + by < 10 * _LARGEST_RADIUS]
    yield from (replace(asked, tenths=to) for to in tenths)
    if asked.sharpened:
        percent, level = asked.sharpened
        percents = [percent + by for by in (0, *_PERCENTS) if percent + by > 0]
        levels = [level + by for by in (-1, 0, 1) if 0 <= level + by <= _LEVELS]
        near = [asked.tenths, *(to for to in tenths if abs(to - asked.tenths) == 1)]
        yield from (Asked(to, sharpened=both) for to in near for both in product(percents, levels))
