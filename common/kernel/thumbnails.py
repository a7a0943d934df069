"""What a picture's thumbnail is to be expected to be: the picture made small in one of a few ways, in integers alone.

Cameras and programs are not replayed to the last coefficient here; most come near enough to save a third of a thumbnail, and
some are met exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from common.errors import ContentError
from common.kernel import pixels
from common.kernel.frame import Frame
from common.kernel.pixels import Coefficients, Expected, Samples
from common.kernel.resizing import resize

WAYS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        1: ("whole", "area"),
        2: ("whole", "bilinear"),
        3: ("whole", "bicubic"),
        4: ("barred", "area"),
        5: ("barred", "bilinear"),
        6: ("cut", "area"),
        7: ("cut", "bilinear"),
        8: ("whole", "lanczos"),
    }
)
"""How a picture of other proportions is fitted (distorted, between black bars, its middle), and the kernel that makes it small.
The numbers are in coded JPEGs: they stay for ever, and so does what they mean."""

_SMALL_PIXELS: Final = 2_000_000
"""A picture up to this size is looked at as it is, a larger one at the fewest eighths that are twice the thumbnail's size."""
_EIGHTHS: Final = (1, 2, 4)
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
        fit, kernel = WAYS[way]
        picture = self._shown(frame)
        fitted = _FITS[fit](picture, (frame.height, frame.width), kernel)
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


# the fits: (rows, cols, channels) to (rows, cols), by a kernel of `resizing`


def _whole(picture: Samples, size: tuple[int, int], kernel: str) -> Samples:
    return resize(np.ascontiguousarray(picture), size[1], size[0], "pillow", kernel)


def _barred(picture: Samples, size: tuple[int, int], kernel: str) -> Samples:
    tall, wide = _inside(picture.shape[:2], size)
    top, left = (size[0] - tall) // 2, (size[1] - wide) // 2
    fitted = np.zeros((*size, picture.shape[2]), np.uint8)
    fitted[top : top + tall, left : left + wide] = _whole(picture, (tall, wide), kernel)
    return fitted


def _cut(picture: Samples, size: tuple[int, int], kernel: str) -> Samples:
    rows, cols = picture.shape[:2]
    tall, wide = _inside(size, (rows, cols))
    top, left = (rows - tall) // 2, (cols - wide) // 2
    return _whole(picture[top : top + tall, left : left + wide], size, kernel)


def _inside(shape: tuple[int, ...], room: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of the largest picture of a shape's proportions in a room."""
    rows, cols = shape
    tall, wide = room
    if cols * tall > rows * wide:
        return max(1, (2 * rows * wide + cols) // (2 * cols)), wide
    return tall, max(1, (2 * cols * tall + rows) // (2 * rows))


_FITS: Final[Mapping[str, Callable[[Samples, tuple[int, int], str], Samples]]] = MappingProxyType(
    {"whole": _whole, "barred": _barred, "cut": _cut}
)
