"""Pictures that were blurred or sharpened, perhaps after they were resized: by which resizer, and as which program does it.

What sharpens hides what resized: a sharper kernel seems to come nearer. So the resizers that people use are compared by what the
best blur leaves of the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod

from common.delta.edits import Edit, shapes_of
from common.delta.opened import Opened
from common.delta.search.boxed import boxed
from common.delta.search.deepened import is_deep
from common.delta.search.found import DONE, Found, judged
from common.delta.search.judges import Judge
from common.delta.search.sharpness import Fit, filtered, measured
from common.delta.steps import Crop, Resize

_USUAL = (
    ("magick", ""),
    ("pillow", "lanczos"),
    ("pillow", "bicubic"),
    ("pillow_reduced", "bicubic"),
    ("graphics", ""),
    ("magick_thumbnail", "bilinear"),
)
"""Resizers that people sharpen after; ImageMagick and GraphicsMagick choose their kernel themselves."""
_AS_LIKELY = 2.5
"""Times what the best fit leaves, up to which another resizer's is as likely."""

_CLEAR = 0.9
"""What a fit leaves at most that is followed."""


def softened(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """By the resizer after which a blur explains most, as the programs do it that resize so."""
    if best is None:
        return None
    places = [best, *(judged(edit, base, judge, 1) for edit in _otherwise(best.edit, base))]
    fits = [(place, fit) for place in places if (fit := measured(base, judge, place)) is not None]
    least = min((fit.left for _, fit in fits), default=0.0)
    found: Found | None = None
    for place, fit in fits:
        for search in _searches(place.edit) if fit.left <= min(_AS_LIKELY * least, _CLEAR) else ():
            found = min((one for one in (found, search(base, judge, place, fit)) if one), key=lambda one: one.score)
            if found.score < DONE:
                return found
    return found


def _searches(edit: Edit) -> Sequence[Callable[[Opened, Judge, Found, Fit], Found]]:
    """Those of the program that resized, or all."""
    engines = [step.engine for step in edit.steps if isinstance(step, Resize)]
    if any(engine.startswith("pillow") for engine in engines):
        return (boxed,)
    return (filtered,) if is_deep(edit) else (boxed, filtered)


def _otherwise(edit: Edit, base: Opened) -> Iterator[Edit]:
    """The edit by other resizers, where it ends with one, and with a cut at most."""
    for at, step in enumerate(edit.steps):
        if isinstance(step, Resize) and all(isinstance(after, Crop) for after in edit.steps[at + 1 :]):
            own = "lanczos" if step.rows * step.cols < prod(shapes_of(edit, base)[at][:2]) else "mitchell"
            ways = [(engine, kernel or own) for engine, kernel in _USUAL]
            for engine, kernel in [way for way in ways if way != (step.engine, step.kernel)]:
                other = replace(step, engine=engine, kernel=kernel, area=step.area if engine == "pillow" else ())
                yield replace(edit, steps=(*edit.steps[:at], other, *edit.steps[at + 1 :]))
