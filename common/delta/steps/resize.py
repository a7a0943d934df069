"""Another size, as one of the programs makes it that people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.pixels import Samples
from common.kernel.resizing import Plan, plan

ENGINES = (
    "pillow",
    "pillow_reduced",
    "magick",
    "magick_thumbnail",
    "graphics",
    "graphics_thumbnail",
    "picked",
    "fine",
    "vips",
    "vips_shorter",
    "vips_each",
    "vips_15",
    "vips_15_shorter",
    "opencv",
)
"""Of `resizing`, by their number in deltas."""
KERNELS = (
    "lanczos",
    "bicubic",
    "bilinear",
    "box",
    "hamming",
    "mitchell",
    "lanczos2",
    "area",
    "spline",
    "hermite",
    "quadratic",
    "gaussian",
    "first",
    "middle",
    "centre",
    "sharp_bicubic",
    "lanczos4",
)
"""Curves, and places of what is picked, by their number in deltas."""
AREA_PARTS = 256
"""Places are told in these parts of a pixel."""
_MOST_SIDE = 65535


@dataclass(frozen=True, slots=True)
class Resize:
    """The picture, or an area of it (top, left, bottom, right, in 1/256 pixel), at `rows` x `cols`.

    Or by a factor (numerator, denominator) that leads to a size near that, where a program is asked for one and keeps to it.
    """

    rows: int
    cols: int
    engine: str
    kernel: str
    area: tuple[int, ...] = ()
    factor: tuple[int, ...] = ()

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) not in (4, 6, 8) or not all(0 < side <= _MOST_SIDE for side in values[:2]):
            raise ContentError("damaged", "a size has two sides, an engine and a kernel, a factor two parts, and an area four")
        rows, cols, engine, kernel = values[:4]
        if not 0 <= engine < len(ENGINES) or not 0 <= kernel < len(KERNELS):
            raise ContentError("damaged", "an unknown way to resize")
        if len(values) == 6 and not all(0 < part <= _MOST_SIDE for part in values[4:]):  # noqa: PLR2004 - with a factor
            raise ContentError("damaged", "a factor of 16 bits")
        parts = {6: "factor", 8: "area"}.get(len(values))
        return cls(rows, cols, ENGINES[engine], KERNELS[kernel], **({parts: tuple(values[4:])} if parts else {}))

    def to_ints(self) -> Sequence[int]:
        """Size, engine, kernel, and the area if it is not all, or the factor."""
        return [self.rows, self.cols, ENGINES.index(self.engine), KERNELS.index(self.kernel), *self.area, *self.factor]

    def shape(self, shape: Shape) -> Shape:
        """The size that is asked for."""
        return Shape(self.rows, self.cols, shape.channels)

    def needs(self, window: Window, shape: Shape) -> Window:
        """What the passes reach. Errors: ContentError `damaged` of what the engine does not do."""
        return Window(*self._plan(shape).needs(window))

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The weighted sums."""
        del at
        return self._plan(shape).apply(part, window)

    def deepen(self, part: Samples, window: Window, shape: Shape) -> NDArray[np.uint16]:
        """As `apply`, not yet brought back from 16 bits. Errors: ContentError `damaged` of an engine that has no such."""
        return self._plan(shape).deepen(part, window)

    def _plan(self, shape: Shape) -> Plan:
        area = None
        if self.area:
            top, left, bottom, right = (Fraction(place, AREA_PARTS) for place in self.area)
            area = (top, left, bottom, right)
        elif self.factor:
            numerator, denominator = self.factor
            down, across = (Fraction(side * denominator, numerator) for side in (self.rows, self.cols))
            area = (Fraction(0), Fraction(0), down, across)
        return plan((shape.rows, shape.cols), (self.rows, self.cols), self.engine, self.kernel, area)
