"""Targets that were turned by degrees: the angle that was asked for, and how the programs that turn pictures do it.

A measured place is near; people ask for whole degrees or hundredths, and each program has its own middle, margins and background.
Where no program's numbers fit, the measured ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, cos, degrees, floor, radians, sin
from types import MappingProxyType

import numpy as np

from common.delta.edits import Edit, shapes_of
from common.delta.opened import Opened, Place
from common.delta.search.aligned import drifts, fitted, moved
from common.delta.search.found import DONE, Found, best_of, promised
from common.delta.search.judges import Judge
from common.delta.search.places import Laid, after
from common.delta.steps import Resize, Shape, Turn, Warp
from common.delta.steps.warp import ONE

_Turning = Callable[[tuple[int, int], float], tuple[int, int, Place]]

_FEW = 3
"""Pieces that sort out what does not come near."""
_ALIGNMENTS = 4
_LEAST_AGREEMENT = 0.4
"""Of what the pieces tell about where they are."""
_STILL = 0.05
"""Pixels of the corners, below which an alignment has come to rest."""
_SAME_SIZE = 0.004
"""How much a scale may be off one where a picture was only turned."""
_MUCH_SMALLER = 1.3
"""A scale from which on a picture is made smaller before it is turned."""
_ROUND_DEGREES = (1.0, 0.5, 0.1, 0.05, 0.01)
_SURE_DEGREES = 0.02
_NEARLY = 4
"""Levels by which black and white may be off in a small look at a background."""


def best_leaning(here: Laid, base: Opened, judge: Judge) -> Found | None:
    """The best of the edits that turn the base by degrees, and lay it at the place."""
    colour = _background(here, judge)
    measured = _registered(here, base, judge, colour)
    if measured is None:
        return None
    exact = best_of(_turnings(measured, judge.shape, colour), base, judge, _FEW)
    if exact is not None and exact.score < DONE:
        return promised(exact.edit, base, judge)
    free = (
        shown_at(measured, judge.shape, sampler, colour)
        for sampler in ("catmull", "bilinear", "ewa", "opencv", "pillow", "pillow_bilinear")
    )
    found = [one for one in (exact, best_of(free, base, judge, _FEW)) if one is not None]
    return promised(min(found, key=lambda one: one.promise).edit, base, judge) if found else None


def _registered(here: Laid, base: Opened, judge: Judge, colour: tuple[int, ...]) -> Laid | None:
    """The place to hundredths of a pixel; None where the pieces do not agree on one near it."""
    rows, cols = judge.shape[:2]
    corners = np.array([[0, cols, 0, cols], [0, 0, rows, rows], [1, 1, 1, 1]])
    for _ in range(_ALIGNMENTS):
        edit = shown_at(here, judge.shape, "catmull", colour)
        if shapes_of(edit, base)[-1] != judge.shape:
            return None
        by, agreement = fitted(list(drifts(edit, base, judge)), is_upright=False)
        if agreement < _LEAST_AGREEMENT:
            return None
        here = moved(here, by)
        if np.abs(by @ corners - corners[:2]).max() < _STILL:
            break
    return here


def shown_at(here: Laid, shape: Shape, sampler: str, colour: tuple[int, ...]) -> Edit:
    """An edit that shows what is at the place, by these numbers."""
    scale = float(np.abs(np.linalg.det(here.matrix[:, :2]))) ** 0.5
    steps: list[Turn | Resize | Warp] = [Turn(here.form)] if here.form else []
    matrix = here.matrix
    if scale > _MUCH_SMALLER:
        rows, cols = max(1, round(here.turned.rows / scale)), max(1, round(here.turned.cols / scale))
        steps.append(Resize(rows, cols, "fine", "lanczos"))
        matrix = after(np.array([[cols / here.turned.cols, 0, 0], [0, rows / here.turned.rows, 0]]), matrix)
    return Edit((*steps, _warp(matrix, shape, sampler, colour)))


def _warp(matrix: Place, shape: Shape, sampler: str, colour: tuple[int, ...]) -> Warp:
    """The step of a transform of points whose (0, 0) is a corner: that of a step is the middle of a pixel."""
    centred = after(np.array([[1, 0, -0.5], [0, 1, -0.5]]), after(matrix, np.array([[1, 0, 0.5], [0, 1, 0.5]])))
    return Warp(shape.rows, shape.cols, sampler, tuple(round(float(number) * ONE) for number in centred.ravel()), colour)


def _magick(size: tuple[int, int], angle: float) -> tuple[int, int, Place]:
    """ImageMagick's -rotate: about the middle, the canvas half a pixel larger than needs be."""
    matrix = _about(size, angle)
    xs, ys = _bounds(size, matrix)
    left, top = floor(min(xs) - 0.5), floor(min(ys) - 0.5)
    rows, cols = ceil(max(ys) - top + 0.5), ceil(max(xs) - left + 0.5)
    return rows, cols, after(matrix, np.array([[1.0, 0, left], [0, 1.0, top]]))


