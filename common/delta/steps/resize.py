"""Another size, as one of the programs makes it that people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.pixels import Samples
from common.kernel.taps import Taps, magick_goes_down_first, resample, taps

ENGINES = ("pillow", "magick", "graphics", "fine")
KERNELS = ("lanczos", "bicubic", "bilinear", "box", "hamming", "mitchell", "lanczos2", "area")
_UNITS = {"pillow": 1, "magick": 257, "graphics": 257, "fine": 16384}
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
        """What the taps of the window reach."""
        down, across = self._tables(shape)
        top, bottom = _reach(down, window.top, window.rows)
        left, right = _reach(across, window.left, window.cols)
        return Window(top, left, bottom - top, right - left)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The weighted sums."""
        down, across = self._tables(shape)
        return resample(
            np.ascontiguousarray(part),
            _cut(across, window.left, window.cols, at.left),
            _cut(down, window.top, window.rows, at.top),
            unit=_UNITS[self.engine],
            is_down_first=self.engine in ("magick", "graphics")
            and magick_goes_down_first((shape.cols, shape.rows), (self.cols, self.rows)),
            is_cut=self.engine == "graphics",
        )

    def _tables(self, shape: Shape) -> tuple[Taps, Taps]:
        return _table(shape.rows, self.rows, self.kernel), _table(shape.cols, self.cols, self.kernel)


@cache
def _table(inputs: int, outputs: int, kernel: str) -> Taps:
    return taps(inputs, outputs, kernel)


def _reach(table: Taps, first: int, n: int) -> tuple[int, int]:
    bounds = table.bounds[first : first + n]
    return int(bounds[:, 0].min()), int(bounds.sum(axis=1).max())


def _cut(table: Taps, first: int, n: int, start: int) -> Taps:
    """The table of n outputs, over an input that begins at `start`."""
    bounds = table.bounds[first : first + n] - np.array([start, 0], np.int32)
    return Taps(np.ascontiguousarray(bounds), np.ascontiguousarray(table.weights[first : first + n]))
