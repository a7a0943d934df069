"""What a picture's thumbnail is to be expected to be: the picture made small in one of a few ways, in integers alone.

Cameras and programs are not replayed to the last coefficient here; most come near enough to save a third of a thumbnail, and
some are met exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel import pixels
from common.kernel.frame import Frame
from common.kernel.pixels import Coefficients, Expected, Samples
from common.kernel.taps import WEIGHT_BITS, Taps, resample

Numbers = npt.NDArray[np.int64]

WAYS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        1: ("whole", "area"),
        2: ("whole", "triangle"),
        3: ("whole", "cubic"),
        4: ("barred", "area"),
        5: ("barred", "triangle"),
        6: ("cut", "area"),
        7: ("cut", "triangle"),
    }
)
"""How a picture of other proportions is fitted (distorted, between black bars, its middle), and the weights of its samples. The
numbers are in coded JPEGs: they stay for ever, and so does what they mean."""

_SMALL_PIXELS: Final = 2_000_000
"""A picture up to this size is looked at as it is, a larger one at the fewest eighths that are twice the thumbnail's size."""
_EIGHTHS: Final = (1, 2, 4)
_FINE: Final = 12
"""Bits of a fraction in the cubic."""
_STEPS: Final = 64


class Source:
    """The picture that thumbnails are made of."""

    def __init__(self, planes: Sequence[Coefficients], frame: Frame) -> None:
        """Nothing is shown yet."""
        self._planes, self._frame = planes, frame
        self._pixels: dict[int, Samples] = {}

    def expected(self, way: int, frame: Frame) -> list[Expected]:
        """The coefficients of a thumbnail of that frame, in 1/64 of a quantisation step.

        Errors: ContentError `unsupported` of pictures of other channels and of odd samplings; `damaged` of an unknown way.
        """
        if way not in WAYS:
            raise ContentError("damaged", "a thumbnail made in a way that is not known")
        if len(frame.planes) != len(self._frame.planes):
            raise ContentError("unsupported", "a thumbnail of other channels than its picture")
        fit, curve = WAYS[way]
        picture = self._shown(frame)
        fitted = _FITS[fit](picture, (frame.height, frame.width), _CURVES[curve])
        return pixels.expect(fitted, frame, "islow")

    def nearest(self, planes: Sequence[Coefficients], frame: Frame) -> int | None:
        """The way whose thumbnail is nearest to the one of these coefficients; None where nothing can be expected."""
        try:
            return min(WAYS, key=lambda way: _distance(self.expected(way, frame), planes))
        except ContentError:
            return None

    def _shown(self, frame: Frame) -> Samples:
        large = self._frame
        eighths = 8
        if large.width * large.height > _SMALL_PIXELS:
            enough = (n for n in _EIGHTHS if large.width * n >= 16 * frame.width and large.height * n >= 16 * frame.height)
            eighths = next(enough, 8)
        if eighths not in self._pixels:
            self._pixels[eighths] = pixels.decode_pixels(self._planes, large, eighths=eighths)
        return self._pixels[eighths]


