"""Blurred by means of boxes, or sharpened by what differs from that, as Pillow does it with 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.boxes import blur_across
from common.kernel.pixels import Samples

BOX_BITS = 24
_MOST_REACH = 4095
_MOST_PASSES = 8
_MOST_PERCENT = 100_000
_SIDES = (4, 6)


@dataclass(frozen=True, slots=True)
class BoxBlur:
    """Sums of a sample and `reach` on either side by `weight`, and of one more by `far_weight`, in 1/2**24.

    So many passes across, then down, each rounded. With a percentage, so much of what a level differs by from that is added to
    it, where it is more than the threshold.
    """

    reach: int
    weight: int
    far_weight: int
    passes: int
    sharpened: tuple[int, ...] = ()
    """Percent and threshold, or nothing: the blur itself."""

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) not in _SIDES or min(values) < 0:
            raise ContentError("damaged", "a blur has a reach, two weights and passes; sharpening a percentage and a threshold")
        most = (_MOST_REACH, 1 << BOX_BITS, 1 << BOX_BITS, _MOST_PASSES, _MOST_PERCENT, 255)
        if any(value > limit for value, limit in zip(values, most, strict=False)):
            raise ContentError("damaged", "a box too wide, weights too large, or too many passes")
        reach, weight, far_weight, passes, *sharpened = values
        return cls(reach, weight, far_weight, passes, tuple(sharpened))

    def to_ints(self) -> Sequence[int]:
        """Reach, weights, passes; percent and threshold if there are."""
        return [self.reach, self.weight, self.far_weight, self.passes, *self.sharpened]

    def shape(self, shape: Shape) -> Shape:
        """As it was."""
        return shape

    def needs(self, window: Window, shape: Shape) -> Window:
        """As far as the passes reach, within the picture."""
        reach = self.passes * (self.reach + 1)
        top, left = max(window.top - reach, 0), max(window.left - reach, 0)
        bottom, right = window.top + window.rows + reach, window.left + window.cols + reach
        return Window(top, left, min(bottom, shape.rows) - top, min(right, shape.cols) - left)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """As Pillow's `BoxBlur`, `GaussianBlur` and `UnsharpMask`."""
        del shape
        within = window.within(at)
        own = within.of(part)
        across = self._passed(np.ascontiguousarray(part))
        blurred = self._passed(np.ascontiguousarray(across.transpose(1, 0, 2))).transpose(1, 0, 2)
        blurred = np.ascontiguousarray(within.of(blurred))
        if not self.sharpened:
            return blurred
        percent, threshold = self.sharpened
        differs = own.astype(np.int32) - blurred
        added = np.sign(differs) * (np.abs(differs) * percent // 100)  # cut towards nought, as C divides
        return np.where(np.abs(differs) > threshold, np.clip(own + added, 0, 255), own).astype(np.uint8)

    def _passed(self, picture: Samples) -> Samples:
        for _ in range(self.passes):
            picture = blur_across(picture, self.reach, self.weight, self.far_weight)
        return picture
