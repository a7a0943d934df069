"""Another shot of a scene: near things moved otherwise than far ones, so each place by its own amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.step import Shape, Window
from common.delta.steps.warp import Warp, curve_of
from common.errors import ContentError
from common.kernel import warp
from common.kernel.pixels import Samples

Field = NDArray[np.int32]

PER_PIXEL = 16
"""Of a move."""
BITS = (4, 9)
"""Least and most; a field has moves for every 2**bits-th row and column."""
_MOST_MOVE = 1 << 20
_N_HEAD = 10
_SAMPLERS = ("bilinear", "catmull", "opencv")


@dataclass(frozen=True, slots=True)
class Flow:
    """As `laid` shows the picture, but each place moved: across and down, in 1/16 pixel of the picture, row by row of a field."""

    laid: Warp
    bits: int
    moves: tuple[int, ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """From differences. Errors: ContentError `damaged`."""
        if len(values) < _N_HEAD or not BITS[0] <= values[0] <= BITS[1]:
            raise ContentError("damaged", "a flow has a spacing, a warp and moves")
        laid = Warp.from_ints(values[1:_N_HEAD])
        rows, cols = _nodes(laid, values[0])
        if laid.sampler not in _SAMPLERS or len(values) != _N_HEAD + 2 * rows * cols:
            raise ContentError("damaged", "a flow has moves for all of its picture")
        if max(map(abs, values[_N_HEAD:])) > 2 * _MOST_MOVE:
            raise ContentError("damaged", "a flow leads too far")
        moves = np.array(values[_N_HEAD:], np.int64).reshape(rows, cols, 2).cumsum(axis=0).cumsum(axis=1)
        if np.abs(moves).max() > _MOST_MOVE:
            raise ContentError("damaged", "a flow leads too far")
        return cls(laid, values[0], tuple(moves.ravel().tolist()))

    def to_ints(self) -> Sequence[int]:
        """The spacing, the warp, and by how much each move differs from what those above and to the left say."""
        field = self._field().astype(np.int64)
        field = np.diff(np.diff(field, axis=0, prepend=0), axis=1, prepend=0)
        return [self.bits, *self.laid.to_ints(), *field.ravel().tolist()]

    def shape(self, shape: Shape) -> Shape:
        """The warp's."""
        return self.laid.shape(shape)

    def needs(self, window: Window, shape: Shape) -> Window:
        """What the warp needs, and as much more as the window's moves lead away."""
        part = self._part(window)
        moves = part.reshape(-1, 2)
        (left, top), (right, bottom) = moves.min(axis=0) // PER_PIXEL, -(-moves.max(axis=0) // PER_PIXEL)
        return self.laid.needs_moved(window, shape, (int(top), int(left), int(bottom), int(right)))

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """By the warp's sampler."""
        del shape
        matrix = self.laid.matrix_of(window, at.top, at.left)
        return warp.flow(np.ascontiguousarray(part), matrix, self._field(), self.bits, (*window,), curve_of(self.laid.sampler))

    def _field(self) -> Field:
        return np.array(self.moves, np.int32).reshape(*_nodes(self.laid, self.bits), 2)

    def _part(self, window: Window) -> Field:
        """The moves around the window."""
        bottom, right = window.top + window.rows - 1, window.left + window.cols - 1
        rows = slice(window.top >> self.bits, (bottom >> self.bits) + 2)
        return self._field()[rows, window.left >> self.bits : (right >> self.bits) + 2]


def _nodes(laid: Warp, bits: int) -> tuple[int, int]:
    """Rows and columns of a field."""
    return ((laid.rows - 1) >> bits) + 2, ((laid.cols - 1) >> bits) + 2
