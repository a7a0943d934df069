"""What a program does with 16 bits before it rounds to 8: resizes, modulates, blurs, sharpens.

ImageMagick and GraphicsMagick read levels of 8 bits as 257 times as many, keep them so from one operation to the next, and come
back to 8 bits where they write: one rounding for all, so that these steps belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from common.delta.steps.resize import Resize
from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel.deep import flatten, modulate, unsharpen
from common.kernel.pixels import Samples

SIXTEEN_BITS = 257
"""A level of 8 bits in levels of 16."""
TAP_BITS = 30
GAIN_BITS = 24
_MOST = 8
"""Steps in a row, and more than programs are asked for at once."""
_RGB = 3
_THREE = 3
_TOP = 65535
_NODES = 256
_MOST_BEND = 1 << 24
"""Of a curve's levels before they are cut off."""

Levels = NDArray[np.uint16]


class DeepStep(Protocol):
    """What `step.Step` is, of pictures of 16 bits that keep their size."""

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """The step that these numbers tell. Errors: ContentError `damaged`."""

    def to_ints(self) -> Sequence[int]:
        """The numbers that tell it."""

    def needs(self, window: Window, shape: Shape) -> Window:
        """The part of a picture of this shape that a window of the outcome is made of."""

    def apply(self, part: Levels, at: Window, window: Window, shape: Shape) -> Levels:
        """A window of the outcome from the part `at`. Errors: ContentError `damaged`."""


@dataclass(frozen=True, slots=True)
class Modulate:
    """Lightness and saturation of HSL in thousandths of what they were, hue in thousandths of a half turn, 1000 as it was."""

    brightness: int
    saturation: int
    hue: int = 1000

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) != _THREE:
            raise ContentError("damaged", "three numbers modulate")
        return cls(*values)

    def to_ints(self) -> Sequence[int]:
        """The three."""
        return [self.brightness, self.saturation, self.hue]

    def needs(self, window: Window, shape: Shape) -> Window:
        """The window itself. Errors: ContentError `damaged` of another picture than RGB."""
        if shape.channels != _RGB:
            raise ContentError("damaged", "three channels are modulated")
        return window

    def apply(self, part: Levels, at: Window, window: Window, shape: Shape) -> Levels:
        """As ImageMagick's -modulate."""
        del at, window, shape
        return modulate(part, self.brightness, self.saturation, self.hue)


@dataclass(frozen=True, slots=True)
class Unsharp:
    """What a level differs by from the blur around it, times `gain` in 1/2**24, added, where twice that is `threshold` or more.

    A blur's weights from its centre on in 1/2**30, the same across and down; a gain of -1 leaves the blur. Levels between are
    rounded to 16 bits unless `is_fine`. Edges are repeated.
    """

    taps: tuple[int, ...]
    gain: int = -1 << GAIN_BITS
    threshold: int = 0
    is_fine: bool = False

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError `damaged`."""
        if len(values) <= _THREE or max(map(abs, values)) >= 1 << 31 or min(values[1:3]) < 0:
            raise ContentError("damaged", "a blur has weights, a gain, and a threshold")
        return cls(tuple(values[3:]), values[0], values[1], bool(values[2]))

    def to_ints(self) -> Sequence[int]:
        """Gain, threshold, whether it is fine; the weights."""
        return [self.gain, self.threshold, int(self.is_fine), *self.taps]

    def needs(self, window: Window, shape: Shape) -> Window:
        """As far as the blur reaches, within the picture."""
        reach = len(self.taps) - 1
        top, left = max(window.top - reach, 0), max(window.left - reach, 0)
        bottom, right = window.top + window.rows + reach, window.left + window.cols + reach
        return Window(top, left, min(bottom, shape.rows) - top, min(right, shape.cols) - left)

    def apply(self, part: Levels, at: Window, window: Window, shape: Shape) -> Levels:
        """As ImageMagick's -blur, -unsharp, -sharpen."""
        del shape
        reach = len(self.taps) - 1
        before = (at.top - window.top + reach, at.left - window.left + reach)
        lacking = [(first, all_of + 2 * reach - n - first) for first, all_of, n in zip(before, window[2:], at[2:], strict=True)]
        padded = np.pad(part, (*lacking, (0, 0)), mode="edge")
        return unsharpen(padded, np.array(self.taps, np.int32), self.gain, self.threshold, self.is_fine)


