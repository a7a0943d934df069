"""Targets that have a rim of one colour around them: how wide it is, and a judge of what is inside.

A rim is told by rows and columns of the target that hardly differ from its corner. What it is around may be anything that can
be made of the base, and is looked for as if the rim were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.delta.opened import Opened, Place
from common.delta.search.found import Found
from common.delta.search.judges import Judge, Renders
from common.delta.steps import Border, Shape, Window
from common.kernel.pixels import Samples

_FLAT = 4.0
"""Levels by which a row of a rim may differ from its colour on average: what is left of an edge is around it."""
_FLAT_IN_SMALL = 40.0
"""The same at an eighth, where the picture may be in that row too."""
_BLURRED = 12
"""Pixels that an edge may be spread over."""
_LEAST_WIDTH = 2
_LEAST_SIDES = 2
_SLACK = 3
"""Pixels by which a rim may seem wider or narrower where the picture beside it is flat too."""
_LEAST_INSIDE = 16
"""Pixels to a side."""
_ENDS = (slice(0, 2), slice(-2, None))
"""Of rows and columns."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A judge of what is inside of a border, by a judge of all that looks at pieces in there alone."""

    outer: Judge
    border: Border

    @property
    def shape(self) -> Shape:
        """Without the border."""
        rows, cols, channels = self.outer.shape
        return Shape(rows - self.border.top - self.border.bottom, cols - self.border.left - self.border.right, channels)

    @property
    def windows(self) -> Sequence[Window]:
        """Those of the outer judge, which lie inside."""
        return [self._moved(window, -1) for window in self.outer.windows]

    def score(self, renders: Renders, n: int | None = None) -> float:
        """As the outer judge."""
        return self.outer.score(lambda window: renders(self._moved(window, -1)), n)

    def shown(self, window: Window) -> Samples:
        """As the outer judge."""
        return self.outer.shown(self._moved(window, 1))

    def passed(self, window: Window, picture: Samples) -> Samples:
        """As the outer judge."""
        return self.outer.passed(self._moved(window, 1), picture)

    def reduced(self, eighths: int) -> Samples:
        """The outer picture's inside, to the pixel that is left of it."""
        rows, cols = (-(-n * eighths // 8) for n in self.shape[:2])
        top, left = (n * eighths // 8 for n in (self.border.top, self.border.left))
        return self.outer.reduced(eighths)[top : top + rows, left : left + cols]

    @property
    def hint(self) -> Place | None:
        """None: a hint is about all of the target."""
        return None

    def within(self, window: Window) -> Inside:
        """Of the pieces in a window."""
        return Inside(self.outer.within(self._moved(window, 1)), self.border)

    def _moved(self, window: Window, sign: int) -> Window:
        """Out of the border (-1), or back into it."""
        return window._replace(top=window.top + sign * self.border.top, left=window.left + sign * self.border.left)


def insides(base: Opened, judge: Judge) -> Iterator[Inside]:
    """What may be inside of a rim: as wide as the base leaves room for, else as it seems."""
    if not has_rim(judge.reduced):
        return
    whole = judge.reduced(8)
    down, across = _differences(whole)
    widths = (_width(down), _width(across), _width(down[::-1]), _width(across[::-1]))
    seems = Border(*widths, _corner(whole))
    for border in dict.fromkeys([*_fitting(seems, judge.shape, Shape(*base.shape())), seems]):
        shape = Inside(judge, border).shape
        if min(shape[:2]) < _LEAST_INSIDE:
            continue
        inside = Inside(judge.within(Window(border.top, border.left, shape.rows, shape.cols)), border)
        if inside.windows:
            yield inside


def has_rim(at_eighths: Callable[[int], Samples]) -> bool:
    """Whether a picture, which is asked for in small first, has one colour at two sides or more."""
    if _n_flat(at_eighths(1), 0, _FLAT_IN_SMALL) < _LEAST_SIDES:
        return False
    return _n_flat(at_eighths(8), _LEAST_WIDTH - 1, _FLAT) >= _LEAST_SIDES


def with_border(found: Found, inside: Inside) -> Found:
    """What was found inside, with the border around it."""
    return replace(found, edit=found.edit.then(inside.border))


def _corner(picture: Samples) -> tuple[int, ...]:
    """The colour of the corners."""
    corners = np.concatenate([picture[rows, cols].reshape(-1, picture.shape[2]) for rows in _ENDS for cols in _ENDS])
    return tuple(np.median(corners, axis=0).astype(int).tolist())


def _differences(picture: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much each row, and each column, differs from the corners' colour on average."""
    differs = np.abs(picture.astype(np.int16) - np.array(_corner(picture), np.int16)).max(axis=2)
    return differs.mean(axis=1), differs.mean(axis=0)


def _n_flat(picture: Samples, at: int, level: float) -> int:
    """At how many sides the row so far from the edge has about the corners' colour."""
    down, across = _differences(picture)
    return sum(bool(one[at] < level) for one in (down, across, down[::-1], across[::-1]) if len(one) > at)


def _width(differs: NDArray[np.float64]) -> int:
    """How many rows from the first on are flat: an edge that an encoder has blurred is where the picture is half there."""
    if not (differs > _FLAT).any():
        return 0
    begins = int(np.argmax(differs > _FLAT))
    there = float(np.median(differs[begins : begins + _BLURRED]))
    return int(np.argmax(differs > max(_FLAT, there / 2)))


def _fitting(seems: Border, shape: Shape, base: Shape) -> Iterator[Border]:
    """Borders that leave the base's size, lying or standing, and hardly differ from what seems."""
    for rows, cols in {(base.rows, base.cols), (base.cols, base.rows)}:
        by_rows, by_cols = shape.rows - rows, shape.cols - cols
        if abs(by_rows - seems.top - seems.bottom) <= 2 * _SLACK and abs(by_cols - seems.left - seems.right) <= 2 * _SLACK:
            top = by_rows // 2 if abs(seems.top - seems.bottom) <= 2 * _SLACK else min(seems.top, by_rows)
            left = by_cols // 2 if abs(seems.left - seems.right) <= 2 * _SLACK else min(seems.left, by_cols)
            if min(top, left, by_rows - top, by_cols - left) >= 0:
                yield Border(top, left, by_rows - top, by_cols - left, seems.colour)
