"""Another size, as one of the programs makes it that people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

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
)
"""Curves, and places of what is picked, by their number in deltas."""
_MOST_SIDE = 65535


@dataclass(frozen=True, slots=True)
class Resize:
    """The whole picture, `rows` x `cols`."""

    rows: int
    cols: int
    engine: str
    kernel: str

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) != 4 or not all(0 < side <= _MOST_SIDE for side in values[:2]):  # noqa: PLR2004 - sides, engine, kernel
            raise ContentError("damaged", "a size has two sides, an engine and a kernel")
        rows, cols, engine, kernel = values
        if not 0 <= engine < len(ENGINES) or not 0 <= kernel < len(KERNELS):
            raise ContentError("damaged", "an unknown way to resize")
        return cls(rows, cols, ENGINES[engine], KERNELS[kernel])

    def to_ints(self) -> Sequence[int]:
        """Size, engine, kernel."""
        return [self.rows, self.cols, ENGINES.index(self.engine), KERNELS.index(self.kernel)]

    def shape(self, shape: Shape) -> Shape:
        """The size that is asked for."""
        return Shape(self.rows, self.cols, shape.channels)

    def needs(self, window: Window, shape: Shape) -> Window:
        """What the passes reach. Errors: ContentError `damaged` of a kernel that the engine does not have."""
        return Window(*self._plan(shape).needs(window))

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """As the engine does it."""
        del at
        return self._plan(shape).apply(part, window)

    def _plan(self, shape: Shape) -> Plan:
        return plan((shape.rows, shape.cols), (self.rows, self.cols), self.engine, self.kernel)
