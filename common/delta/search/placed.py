"""Where in the base the target's picture is: all of it, turned; all of it, in another size; a piece of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2

from common.delta.edits import Edit, render, shapes_of
from common.delta.opened import Opened
from common.delta.search.found import Found, best_of, judged
from common.delta.search.judges import Judge
from common.delta.search.seen import grey, reduced
from common.delta.steps import Crop, Grey, Resize, Shape, Step, Turn, Window
from common.delta.steps.geometry import N_FORMS, turned_to

_GREYS = ((19595, 38470, 7471), (13933, 46871, 4732))
"""Of red, green and blue: Rec. 601 as in YCbCr, Rec. 709 as ImageMagick takes it."""
_FEW = 3
"""Pieces that sort out what does not come near."""
_LIKELY_RESIZERS = (
    ("pillow", "lanczos"),
    ("magick", "lanczos"),
    ("pillow", "bicubic"),
    ("vips", "lanczos"),
    ("graphics", "lanczos"),
    ("magick_thumbnail", "bilinear"),
    ("magick_thumbnail", "lanczos"),
    ("pillow_reduced", "bicubic"),
    ("pillow", "bilinear"),
    ("vips_shorter", "lanczos"),
    ("vips_15", "lanczos"),
    ("vips_15_shorter", "lanczos"),
    ("pillow_reduced", "lanczos"),
    ("fine", "area"),
    ("magick", "mitchell"),
    ("graphics", "mitchell"),
    ("graphics_thumbnail", "box"),
    ("pillow", "box"),
    ("magick", "bilinear"),
    ("pillow", "hamming"),
    ("magick", "bicubic"),
    ("magick", "quadratic"),
    ("magick", "box"),
    ("graphics", "box"),
    ("graphics", "bilinear"),
    ("vips_each", "lanczos"),
    ("fine", "lanczos"),
    ("fine", "bicubic"),
    ("picked", "middle"),
    ("picked", "first"),
    ("picked", "centre"),
)
_LIKELY_IN_PART = (
    ("vips", "lanczos"),
    ("pillow", "bicubic"),
    ("pillow_reduced", "bicubic"),
    ("pillow", "lanczos"),
    ("vips_shorter", "lanczos"),
    ("vips_15", "lanczos"),
    ("vips_15_shorter", "lanczos"),
    ("pillow_reduced", "lanczos"),
    ("magick", "lanczos"),
    ("fine", "area"),
)
"""Of a JPEG that was opened at a part of its size."""
_ROUNDED = 1.5
"""Pixels by which a side may differ from the other one's scale."""
_COARSE = 2
"""Eighths at which a piece is looked for."""
_LEAST_SIDE = 8
_LEAST_LIKENESS = 0.5
_AROUND = 12
"""Pixels by which a place found in small may be wrong."""


