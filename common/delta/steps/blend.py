"""From a plainer picture to the picture and beyond: colours stronger or weaker, edges sharper or softer, as Pillow has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.colour import blend, mix
from common.kernel.pixels import Samples
from common.kernel.warp import convolve

BLEND_BITS = 24
FILTER_BITS = 16
_LUMA = (19595 << 8, 38470 << 8, 7471 << 8, 0)
"""Of red, green, blue, in 1/2**24."""
_SIDES = {0: 0, 9: 3, 25: 5}
"""By how many weights there are."""
_RGB = 3


@dataclass(frozen=True, slots=True)
class Blend:
    """The plainer picture and `factor`, in 1/2**24, of the picture's difference from it, cut to whole levels.

    Plainer is what weights, (3, 3) or (5, 5) in 1/2**16, make of the surroundings of a pixel, where these are all in the
    picture; without weights its luma.
    """

    factor: int
    weights: tuple[int, ...] = ()

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) - 1 not in _SIDES or max(map(abs, values)) >= 1 << 31:
            raise ContentError("damaged", "a blend has a factor, and weights of a square or none")
        return cls(values[0], tuple(values[1:]))

    def to_ints(self) -> Sequence[int]:
        """Factor and weights."""
        return [self.factor, *self.weights]

    def shape(self, shape: Shape) -> Shape:
        """As it was. Errors: ContentError `damaged` of luma where there are no colours."""
        if not self.weights and shape.channels != _RGB:
            raise ContentError("damaged", "three channels have a luma")
        return shape

    def needs(self, window: Window, shape: Shape) -> Window:
        """The surroundings, as far as the picture reaches."""
        reach = self._reach
        top, left = max(window.top - reach, 0), max(window.left - reach, 0)
        bottom, right = window.top + window.rows + reach, window.left + window.cols + reach
        return Window(top, left, min(bottom, shape.rows) - top, min(right, shape.cols) - left)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """As Pillow's `ImageEnhance` and `ImageFilter`; pixels at the rim, whose surroundings are not all there, stay."""
        own = np.ascontiguousarray(window.within(at).of(part))
        if not self.weights:
            return blend(mix(own, np.array([_LUMA] * _RGB, np.int32)), own, self.factor)
        side, reach = _SIDES[len(self.weights)], self._reach
        filtered = convolve(np.ascontiguousarray(part), np.array(self.weights, np.int32).reshape(side, side))
        blended = blend(np.ascontiguousarray(window.within(at).of(filtered)), own, self.factor)
        for first, n, length, axis in ((window.top, window.rows, shape.rows, 0), (window.left, window.cols, shape.cols, 1)):
            place = np.arange(first, first + n)
            rim = (place < reach) | (place >= length - reach)
            if axis == 0:
                blended[rim] = own[rim]
            else:
                blended[:, rim] = own[:, rim]
        return blended

    @property
    def _reach(self) -> int:
        return _SIDES[len(self.weights)] // 2