@dataclass(frozen=True, slots=True)
class Curve:
    """A table for each channel, or one for all, of what each 257th level becomes.

    Levels in between lie on straight lines; what the table leads to beyond the ends is cut off.
    """

    tables: tuple[tuple[int, ...], ...]

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """From how the differences between neighbours differ. Errors: ContentError `damaged`."""
        if not values or len(values) % _NODES or len(values) > 4 * _NODES or max(map(abs, values)) > _MOST_BEND:
            raise ContentError("damaged", "a curve has 256 levels")
        tables = np.cumsum(np.cumsum(np.array(values, np.int64).reshape(-1, _NODES), axis=1), axis=1)
        if np.abs(tables).max() > _MOST_BEND:
            raise ContentError("damaged", "a curve that leads too far")
        return cls(tuple(tuple(table) for table in tables.tolist()))

    def to_ints(self) -> Sequence[int]:
        """How the differences between neighbours differ."""
        return [int(bend) for table in self.tables for bend in np.diff(np.array([0, 0, *table]), 2)]

    def needs(self, window: Window, shape: Shape) -> Window:
        """The window itself. Errors: ContentError `damaged` where channels have no table."""
        if len(self.tables) not in (1, shape.channels):
            raise ContentError("damaged", "each channel has a table")
        return window

    def apply(self, part: Levels, at: Window, window: Window, shape: Shape) -> Levels:
        """Each level between two of its table."""
        del at, window, shape
        place, rest = np.divmod(np.arange(_TOP + 1), SIXTEEN_BITS)
        curved = np.empty_like(part)
        for channel in range(part.shape[2]):
            table = np.array([*self.tables[channel % len(self.tables)], 0], np.int64)  # past the last node there is no rest
            between = table[place] + ((table[place + 1] - table[place]) * rest + SIXTEEN_BITS // 2) // SIXTEEN_BITS
            curved[:, :, channel] = np.clip(between, 0, _TOP).astype(np.uint16)[part[:, :, channel]]
        return curved


DEEP_STEPS: Mapping[int, type[DeepStep]] = MappingProxyType({1: Modulate, 2: Unsharp, 3: Curve})
_NUMBERS = {kind: number for number, kind in DEEP_STEPS.items()}


@dataclass(frozen=True, slots=True)
class Deep:
    """Steps with 16 bits, after a resize that leaves 16 bits if there is one; then rounded to 8, or cut."""

    steps: tuple[DeepStep, ...]
    resize: Resize | None = None
    is_cut: bool = False

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Self:
        """Errors: ContentError, `damaged`; `unsupported` of a step that this program does not know."""
        rest = list(values)
        try:
            is_cut, n_resize = rest.pop(0), rest.pop(0)
            resize = Resize.from_ints(_taken(rest, n_resize)) if n_resize else None
            steps = []
            while rest:
                kind, n = DEEP_STEPS.get(rest.pop(0)), rest.pop(0)
                if kind is None:
                    raise ContentError("unsupported", "a step of a kind that this program does not know")
                steps.append(kind.from_ints(_taken(rest, n)))
        except IndexError as error:
            raise ContentError("damaged", "steps that end early") from error
        if len(steps) > _MOST:
            raise ContentError("damaged", f"{len(steps)} steps of 16 bits")
        return cls(tuple(steps), resize, bool(is_cut))

    def to_ints(self) -> Sequence[int]:
        """Whether it is cut; how many numbers tell the resize, and these; of each step its number, how many, and these."""
        resize = self.resize.to_ints() if self.resize else []
        told = [int(self.is_cut), len(resize), *resize]
        for step in self.steps:
            values = step.to_ints()
            told += [_NUMBERS[type(step)], len(values), *values]
        return told

    def shape(self, shape: Shape) -> Shape:
        """As the resize leaves it."""
        return self.resize.shape(shape) if self.resize else shape

    def needs(self, window: Window, shape: Shape) -> Window:
        """What the first step needs."""
        first = self._windows(window, shape)[0]
        return self.resize.needs(first, shape) if self.resize else first

    def apply(self, part: Samples, at: Window, window: Window, shape: Shape) -> Samples:
        """All of them, one after the other."""
        del at
        windows, resized = self._windows(window, shape), self.shape(shape)
        levels = self.resize.deepen(part, windows[0], shape) if self.resize else part.astype(np.uint16) * np.uint16(SIXTEEN_BITS)
        for step, there, wanted in zip(self.steps, windows, windows[1:], strict=False):
            levels = step.apply(np.ascontiguousarray(levels), there, wanted, resized)
        return flatten(np.ascontiguousarray(levels), self.is_cut)

    def _windows(self, window: Window, shape: Shape) -> list[Window]:
        """What each step takes in, and the window."""
        windows = [window]
        for step in reversed(self.steps):
            windows.append(step.needs(windows[-1], self.shape(shape)))
        return windows[::-1]


def _taken(rest: list[int], n: int) -> list[int]:
    """The first n numbers, which are then gone. Errors: ContentError `damaged` where there are fewer."""
    if not 0 <= n <= len(rest):
        raise ContentError("damaged", "steps that end early")
    taken = rest[:n]
    del rest[:n]
    return taken