def turned(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """All of it, at its size, in one of the eight forms."""
    del best
    return best_of(_conformed(_forms(base, judge.shape, is_scaled=False), base, judge), base, judge)


def resized(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """All of it, smaller or larger, by the resizers that people use; a JPEG may have been opened at a part of its size."""
    del best
    size = judge.shape.rows, judge.shape.cols
    forms = _conformed(_forms(base, judge.shape, is_scaled=True), base, judge)
    placed = best_of((edit.then(Resize(*size, "pillow", "bilinear")) for edit in forms), base, judge, _FEW)
    if placed is None:
        return None
    steps = placed.edit.steps[:-1]
    scale = min(n / m for n, m in zip(size, shapes_of(Edit(steps), base)[-1], strict=False))
    likely = [
        Edit(_resizing(steps, size, engine, kernel), eighths)
        for eighths in (8, 4, 2, 1)
        if eighths == 8 or (base.is_jpeg and scale <= eighths / 8)  # noqa: PLR2004 - its own size
        for engine, kernel in (_LIKELY_RESIZERS if eighths == 8 else _LIKELY_IN_PART)  # noqa: PLR2004 - its own size
    ]
    few = best_of(likely, base, judge, _FEW)
    return few and judged(few.edit, base, judge)


def _resizing(steps: Sequence[Step], size: tuple[int, int], engine: str, kernel: str) -> tuple[Step, ...]:
    """The steps, and then to the size; libvips turns what it has resized."""
    turns = [step for step in steps if isinstance(step, Turn)] if engine.startswith("vips") else []
    rows, cols = size[::-1] if any(turn.form & 1 for turn in turns) else size
    return (*(step for step in steps if step not in turns), Resize(rows, cols, engine, kernel), *turns)


def cropped(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """A piece of it, at its size: found in small, then to the pixel."""
    del best
    places = sorted(
        (place for form in range(N_FORMS) if (place := _located(form, base, judge))), key=lambda place: -place.likeness
    )
    turned = (_turn(place.form).then(_exactly(place, base, judge)) for place in places if place.likeness > _LEAST_LIKENESS)
    return best_of(_conformed(turned, base, judge), base, judge)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a form of the base shows the target, and how much alike they are there: a coefficient of correlation."""

    form: int
    top: int
    left: int
    likeness: float


def _located(form: int, base: Opened, judge: Judge) -> _Place | None:
    """The likeliest place at a quarter of the size; None where the target is larger than the form."""
    rows, cols = shapes_of(_turn(form), base)[-1][:2]
    if rows < judge.shape.rows or cols < judge.shape.cols:
        return None
    whole = grey(turned_to(form, reduced(base, _COARSE)))
    piece = grey(judge.reduced(_COARSE))[: whole.shape[0], : whole.shape[1]]
    if min(piece.shape) < _LEAST_SIDE:
        return None
    likeness = cv2.matchTemplate(whole, piece, cv2.TM_CCOEFF_NORMED)
    _, highest, _, (left, top) = cv2.minMaxLoc(likeness)
    return _Place(form, top * 8 // _COARSE, left * 8 // _COARSE, highest)


def _exactly(place: _Place, base: Opened, judge: Judge) -> Crop:
    """The place to the pixel, by the most telling piece."""
    rows, cols = shapes_of(_turn(place.form), base)[-1][:2]
    window = judge.windows[0]
    top, left = (max(0, n - _AROUND) for n in (place.top + window.top, place.left + window.left))
    around = Window(top, left, min(window.rows + 2 * _AROUND, rows - top), min(window.cols + 2 * _AROUND, cols - left))
    seen = grey(render(_turn(place.form), base, around))
    likeness = cv2.matchTemplate(seen, grey(judge.shown(window)), cv2.TM_CCOEFF_NORMED)
    _, _, _, (right, down) = cv2.minMaxLoc(likeness)
    corner = top + down - window.top, left + right - window.left
    corner = min(max(corner[0], 0), rows - judge.shape.rows), min(max(corner[1], 0), cols - judge.shape.cols)
    return Crop(*corner, judge.shape.rows, judge.shape.cols)


def _turn(form: int) -> Edit:
    return Edit((Turn(form),)) if form else Edit()


def _forms(base: Opened, shape: Shape, *, is_scaled: bool) -> Iterator[Edit]:
    """The forms of the base that have the target's size, or its proportions."""
    for form in range(N_FORMS):
        rows, cols = shapes_of(_turn(form), base)[-1][:2]
        if (rows, cols) == (shape.rows, shape.cols) or (is_scaled and _is_proportional((rows, cols), shape)):
            yield _turn(form)


def _is_proportional(size: tuple[int, int], shape: Shape) -> bool:
    """Whether one side is what the other one's scale makes of it, give or take what programs round and cut."""
    rows, cols = size
    return abs(shape.cols * rows - shape.rows * cols) <= _ROUNDED * max(rows, cols)


def _conformed(edits: Iterable[Edit], base: Opened, judge: Judge) -> Iterator[Edit]:
    """The edits with colours made grey, or grey made colours, where the target has other channels than the base."""
    for edit in edits:
        channels = shapes_of(edit, base)[-1].channels, judge.shape.channels
        if channels == (3, 1):
            yield from (edit.then(Grey(weights)) for weights in _GREYS)
        elif channels == (1, 3):
            yield edit.then(Grey(()))
        else:
            yield edit
