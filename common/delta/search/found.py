"""What searches hand on to each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from common.delta.edits import Edit, render, shapes_of
from common.delta.opened import Opened
from common.delta.search.judges import Judge
from common.errors import ContentError

EXACT = 0.02
"""A score below which nothing better is looked for."""
DONE = 0.001
"""A score that no other edit of the kind could lower by more than it takes to look."""
HOPELESS = 1.0
_IMPOSSIBLE = float("inf")


@dataclass(frozen=True, slots=True)
class Found:
    """An edit and how near it comes."""

    edit: Edit
    score: float


def judged(edit: Edit, base: Opened, judge: Judge, n: int | None = None) -> Found:
    """The edit with its score on `n` pieces or all; infinite where it makes a picture of another shape."""
    try:
        if shapes_of(edit, base)[-1] != judge.shape:
            return Found(edit, _IMPOSSIBLE)
        return Found(edit, judge.score(partial(render, edit, base), n))
    except ContentError:
        return Found(edit, _IMPOSSIBLE)


def best_of(edits: Iterable[Edit], base: Opened, judge: Judge, n: int | None = None) -> Found | None:
    """The best of the edits that make a picture of the target's shape; what follows an exact one is not looked at."""
    best: Found | None = None
    for edit in edits:
        found = judged(edit, base, judge, n)
        if found.score < (best.score if best else _IMPOSSIBLE):
            best = found
        if best is not None and best.score < DONE:
            break
    return best
