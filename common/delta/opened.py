"""A file that a delta is made of, and what was made of it so far: taken apart once, for every method and for the proof.

A picture's pixels are uint8 (rows, cols, channels): one channel of grey, three of RGB, else as many as the file has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from common import magic
from common.coding import rasters
from common.coding.rasters import Raster
from common.errors import ContentError
from common.ids import Digest, digest_of
from common.kernel import jpeg, pixels
from common.kernel.jpeg import Parsed
from common.kernel.pixels import Samples

EIGHTHS = (8, 4, 2, 1)
"""Of its size at which a JPEG can be opened."""
Place = NDArray[np.float64]
"""Where a target is in a base: (2, 3), takes (x, y, 1) in shares of the target's width and height to shares of the base's.

As the pixels are stored, whatever EXIF says about turning them; (0, 0) is the top left corner of a picture, (1, 1) the other.
"""
MARK_BYTES = 4
_HEAD_BYTES = 1 << 14
"""Of a file of pixels: where its tags and profile are; as many are looked at behind the pixels."""
_WHOLE = 8
"""Eighths of a picture's size."""


class Opened:
    """The bytes of a base or of a target."""

    def __init__(self, content: bytes, hint: Sequence[float] | None = None, approximation: bytes = b"") -> None:
        """Nothing is read yet. Of a target, `hint` says where in the base it may be: a search begins there, nothing trusts it.

        It is the six numbers of a place. The approximation, where one was made before, is taken if it is exact, without a search.
        Errors: ValueError of more or fewer numbers.
        """
        self.content = content
        self.hint: Place | None = None if hint is None else np.array(hint, np.float64).reshape(2, 3)
        self.approximation = approximation
        self._pixels: dict[int, Samples] = {}

    @cached_property
    def digest(self) -> Digest:
        """Of the bytes."""
        return digest_of(self.content)

    @property
    def is_jpeg(self) -> bool:
        """Whether it begins as a JPEG does."""
        return self.content.startswith(magic.JPEG)

    @cached_property
    def proved(self) -> Parsed:
        """The JPEG taken apart, proved to come together again: what a target has to be. Errors: ContentError."""
        return jpeg.parse(self.content)

    @cached_property
    def parsed(self) -> Parsed:
        """The JPEG taken apart, its coefficients alone believed: what a base has to be. Errors: ContentError."""
        return self.__dict__.get("proved") or jpeg.parse(self.content, verify=False)

    @property
    def is_raster(self) -> bool:
        """Whether it begins as a PNG, a BMP or a TIFF does."""
        return self.content.startswith(magic.RASTERS)

    @cached_property
    def raster(self) -> Raster:
        """The file of pixels taken apart, proved to come together again: what a target has to be. Errors: ContentError."""
        return rasters.take_apart(self.content)

    @property
    def skeleton(self) -> bytes:
        """What may be in other files too: headers, tables, tags."""
        if self.is_jpeg:
            return self.parsed.skeleton
        return self.content[:_HEAD_BYTES] + self.content[_HEAD_BYTES:][-_HEAD_BYTES:] if self.is_raster else b""

    def pixels(self, eighths: int = 8) -> Samples:
        """The picture, a JPEG also at 4, 2 or 1 eighths of its size, as libjpeg shows it. Errors: ContentError."""
        if eighths not in self._pixels:
            self._pixels[eighths] = self._shown(eighths)
        return self._pixels[eighths]

    def shape(self, eighths: int = 8) -> tuple[int, int, int]:
        """Of `pixels(eighths)`, told without making them where that is possible. Errors: ContentError."""
        if eighths in self._pixels or not self.is_jpeg:
            rows, cols, channels = self.pixels(eighths).shape
            return rows, cols, channels
        frame = self.parsed.frame
        return -(-frame.height * eighths // 8), -(-frame.width * eighths // 8), len(frame.planes)

    def mark(self, eighths: int = 8) -> bytes:
        """Four bytes that tell these pixels from what another decoder makes of the same file. Errors: ContentError.

        The target's digest proves more, but only when all is done, and it does not say what went wrong.
        """
        return digest_of(self.pixels(eighths).tobytes())[:MARK_BYTES]

    def _shown(self, eighths: int) -> Samples:
        if not self.is_raster:
            return pixels.decode_pixels(self.parsed.planes, self.parsed.frame, eighths=eighths)
        if eighths != _WHOLE:
            raise ContentError("damaged", "only a JPEG can be opened at a part of its size")
        known: Raster | None = self.__dict__.get("raster")
        return rasters.shown(known or rasters.read(self.content))
