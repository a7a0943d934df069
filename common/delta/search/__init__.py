"""Which edit makes a target of a base: encoders look for it here, with floats, guesses and a budget; decoders only do it again.

First the target's place in the base is looked for, then what became of its levels. What is found is a row of
integer steps, judged on a few pieces of the target: a search that is wrong costs bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from types import MappingProxyType

from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.search.blended import blended
from common.delta.search.counted import counted
from common.delta.search.found import DONE, EXACT, HOPELESS, Found, judged, resemblance
from common.delta.search.framed import Inside, has_rim, insides, with_border
from common.delta.search.judges import Judge
from common.delta.search.modulation import modulated
from common.delta.search.placed import placed, turned
from common.delta.search.seen import reduced
from common.delta.search.softened import softened
from common.delta.search.toned import looked_up, mixed
from common.errors import ContentError

Search = Callable[[Opened, Judge, Found | None], Found | None]
"""Something better than the best so far, or None."""

PLACES: Mapping[str, Search] = MappingProxyType(
    {
        "turned": turned,
        "placed": placed,
    }
)
"""Where the target's picture is in the base; each may start from the best so far."""
LEVELS: Mapping[str, Search] = MappingProxyType(
    {
        "looked_up": looked_up,
        "modulated": modulated,
        "softened": softened,
        "blended": blended,
        "mixed": mixed,
        "counted": counted,
    }
)
"""What became of levels at their place; all start from the place alone, as one may seem to come near by undoing another."""
_ROUNDS = 2
"""In which levels are changed."""
_HALF_WAY = 0.7
"""A round that leaves more than this of the score is the last."""
_LITTLE = 0.5
"""A promise above which it is asked whether the base shows the target at all."""
_RESEMBLES = 0.85
"""What is told of the target by any edit of it; of other shots of a scene hardly four fifths are."""


def best_edit(base: Opened, judge: Judge, believed: Edit | None = None) -> Edit:
    """The best edit that the searches find; none is done where what is believed is exact.

    Errors: ContentError, `unsupported` where no edit brings the base near the target.
    """
    if believed is not None and judged(believed, base, judge).score < EXACT:
        return believed
    best = best_found(base, judge)
    if best is None or best.score >= HOPELESS:
        raise ContentError("unsupported", "nothing that is known makes the target of the base")
    return best.edit


def best_found(base: Opened, judge: Judge) -> Found | None:
    """The best of everything that shows the target; where that has a rim, of what is found inside of it too."""
    best: Found | None = None
    framed = list(insides(base, judge))
    n_before = len(framed)
    if framed and has_rim(partial(reduced, base)):  # then the target's may be the base's, unless what is inside has its size
        n_before = sum(sorted(inside.shape[:2]) == sorted(base.shape()[:2]) for inside in framed)
    looks: list[Judge] = [*framed[:n_before], judge, *framed[n_before:]]
    for look in looks:
        found = _best_found(base, look)
        enough = EXACT
        if isinstance(look, Inside):  # with its border, which may have been a piece of sky
            found, enough = found and judged(with_border(found, look).edit, base, judge), DONE
        best = _better(best, found)
        if best is not None and best.score < enough:
            break
    return best


def _best_found(base: Opened, judge: Judge) -> Found | None:
    best: Found | None = None
    promise = inf
    for search in PLACES.values():
        place = search(base, judge, best)
        if place is not None and place.promise < promise and _shows(place, base, judge):
            promise = place.promise
            best = _better(best, _levelled(place, base, judge))
        if best is not None and best.score < EXACT:
            break
    return best


def _shows(place: Found, base: Opened, judge: Judge) -> bool:
    """Whether what is there may be the target's picture, whatever became of its levels."""
    return place.promise < _LITTLE or resemblance(place.edit, base, judge) > _RESEMBLES


def _levelled(place: Found, base: Opened, judge: Judge) -> Found:
    """The place, and what became of its levels; each round starts from what the one before came to."""
    best = place
    for _ in range(_ROUNDS):
        if best.score < EXACT:
            break
        start = best
        for search in LEVELS.values():
            best = _better(best, search(base, judge, start)) or best
            if best.score < DONE:
                break
        if best.score > _HALF_WAY * start.score:
            break
    return best


def _better(best: Found | None, other: Found | None) -> Found | None:
    """The better of two, the first of equals."""
    return other if best is None or (other is not None and other.score < best.score) else best