def _expanded(size: tuple[int, int], angle: float) -> tuple[int, int, Place]:
    """Pillow's `rotate(expand=True)`: the canvas as large as needs be, its middle on the middle."""
    matrix = _about(size, angle)
    xs, ys = _bounds(size, matrix)
    cols, rows = ceil(max(xs)) - floor(min(xs)), ceil(max(ys)) - floor(min(ys))
    return rows, cols, after(matrix, np.array([[1.0, 0, (size[1] - cols) / 2], [0, 1.0, (size[0] - rows) / 2]]))


def _kept(size: tuple[int, int], angle: float) -> tuple[int, int, Place]:
    """About the middle, the canvas as it was."""
    return *size, _about(size, angle)


_TURNINGS: Mapping[_Turning, Sequence[str]] = MappingProxyType(
    {
        _magick: ("ewa",),
        _expanded: ("pillow", "pillow_bilinear"),
        _kept: ("pillow", "pillow_bilinear", "opencv", "bilinear", "ewa"),
    }
)
"""How programs turn (rows, cols) by radians: the outcome's rows and columns, where its points lie; and by which samplers."""


def _about(size: tuple[int, int], angle: float) -> Place:
    """Turned about the middle."""
    c, s = cos(angle), sin(angle)
    x, y = size[1] / 2, size[0] / 2
    return np.array([[c, s, x - c * x - s * y], [-s, c, y + s * x - c * y]])


def _bounds(size: tuple[int, int], matrix: Place) -> Place:
    """Where the base's corners come to lie: their xs and ys."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    return np.asarray((back @ [[0, size[1], 0, size[1]], [0, 0, size[0], size[0]], [1, 1, 1, 1]])[:2])


def _turnings(measured: Laid, shape: Shape, colour: tuple[int, ...]) -> Iterator[Edit]:
    """By the round angles near the measured one, as programs turn."""
    (a, b, _), (c, d, _) = measured.matrix
    if abs(float(np.linalg.det(measured.matrix[:, :2])) - 1) > _SAME_SIZE or abs(a - d) + abs(b + c) > _SAME_SIZE:
        return
    told = degrees(np.arctan2(b - c, a + d))
    size = measured.turned.rows, measured.turned.cols
    steps = (Turn(measured.form),) if measured.form else ()
    for angle in dict.fromkeys(round(told / unit) * unit for unit in _ROUND_DEGREES):
        for turning, samplers in _TURNINGS.items() if abs(angle - told) < _SURE_DEGREES else ():
            rows, cols, matrix = turning(size, radians(angle))
            if (rows, cols) == (shape.rows, shape.cols):
                yield from (Edit((*steps, _warp(matrix, shape, sampler, colour))) for sampler in samplers)


def _background(here: Laid, judge: Judge) -> tuple[int, ...]:
    """The colour in a corner that lies outside the base; none where all lie inside."""
    rows, cols = judge.shape[:2]
    small = judge.reduced(1)
    for x, y, row, col in ((0, 0, 0, 0), (cols, 0, 0, -1), (0, rows, -1, 0), (cols, rows, -1, -1)):
        at = here.matrix @ [x, y, 1]
        if not (-1 <= at[0] <= here.turned.cols + 1 and -1 <= at[1] <= here.turned.rows + 1):
            levels = [int(level) for level in small[row, col]]
            return tuple(0 if level < _NEARLY else 255 if level > 255 - _NEARLY else level for level in levels)
    return ()