def _distance(expected: Sequence[Expected], planes: Sequence[Coefficients]) -> float:
    """About the bits that the errors take. A float: it only chooses."""
    errors = (np.abs(plane - _STEPS * blocks.astype(np.int32)) for plane, blocks in zip(expected, planes, strict=True))
    return sum(float(np.log2(1 + np.maximum(error - _STEPS // 2, 0) / (_STEPS // 2)).sum()) for error in errors)


# the fits: (rows, cols, channels) to (rows, cols), by a curve


def _whole(picture: Samples, size: tuple[int, int], curve: Curve) -> Samples:
    (rows, cols), (tall, wide) = picture.shape[:2], size
    return resample(np.ascontiguousarray(picture), curve(cols, wide), curve(rows, tall))


def _barred(picture: Samples, size: tuple[int, int], curve: Curve) -> Samples:
    tall, wide = _inside(picture.shape[:2], size)
    top, left = (size[0] - tall) // 2, (size[1] - wide) // 2
    fitted = np.zeros((*size, picture.shape[2]), np.uint8)
    fitted[top : top + tall, left : left + wide] = _whole(picture, (tall, wide), curve)
    return fitted


def _cut(picture: Samples, size: tuple[int, int], curve: Curve) -> Samples:
    rows, cols = picture.shape[:2]
    tall, wide = _inside(size, (rows, cols))
    top, left = (rows - tall) // 2, (cols - wide) // 2
    return _whole(picture[top : top + tall, left : left + wide], size, curve)


def _inside(shape: tuple[int, ...], room: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of the largest picture of a shape's proportions in a room."""
    rows, cols = shape
    tall, wide = room
    if cols * tall > rows * wide:
        return max(1, (2 * rows * wide + cols) // (2 * cols)), wide
    return tall, max(1, (2 * cols * tall + rows) // (2 * rows))


# the curves: as `taps.taps`, but in integers


def _area(inputs: int, outputs: int) -> Taps:
    """What each output covers."""
    first, place = _places(inputs, outputs, reach=1)
    i = np.arange(outputs)[:, None]
    last = np.minimum((i + 1) * inputs, (place + 1) * outputs)
    return _table(first, inputs, last - np.maximum(i * inputs, place * outputs))


def _triangle(inputs: int, outputs: int) -> Taps:
    """Bilinear, as wide as an output."""
    first, place = _places(inputs, outputs, reach=2)
    return _table(first, inputs, (1 << _FINE) - _far(place, inputs, outputs))


def _cubic(inputs: int, outputs: int) -> Taps:
    """Bicubic of a = -1/2, as wide as an output."""
    first, place = _places(inputs, outputs, reach=4)
    x, one = _far(place, inputs, outputs), 1 << _FINE
    near = 3 * x**3 - 5 * x**2 * one + 2 * one**3
    far = -(x**3) + 5 * x**2 * one - 8 * x * one**2 + 4 * one**3
    return _table(first, inputs, np.where(x < one, near, np.where(x < 2 * one, far, 0)), is_cut=False)


def _places(inputs: int, outputs: int, *, reach: int) -> tuple[Numbers, Numbers]:
    """The first input that each output may need, and all: (outputs,), (outputs, n). `reach` is in outputs, or inputs."""
    widest = max(inputs, outputs)
    centre = (2 * np.arange(outputs) + 1) * inputs
    first = (centre - reach * widest) // (2 * outputs)
    return first, first[:, None] + np.arange(reach * widest // outputs + 3)


def _far(place: Numbers, inputs: int, outputs: int) -> Numbers:
    """How far inputs are from their outputs' centres, in outputs or inputs, whichever are wider."""
    centre = (2 * np.arange(outputs)[:, None] + 1) * inputs
    far: Numbers = (np.abs((2 * place + 1) * outputs - centre) << _FINE) // (2 * max(inputs, outputs))
    return far


def _table(first: Numbers, inputs: int, weights: Numbers, *, is_cut: bool = True) -> Taps:
    """Weights of the inputs that there are, made whole."""
    place = first[:, None] + np.arange(weights.shape[1])
    weights = np.where((place >= 0) & (place < inputs), np.maximum(weights, 0) if is_cut else weights, 0)
    sums = weights.sum(axis=1, keepdims=True)
    weights = ((weights << WEIGHT_BITS) + sums // 2) // sums
    start = np.clip(first, 0, inputs - 1)
    count = np.minimum(first + weights.shape[1], inputs) - start
    shifted = np.take_along_axis(
        np.pad(weights, ((0, 0), (0, weights.shape[1]))), (start - first)[:, None] + np.arange(weights.shape[1]), axis=1
    )
    return Taps(np.stack([start, count], axis=1).astype(np.int32), shifted.astype(np.int32))


Curve = Callable[[int, int], Taps]
_CURVES: Final[Mapping[str, Curve]] = MappingProxyType({"area": _area, "triangle": _triangle, "cubic": _cubic})
_FITS: Final[Mapping[str, Callable[[Samples, tuple[int, int], Curve], Samples]]] = MappingProxyType(
    {"whole": _whole, "barred": _barred, "cut": _cut}
)
