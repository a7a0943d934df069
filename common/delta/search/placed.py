"""Where in the base the target's picture is, and the steps that bring it there: turned, cut, resized, framed.

Places are guessed in small and made exact on a few pieces. What people do to pictures gives whole numbers of pixels, so the
numbers next to what was measured are tried, with the resizers that people use. Tones may have changed: what counts is what a
place promises when they are set right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import ceil, floor

import numpy as np

from common.delta.edits import Edit, shapes_of
from common.delta.opened import Opened, Place
from common.delta.search.aligned import drifts, fitted, moved
from common.delta.search.flowing import best_flowing
from common.delta.search.found import EXACT, Found, best_of, promised
from common.delta.search.guessed import guesses
from common.delta.search.judges import Judge
from common.delta.search.leaning import best_leaning
from common.delta.search.places import Laid, is_near, laid
from common.delta.search.resizers import LIKELY, best_resized
from common.delta.search.seen import Look, look, reduced
from common.delta.steps import Crop, Grey, Mix, Resize, Shape, Turn
from common.delta.steps.geometry import N_FORMS, turned_to
from common.delta.steps.tone import GREY_BITS
from common.kernel.pixels import Samples

_GREYS = ((19595, 38470, 7471), (13933, 46871, 4732))
"""Of red, green and blue: Rec. 601 as in YCbCr, Rec. 709 as ImageMagick takes it."""
_CUT_GREY = Mix(((5016388, 9848226, 1912602, -(1 << 15)),) * 3)
"""Rec. 601, cut as GraphicsMagick does it: in 1/2**24, less half a level."""
_AS_LIKE = 0.05
"""By how much less a form may correlate that is as likely."""
_SMALL = 128
"""Pixels to the longer side of what forms are told by."""
_FEW = 3
"""Pieces that sort out what does not come near."""
_GOOD = 0.5
"""A promise that no other place is likely to break."""
_LEAST_AGREEMENT = 0.4
"""Of what the pieces tell about where they are."""
_UPRIGHT = 0.5
"""Pixels that the corners of an upright target may seem to lie off."""
_MOST_SKEW = 8.0
"""Likewise, before they are aligned."""
_SURE = 0.25
"""Pixels by which a measured edge may be off."""
_ALIGNMENTS = 3
_OFF = 1.5
"""Pixels of the target, or of a base that is smaller, by which all of the base may seem to lie off."""
_MOST_BOXES = 6
_MOST_PLACES = 4
"""That are looked at closely, the likest first."""

Box = tuple[int, int, int, int]
"""Top, left, bottom, right."""


def turned(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """All of it, at its size, in one of the eight forms: those that are likest it in small."""
    del best
    likeness = _likenesses(base, judge)
    likely = [form for form in likeness if likeness[form] > max(likeness.values()) - _AS_LIKE]
    few = best_of((edit for form in likely for edit in _conformed(_turned(form), base, judge)), base, judge, _FEW)
    return few and promised(few.edit, base, judge)


def _likenesses(base: Opened, judge: Judge) -> Mapping[int, float]:
    """How well each form of the base that has the target's size correlates with it or its negative, in small."""
    shape = Shape(*base.shape())
    sizes = {form: Turn(form).shape(shape)[:2] for form in range(N_FORMS)}
    forms = [form for form, size in sizes.items() if size == judge.shape[:2]]
    if len(forms) == 0:
        return {}
    there = _normal(look(judge.reduced, judge.shape, _SMALL).astype(np.uint8))
    whole = look(partial(reduced, base), shape, _SMALL).astype(np.uint8)[:, :, None]
    turns = {form: _normal(turned_to(form, whole)[:, :, 0]) for form in forms}
    return {form: abs(float((here * there).mean())) if here.shape == there.shape else 0.0 for form, here in turns.items()}


def _normal(picture: Samples) -> Look:
    """With a mean of 0 and a variance of 1."""
    return np.asarray((picture - picture.mean()) / (picture.std() + 1), np.float32)


