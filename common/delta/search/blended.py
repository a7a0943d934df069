"""What Pillow's `ImageEnhance.Color` and `Sharpness` and the filters of `ImageFilter` have made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from common.delta.opened import Opened
from common.delta.search.found import DONE, Found, judged
from common.delta.search.judges import Judge
from common.delta.steps import Blend
from common.delta.steps.blend import BLEND_BITS, FILTER_BITS

FILTERS: Mapping[str, tuple[tuple[int, ...], int]] = MappingProxyType(
    {
        "smooth": ((1, 1, 1, 1, 5, 1, 1, 1, 1), 13),
        "sharpen": ((-2, -2, -2, -2, 32, -2, -2, -2, -2), 16),
        "detail": ((0, -1, 0, -1, 10, -1, 0, -1, 0), 6),
        "edge enhance": ((-1, -1, -1, -1, 10, -1, -1, -1, -1), 2),
        "edge enhance more": ((-1, -1, -1, -1, 9, -1, -1, -1, -1), 1),
        "smooth more": ((1, 1, 1, 1, 1, 1, 5, 5, 5, 1, 1, 5, 44, 5, 1, 1, 5, 5, 5, 1, 1, 1, 1, 1, 1), 100),
        "blur": ((1,) * 5 + (1, 0, 0, 0, 1) * 3 + (1,) * 5, 16),
    }
)
"""Pillow's, with their divisors."""
_FACTORS = (0.0, 0.5, 0.8, 1.2, 1.5, 2.0)
"""That are looked at first; 1 is the picture itself."""
_MOVES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_FEW = 3
_RGB = 3


def blended(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """By the factor that serves best, of two digits, towards luma or smoothness; or by a filter alone."""
    if best is None:
        return None
    start = best.edit

    def tried(blend: Blend, n: int | None) -> Found:
        return judged(start.then(blend), base, judge, n)

    scores = {blend: tried(blend, _FEW).score for blend in _starts(judge.shape.channels)}
    chosen = min(scores, key=scores.__getitem__)
    for move in _MOVES if chosen.factor else ():
        while scores[chosen] >= DONE:
            near = [_by(chosen, sign * move) for sign in (-1, 1)]
            scores |= {blend: tried(blend, _FEW).score for blend in near if blend not in scores}
            nearest = min(near, key=scores.__getitem__)
            if scores[nearest] >= scores[chosen]:
                break
            chosen = nearest
    return tried(chosen, None)


def _starts(channels: int) -> Iterator[Blend]:
    for factor in _FACTORS:
        if channels == _RGB:
            yield Blend(_factor(factor))
        yield Blend(_factor(factor), weights_of("smooth"))
    yield from (Blend(0, weights_of(name)) for name in FILTERS)


def _by(blend: Blend, move: float) -> Blend:
    """The blend by a factor of two digits that is a little higher or lower."""
    return replace(blend, factor=_factor(round(blend.factor / (1 << BLEND_BITS) + move, 2)))


def _factor(factor: float) -> int:
    return round(factor * (1 << BLEND_BITS))


def weights_of(name: str) -> tuple[int, ...]:
    """A filter's weights in integers; they add up as they should."""
    weights, divisor = FILTERS[name]
    exact = [round(weight * (1 << FILTER_BITS) / divisor) for weight in weights]
    exact[len(exact) // 2] += (sum(weights) << FILTER_BITS) // divisor - sum(exact)
    return tuple(exact)
