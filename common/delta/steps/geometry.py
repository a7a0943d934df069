"""Turned, cut, framed: pixels that move and stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.pixels import Samples

N_FORMS = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight forms. Bit 0: transposed first; bit 1: then mirrored left to right; bit 2: then upside down."""

    form: int

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) != 1 or not 0 <= values[0] < N_FORMS:
            raise ContentError("damaged", "a picture has eight forms")
        return cls(values[0])

    def to_ints(self) -> Sequence[int]:
        """The form."""
        return [self.form]

    def shape(self, shape: Shape) -> Shape:
        """Rows and columns change places in a transposed one."""
        return Shape(shape.cols, shape.rows, shape.channels) if self.form & 1 else shape

    def needs(self, window: Window, shape: Shape) -> Window:
        """The window, turned back."""
        outcome = self.shape(shape)
        top, left, rows, cols = window
        if self.form & 4:
            top = outcome.rows - top - rows
        if self.form & 2:
            left = outcome.cols - left - cols
        return Window(left, top, cols, rows) if self.form & 1 else Window(top, left, rows, cols)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The part, turned."""
        del at, window, shape
        return turned_to(self.form, part)


def turned_to(form: int, picture: Samples) -> Samples:
    """One of the eight forms of a picture."""
    turned = picture.transpose(1, 0, 2) if form & 1 else picture
    turned = turned[:, ::-1] if form & 2 else turned
    return np.ascontiguousarray(turned[::-1] if form & 4 else turned)


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of the picture."""

    top: int
    left: int
    rows: int
    cols: int

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) != 4 or min(values) < 0 or min(values[2:]) < 1:  # noqa: PLR2004 - a corner and a size
            raise ContentError("damaged", "a piece has a corner and a size")
        return cls(*values)

    def to_ints(self) -> Sequence[int]:
        """Corner and size."""
        return [self.top, self.left, self.rows, self.cols]

    def shape(self, shape: Shape) -> Shape:
        """Its own. Errors: ContentError `damaged` where it reaches outside."""
        if self.top + self.rows > shape.rows or self.left + self.cols > shape.cols:
            raise ContentError("damaged", "a piece lies in its picture")
        return Shape(self.rows, self.cols, shape.channels)

    def needs(self, window: Window, shape: Shape) -> Window:
        """The window, moved."""
        del shape
        return Window(self.top + window.top, self.left + window.left, window.rows, window.cols)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The part as it is."""
        del at, window, shape
        return part


@dataclass(frozen=True, slots=True)
class Border:
    """A frame of one colour around the picture; a level for each channel, or one for all."""

    top: int
    left: int
    bottom: int
    right: int
    colour: tuple[int, ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        widths, colour = values[:4], values[4:]
        if len(colour) not in (1, 3, 4) or min(values) < 0 or max(colour) > 255:  # noqa: PLR2004 - channels, a byte
            raise ContentError("damaged", "a border has four widths and a colour")
        return cls(widths[0], widths[1], widths[2], widths[3], tuple(colour))

    def to_ints(self) -> Sequence[int]:
        """Four widths and the colour."""
        return [self.top, self.left, self.bottom, self.right, *self.colour]

    def shape(self, shape: Shape) -> Shape:
        """Larger by the widths. Errors: ContentError `damaged` of a colour of other channels."""
        if len(self.colour) not in (1, shape.channels):
            raise ContentError("damaged", "a border has the channels of its picture")
        return Shape(shape.rows + self.top + self.bottom, shape.cols + self.left + self.right, shape.channels)

    def needs(self, window: Window, shape: Shape) -> Window:
        """What of the picture the window shows: perhaps nothing."""
        top, bottom = (min(max(n - self.top, 0), shape.rows) for n in (window.top, window.top + window.rows))
        left, right = (min(max(n - self.left, 0), shape.cols) for n in (window.left, window.left + window.cols))
        return Window(top, left, bottom - top, right - left)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The part, with what of the border the window shows."""
        framed = np.empty((window.rows, window.cols, shape.channels), np.uint8)
        framed[:] = self.colour
        top, left = at.top + self.top - window.top, at.left + self.left - window.left
        if at.is_something:
            framed[top : top + at.rows, left : left + at.cols] = part
        return framed