def placed(base: Opened, judge: Judge, best: Found | None) -> Found | None:
    """All or a piece of it, in any form and size."""
    if best is not None and best.promise < _GOOD / 2:
        return None
    best, likest = None, None
    seen: list[Place] = []
    for guess in guesses(base, judge):
        if any(is_near(guess.place, other) for other in seen):
            continue
        if len(seen) == _MOST_PLACES:
            break
        seen.append(guess.place)
        likest = guess if likest is None or guess.likeness > likest.likeness else likest
        here = laid(guess.place, judge.shape, Shape(*base.shape()))
        upright = _registered(here, base, judge) if here.skew(judge.shape) < _MOST_SKEW else None
        found = _best_upright(upright, base, judge) if upright else best_leaning(here, base, judge)
        best = _more_promising(best, found)
        if best is not None and best.promise < _GOOD:
            return best
    flowing = best_flowing([likest.place] if likest else [], base, judge)
    return _more_promising(best, flowing)


def _registered(here: Laid, base: Opened, judge: Judge) -> Laid | None:
    """The place to hundredths of a pixel; None where the pieces do not agree on one near it."""
    for _ in range(_ALIGNMENTS):
        rough, at = _roughly(here, judge.shape)
        edit = next(_conformed(rough, base, judge))
        found = list(drifts(edit, base, judge)) if shapes_of(edit, base)[-1] == judge.shape else []
        by, agreement = fitted(found, is_upright=True)
        if agreement < _LEAST_AGREEMENT:
            return None
        here = moved(at, by)
        corners = by @ np.array([[0, judge.shape.cols, 0], [0, 0, judge.shape.rows], [1, 1, 1]])
        if np.abs(corners - [[0, judge.shape.cols, 0], [0, 0, judge.shape.rows]]).max() < _SURE:
            break
    return here


def _roughly(here: Laid, shape: Shape) -> tuple[Edit, Laid]:
    """An edit that shows about what is at the place, in whole pixels of the base, and what place that is."""
    top, left, bottom, right = (round(edge) for edge in here.box_of(shape))
    top, left = min(max(top, 0), here.turned.rows - 1), min(max(left, 0), here.turned.cols - 1)
    bottom, right = min(max(bottom, top + 1), here.turned.rows), min(max(right, left + 1), here.turned.cols)
    edit = _sized(_cutting((top, left, bottom, right), here), (bottom - top, right - left), shape, ("pillow", "bilinear"))
    matrix = np.array([[(right - left) / shape.cols, 0.0, left], [0.0, (bottom - top) / shape.rows, top]])
    return edit, Laid(here.form, matrix, here.turned)


def _best_upright(here: Laid, base: Opened, judge: Judge) -> Found | None:
    """The best of all of the base, where it may be that, and of the edits that whole numbers of pixels near the place make."""
    wholes = [one.edit for rough in _wholes(here, judge.shape) if (one := _likeliest([rough], base, judge))]
    best: Found | None = None
    for edit in wholes:
        best = _more_promising(best, best_resized(edit, base, judge))
        if best is not None and best.score < EXACT:
            return best
    boxes = _boxes(here, judge.shape)
    cut = [_sized(_cutting(box, here), (box[2] - box[0], box[3] - box[1]), judge.shape) for box in boxes]
    placed = _likeliest([*cut, *_trimmed(here, judge.shape)], base, judge)
    if placed is None or placed.edit in wholes:
        return best
    is_resized = any(isinstance(step, Resize) for step in placed.edit.steps)
    return _more_promising(best, (best_resized if is_resized else promised)(placed.edit, base, judge))


def _likeliest(edits: Iterable[Edit], base: Opened, judge: Judge) -> Found | None:
    """The most promising on a few pieces, in the target's channels."""
    return best_of((edit for rough in edits for edit in _conformed(rough, base, judge)), base, judge, _FEW)


def _more_promising(best: Found | None, other: Found | None) -> Found | None:
    """The first of equals."""
    return min((found for found in (best, other) if found), key=lambda found: found.promise, default=None)


