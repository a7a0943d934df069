"""Turned by degrees, leant, moved by parts of a pixel: another picture whose pixels show places between pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.step import NOTHING, Shape, Window
from common.errors import ContentError
from common.kernel import warp
from common.kernel.pixels import Samples
from common.kernel.taps import between, rings

SAMPLERS = ("bilinear", "catmull", "opencv", "ewa", "pillow_bilinear", "pillow")
"""By their number in deltas: between 2 x 2 samples, else 4 x 4; Pillow cuts what others round, ImageMagick takes a circle."""
ONE = 1 << 32
"""A pixel, in the numbers of a matrix."""
_CURVES = {"bilinear": None, "catmull": 2, "opencv": 3, "pillow_bilinear": None, "pillow": 4}
_MOST_SIDE = 65535
_MOST_LEAN, _MOST_MOVE = 1 << 40, 1 << 60
_REACH = 3
"""Samples around a place that its pixel may be made of, at most."""


@dataclass(frozen=True, slots=True)
class Warp:
    """`rows` x `cols`, whose pixel (x, y) shows the place `matrix` (2, 3) @ (x, y, 1), in pixels times 2**32.

    Around the picture there is a colour, a level for each channel or one for all; without one, its edges are repeated.
    """

    rows: int
    cols: int
    sampler: str
    matrix: tuple[int, ...]
    colour: tuple[int, ...] = ()

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if not 9 <= len(values) <= 13 or not all(0 < side <= _MOST_SIDE for side in values[:2]):  # noqa: PLR2004 - and a colour
            raise ContentError("damaged", "a warp has two sides, a sampler, six numbers and a colour")
        rows, cols, sampler, *rest = values
        matrix, colour = tuple(rest[:6]), tuple(rest[6:])
        limits = (_MOST_LEAN, _MOST_LEAN, _MOST_MOVE) * 2
        if not 0 <= sampler < len(SAMPLERS) or any(abs(n) > most for n, most in zip(matrix, limits, strict=True)):
            raise ContentError("damaged", "an unknown sampler, or a warp that leads too far")
        if len(colour) not in (0, 1, 3, 4) or any(not 0 <= level <= 255 for level in colour):  # noqa: PLR2004 - channels, a byte
            raise ContentError("damaged", "a colour has a level for each channel")
        return cls(rows, cols, SAMPLERS[sampler], matrix, colour)

    def to_ints(self) -> Sequence[int]:
        """Size, sampler, matrix, colour."""
        return [self.rows, self.cols, SAMPLERS.index(self.sampler), *self.matrix, *self.colour]

    def shape(self, shape: Shape) -> Shape:
        """The size that is asked for. Errors: ContentError `damaged` of a colour of other channels."""
        if len(self.colour) not in (0, 1, shape.channels):
            raise ContentError("damaged", "what is around a picture has its channels")
        return Shape(self.rows, self.cols, shape.channels)

    def needs(self, window: Window, shape: Shape) -> Window:
        """What the window's corners lead to, and a little around it; the nearest edge of what lies outside."""
        return self.needs_moved(window, shape, (0, 0, 0, 0))

    def needs_moved(self, window: Window, shape: Shape, moves: tuple[int, int, int, int]) -> Window:
        """The same where places are moved by so many pixels up to so many: least down and across, most down and across."""
        rows = [window.top, window.top + window.rows - 1]
        cols = [window.left, window.left + window.cols - 1]
        left, right = (side + move for side, move in zip(self._range(0, cols, rows), moves[1::2], strict=True))
        top, bottom = (side + move for side, move in zip(self._range(1, cols, rows), moves[::2], strict=True))
        if self.colour and (right <= 0 or bottom <= 0 or left >= shape.cols or top >= shape.rows):
            return NOTHING
        top, bottom = min(max(top, 0), shape.rows - 1), min(max(bottom, 1), shape.rows)
        left, right = min(max(left, 0), shape.cols - 1), min(max(right, 1), shape.cols)
        return Window(top, left, bottom - top, right - left)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """By the sampler. What lies around the part lies around the picture, as `needs` asks for all there is."""
        if not at.is_something:
            return np.broadcast_to(np.array(self.colour, np.uint8), (window.rows, window.cols, shape.channels)).copy()
        top, left = at.top, at.left
        is_pillow = self.sampler.startswith("pillow")
        if self.colour and not is_pillow:
            part = self._framed(part, shape.channels)
            top, left = top - _REACH, left - _REACH
        matrix = self.matrix_of(window, top, left)
        part = np.ascontiguousarray(part)
        if self.sampler == "ewa":
            return warp.ewa(part, matrix, window.rows, window.cols, _rings())
        warped = warp.warp(part, matrix, window.rows, window.cols, curve_of(self.sampler), is_cut=is_pillow)
        if self.colour and is_pillow:
            self._fill(warped, window, shape)
        return warped

    def _range(self, axis: int, cols: Sequence[int], rows: Sequence[int]) -> tuple[int, int]:
        """The first sample that is needed along an axis, and the first that is not."""
        across, down, start = self.matrix[3 * axis : 3 * axis + 3]
        places = [across * col + down * row + start for col in cols for row in rows]
        return (min(places) >> 32) - _REACH, (max(places) >> 32) + _REACH + 1

    def matrix_of(self, window: Window, top: int, left: int) -> NDArray[np.int64]:
        """The transform (2, 3) from a window to a part of the picture that begins there."""
        matrix = np.array(self.matrix, np.int64).reshape(2, 3)
        matrix[:, 2] += matrix[:, 0] * window.left + matrix[:, 1] * window.top - np.array([left, top], np.int64) * ONE
        return matrix

    def _fill(self, warped: Samples, window: Window, shape: Shape) -> None:
        """The colour wherever the middle of a pixel lies outside, as Pillow has it; its edges are repeated inside."""
        matrix = np.array(self.matrix, np.int64).reshape(2, 3)
        matrix[:, 2] += matrix[:, 0] * window.left + matrix[:, 1] * window.top + ONE // 2
        for row in range(window.rows):
            x, y = matrix[:, :1] * np.arange(window.cols) + matrix[:, 1:2] * row + matrix[:, 2:]
            warped[row, (x < 0) | (x >= shape.cols * ONE) | (y < 0) | (y >= shape.rows * ONE)] = self.colour

    def _framed(self, part: Samples, channels: int) -> Samples:
        """The part with the colour around it, as far as samples reach."""
        rows, cols = part.shape[:2]
        framed: NDArray[np.uint8] = np.empty((rows + 2 * _REACH, cols + 2 * _REACH, channels), np.uint8)
        framed[:] = self.colour
        framed[_REACH:-_REACH, _REACH:-_REACH] = part
        return framed


@cache
def _rings() -> NDArray[np.int32]:
    return rings()


@cache
def curve_of(sampler: str) -> NDArray[np.int32]:
    """Of a sampler that goes along rows and columns: see `between`."""
    return between(_CURVES[sampler])
