"""What every step can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

from common.kernel.pixels import Samples


class Shape(NamedTuple):
    """Of a picture."""

    rows: int
    cols: int
    channels: int


class Window(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    rows: int
    cols: int

    @property
    def is_something(self) -> bool:
        """Whether there is a pixel in it."""
        return self.rows > 0 and self.cols > 0

    def of(self, picture: Samples) -> Samples:
        """These pixels of the picture."""
        return picture[self.top : self.top + self.rows, self.left : self.left + self.cols]

    def lies_in(self, outer: Window) -> bool:
        """Whether another one holds all of it."""
        top, left, rows, cols = self.within(outer)
        return min(top, left) >= 0 and top + rows <= outer.rows and left + cols <= outer.cols

    def within(self, outer: Window) -> Window:
        """The same rectangle, counted from the corner of another one that holds it."""
        return Window(self.top - outer.top, self.left - outer.left, self.rows, self.cols)

    def widened(self, by: int, shape: Shape) -> Window:
        """The rectangle and what is around it, as far as a picture of this shape goes."""
        top, left = max(self.top - by, 0), max(self.left - by, 0)
        bottom, right = min(self.top + self.rows + by, shape.rows), min(self.left + self.cols + by, shape.cols)
        return Window(top, left, bottom - top, right - left)


NOTHING = Window(0, 0, 0, 0)


def whole(shape: Shape) -> Window:
    """All of a picture."""
    return Window(0, 0, shape.rows, shape.cols)


class Step(Protocol):
    """One thing done to a picture; a frozen value."""

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """The step that these numbers tell. Errors: ContentError `damaged`."""

    def to_ints(self) -> Sequence[int]:
        """The numbers that tell it."""

    def shape(self, shape: Shape) -> Shape:
        """The outcome's shape of a picture of this shape. Errors: ContentError `damaged` where it cannot be done to it."""

    def needs(self, window: Window, shape: Shape) -> Window:
        """The part of a picture of this shape that a window of the outcome is made of."""

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """A window of the outcome from the part `at` of a picture of this shape; `at` is what `needs` said.

        Errors: ContentError `damaged` of numbers that make no sense.
        """