def _wholes(here: Laid, shape: Shape) -> Iterator[Edit]:
    """All of the base in another size: the target's, or what fills that, cut in the middle; where the place may be that.

    What a program resizes from an opening at a part of its size, or by means of boxes, may lie off by a pixel of the target.
    """
    whole = here.turned[:2]
    filling = [(shape.rows, round(shape.rows * whole[1] / whole[0])), (round(shape.cols * whole[0] / whole[1]), shape.cols)]
    for size in dict.fromkeys([(shape.rows, shape.cols), *filling]):
        begin = [(n - side) // 2 for n, side in zip(size, shape, strict=False)]
        end = [n + side for n, side in zip(begin, shape, strict=False)]
        scales = [n / m for n, m in zip(whole, size, strict=True)] * 2
        off = [abs(n * by - edge) / max(by, 1) for n, by, edge in zip((*begin, *end), scales, here.box_of(shape), strict=True)]
        if size != whole and min(begin) >= 0 and max(off) < _OFF:
            edit = _sized(_turned(here.form), whole, Shape(*size, shape.channels))
            yield edit if size == shape[:2] else edit.then(Crop(begin[0], begin[1], shape.rows, shape.cols))


def _boxes(here: Laid, shape: Shape) -> Iterator[Box]:
    """Boxes of whole pixels around what was measured, the nearest first."""
    edges = here.box_of(shape)
    limits = (here.turned.rows, here.turned.cols) * 2
    near = [_near(edge, limit) for edge, limit in zip(edges, limits, strict=True)]
    boxes = sorted(product(*near), key=lambda box: sum(abs(n - edge) for n, edge in zip(box, edges, strict=True)))
    for top, left, bottom, right in boxes[:_MOST_BOXES]:
        if bottom > top and right > left:
            yield top, left, bottom, right


def _trimmed(here: Laid, shape: Shape) -> Iterator[Edit]:
    """All of the base in another size, and of that a piece: as where a given size is filled."""
    top, left, bottom, right = here.box_of(shape)
    sides, middle = (bottom - top, right - left), ((top + bottom) / 2, (left + right) / 2)
    if all(abs(side - n) < 1 for side, n in zip(sides, here.turned[:2], strict=True)):
        return
    scaled = [n * whole / side for n, whole, side in zip(shape[:2], here.turned[:2], sides, strict=True)]
    sizes = []
    for k in (0, 1):
        slack = _SURE * max(1.0, scaled[k] / shape[k])
        for n in range(max(ceil(scaled[k] - slack), shape[k]), floor(scaled[k] + slack) + 1):
            other = n * here.turned[1 - k] / here.turned[k]
            sizes += [(n, m) if k == 0 else (m, n) for m in (floor(other), ceil(other)) if m >= shape[1 - k]]
    off = {size: max(abs(n - near) for n, near in zip(size, scaled, strict=True)) for size in sizes}
    for rows, cols in sorted(off, key=off.__getitem__)[:_MOST_BOXES]:
        at = [m * n / whole - side / 2 for m, n, whole, side in zip(middle, (rows, cols), here.turned, shape, strict=False)]
        down, across = (min(max(round(begin), 0), n - side) for begin, n, side in zip(at, (rows, cols), shape, strict=False))
        yield _turned(here.form).then(Resize(rows, cols, *LIKELY[0]), Crop(down, across, shape.rows, shape.cols))


def _near(edge: float, limit: int) -> list[int]:
    """Whole numbers that a measured edge may be."""
    near = {min(max(round(edge + off), 0), limit) for off in (0.0, -_SURE, _SURE)}
    return sorted(near, key=lambda n: abs(n - edge))


def _turned(form: int) -> Edit:
    return Edit((Turn(form),)) if form else Edit()


def _cutting(box: Box, here: Laid) -> Edit:
    """The piece of the base in its form."""
    top, left, bottom, right = box
    is_whole = box == (0, 0, here.turned.rows, here.turned.cols)
    return _turned(here.form) if is_whole else _turned(here.form).then(Crop(top, left, bottom - top, right - left))


def _sized(edit: Edit, size: Sequence[int], shape: Shape, way: tuple[str, str] = LIKELY[0]) -> Edit:
    """The edit, which makes a picture of such a size, with one of the target's."""
    return edit if tuple(size) == (shape.rows, shape.cols) else edit.then(Resize(shape.rows, shape.cols, *way))


def _conformed(edit: Edit, base: Opened, judge: Judge) -> Iterator[Edit]:
    """The edit with colours made grey, or grey made colours, where the target has other channels than the base."""
    channels = shapes_of(edit, base)[-1].channels, judge.shape.channels
    if channels == (3, 1):
        yield from (edit.then(Grey(weights)) for weights in _GREYS)
        yield edit.then(_CUT_GREY, Grey((1 << GREY_BITS, 0, 0)))
    elif channels == (1, 3):
        yield edit.then(Grey(()))
    else:
        yield edit
