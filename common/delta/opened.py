"""A file that a delta is made of, and what was made of it so far: taken apart once, for every method and for the proof.

A picture's pixels are uint8 (rows, cols, channels): one channel of grey, three of RGB, else as many as the file has.
"""

from __future__ import annotations

from functools import cached_property

from common.coding.lepton import MAGIC
from common.ids import Digest, digest_of
from common.kernel import jpeg, pixels
from common.kernel.jpeg import Parsed
from common.kernel.pixels import Samples


class Opened:
    """The bytes of a base or of a target."""

    def __init__(self, content: bytes) -> None:
        """Nothing is read yet."""
        self.content = content
        self._pixels: dict[int, Samples] = {}

    @cached_property
    def digest(self) -> Digest:
        """Of the bytes."""
        return digest_of(self.content)

    @property
    def is_jpeg(self) -> bool:
        """Whether it begins as a JPEG does."""
        return self.content.startswith(MAGIC)

    @cached_property
    def proved(self) -> Parsed:
        """The JPEG taken apart, proved to come together again: what a target has to be. Errors: ContentError."""
        return jpeg.parse(self.content)

    @cached_property
    def parsed(self) -> Parsed:
        """The JPEG taken apart, its coefficients alone believed: what a base has to be. Errors: ContentError."""
        return self.__dict__.get("proved") or jpeg.parse(self.content, verify=False)

    @property
    def skeleton(self) -> bytes:
        """What of a JPEG may be in others too: headers, tables; of anything else nothing."""
        return self.parsed.skeleton if self.is_jpeg else b""

    def pixels(self, eighths: int = 8) -> Samples:
        """The picture, at 8, 4, 2 or 1 eighths of its size, as libjpeg shows it. Errors: ContentError."""
        if eighths not in self._pixels:
            self._pixels[eighths] = pixels.decode_pixels(self.parsed.planes, self.parsed.frame, eighths=eighths)
        return self._pixels[eighths]
