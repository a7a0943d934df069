"""Levels that change, each pixel for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.colour import look_up, mix
from common.kernel.pixels import Samples

LEVELS = 256
_TERMS = (4, 10)
MAX_WEIGHT = 2**31 - 1
"""Of a mix."""
GREY_BITS = 16


class _Pixelwise:
    """What holds of every step that sees one pixel at a time."""

    __slots__ = ()

    def needs(self, window: Window, shape: Shape) -> Window:
        """The window itself."""
        del shape
        return window


@dataclass(frozen=True, slots=True)
class LookUp(_Pixelwise):
    """A table of 256 levels for each channel, or one for all."""

    tables: tuple[tuple[int, ...], ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """From the differences between neighbouring levels. Errors: ContentError `damaged`."""
        if not values or len(values) % LEVELS or len(values) > 4 * LEVELS:
            raise ContentError("damaged", "a table has 256 levels")
        tables = np.cumsum(np.array(values, np.int64).reshape(-1, LEVELS), axis=1)
        if tables.min() < 0 or tables.max() >= LEVELS:
            raise ContentError("damaged", "a level has 8 bits")
        return cls(tuple(tuple(table) for table in tables.tolist()))

    def to_ints(self) -> Sequence[int]:
        """The differences between neighbouring levels."""
        return [int(step) for table in self.tables for step in np.diff(np.array([0, *table]))]

    def shape(self, shape: Shape) -> Shape:
        """As it was. Errors: ContentError `damaged` where channels have no table."""
        if len(self.tables) not in (1, shape.channels):
            raise ContentError("damaged", "each channel has a table")
        return shape

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """Each level by its table."""
        del at, window
        tables = np.array(self.tables, np.uint8)
        return look_up(np.ascontiguousarray(part), np.ascontiguousarray(np.broadcast_to(tables, (shape.channels, LEVELS))))


@dataclass(frozen=True, slots=True)
class Mix(_Pixelwise):
    """Each channel a sum of r, g, b and 256, or of these and their products, in 1/2**24: see `colour.mix`."""

    weights: tuple[tuple[int, ...], ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) not in [3 * terms for terms in _TERMS] or max(map(abs, values)) > MAX_WEIGHT:
            raise ContentError("damaged", "three channels, each of 4 or 10 terms")
        terms = len(values) // 3
        return cls(tuple(tuple(values[k * terms : (k + 1) * terms]) for k in range(3)))

    def to_ints(self) -> Sequence[int]:
        """One channel after the other."""
        return [weight for channel in self.weights for weight in channel]

    def shape(self, shape: Shape) -> Shape:
        """As it was. Errors: ContentError `damaged` of another picture than RGB."""
        if shape.channels != 3:  # noqa: PLR2004 - RGB
            raise ContentError("damaged", "three channels are mixed")
        return shape

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """Each channel by its weights."""
        del at, window, shape
        return mix(np.ascontiguousarray(part), np.array(self.weights, np.int32))


@dataclass(frozen=True, slots=True)
class Grey(_Pixelwise):
    """RGB to one channel by weights of r, g, b in 1/2**16, rounded; or one channel to three where there are no weights."""

    weights: tuple[int, ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) not in (0, 3) or any(not 0 <= weight <= 1 << GREY_BITS for weight in values):
            raise ContentError("damaged", "grey is a share of red, green and blue")
        return cls(tuple(values))

    def to_ints(self) -> Sequence[int]:
        """The weights."""
        return self.weights

    def shape(self, shape: Shape) -> Shape:
        """Of one channel, or of three. Errors: ContentError `damaged` of a picture that is so already."""
        if shape.channels != (3 if self.weights else 1):
            raise ContentError("damaged", "colours become grey, and grey becomes three channels")
        return Shape(shape.rows, shape.cols, 1 if self.weights else 3)

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """The sum, or the channel three times."""
        del at, window, shape
        if not self.weights:
            return np.repeat(part, 3, axis=2)
        total: NDArray[np.int32] = np.full(part.shape[:2], 1 << (GREY_BITS - 1), np.int32)
        for channel, weight in enumerate(self.weights):
            total += part[:, :, channel].astype(np.int32) * np.int32(weight)
        grey: Samples = np.minimum(total >> GREY_BITS, LEVELS - 1).astype(np.uint8)[:, :, None]
        return grey
