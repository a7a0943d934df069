"""Files of pixels without loss, taken apart into their samples and a skeleton, and put together again to the byte.

The number of a format is the first byte of its skeletons: it stays for ever. A body, which every way to code such a file has:

    skeleton    a frame of `coding.over`, over what is known, as the beginning of a base
    samples     `samples`
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from common.coding.over import compress, decompress_first
from common.coding.rasters import bmp, png, samples, tiff
from common.coding.rasters.layout import Layout, Levels, Raster
from common.errors import ContentError
from common.kernel.pixels import Samples
from common.magic import BMP, PNG, TIFFS

__all__ = [
    "Layout",
    "Levels",
    "Raster",
    "Told",
    "colours_of",
    "from_body",
    "layout_of",
    "put_together",
    "read",
    "shown",
    "take_apart",
    "to_body",
]

_FORMATS: dict[int, ModuleType] = {1: png, 2: bmp, 3: tiff}
_NUMBERS = {PNG: 1, BMP: 2, **dict.fromkeys(TIFFS, 3)}
_SLACK_BYTES = 1 << 16
_MOST_SAMPLES_IN_A_BYTE = 1 << 12
"""Of a file, in bytes: a code of 12 bits of LZW stands for fewer, and deflate packs less densely."""


def take_apart(content: bytes) -> Raster:
    """The samples and the skeleton. Errors: ContentError, `unsupported` of what would not come together to the same bytes."""
    for magic, number in _NUMBERS.items():
        if content.startswith(magic):
            raster: Raster = _FORMATS[number].take_apart(content)
            return Raster(raster.layout, raster.samples, bytes([number]) + raster.skeleton)
    raise ContentError("unsupported", "no file of pixels")


def read(content: bytes) -> Raster:
    """The samples without a skeleton: for a base, of which nothing else is needed. Errors: ContentError."""
    for magic, number in _NUMBERS.items():
        if content.startswith(magic):
            raster: Raster = _FORMATS[number].read(content)
            return raster
    raise ContentError("unsupported", "no file of pixels")


def shown(raster: Raster) -> Samples:
    """The picture in 8 bits, grey or RGB, (rows, cols, 1 or 3); what is transparent is shown as it is without that.

    Errors: ContentError `unsupported` of samples that are no picture.
    """
    if not raster.layout.is_picture:
        raise ContentError("unsupported", "samples that are no colours")
    colours = raster.samples[:, :, : colours_of(raster.layout)]
    if raster.layout.n_bytes == 1:
        return np.ascontiguousarray(colours, np.uint8)
    return ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)


def colours_of(layout: Layout) -> int:
    """How many of a picture's channels are colours: 1 or 3; what is more is alpha."""
    return 3 if layout.channels >= 3 else 1  # noqa: PLR2004 - red, green, blue


def put_together(skeleton: bytes, levels: Levels) -> bytes:
    """The file. Errors: ContentError `damaged`."""
    made: bytes = _format_of(skeleton).put_together(skeleton[1:], levels)
    return made


def layout_of(skeleton: bytes) -> Layout:
    """What samples it needs. Errors: ContentError `damaged`, `too_large`."""
    layout: Layout = _format_of(skeleton).layout_of(skeleton[1:])
    return layout


def to_body(raster: Raster, known: bytes, expected: Samples | None = None) -> bytes:
    """A file: its skeleton over what is known, its samples against those that are expected. Errors: ContentError `memory`."""
    return compress(raster.skeleton, known) + samples.encode(raster.samples, expected)


def from_body(body: bytes, known: bytes, *, size: int) -> Told:
    """What `to_body` made of a file of `size` bytes. Errors: ContentError `damaged`, `too_large`, `too_long`, `memory`."""
    skeleton, coded = decompress_first(body, known, most=2 * size + _SLACK_BYTES)
    layout = layout_of(skeleton)
    if layout.rows * layout.stride > _MOST_SAMPLES_IN_A_BYTE * size:
        raise ContentError("too_long", f"a picture that no file of {size} bytes has")
    return Told(skeleton, layout, coded)


@dataclass(frozen=True, slots=True)
class Told:
    """A body whose samples are still to be decoded."""

    skeleton: bytes
    layout: Layout
    coded: bytes

    def file(self, expected: Samples | None = None) -> bytes:
        """The file, given what was expected of its samples. Errors: ContentError `damaged`."""
        return put_together(self.skeleton, samples.decode(self.coded, self.layout, expected))


def _format_of(skeleton: bytes) -> ModuleType:
    if not skeleton or skeleton[0] not in _FORMATS:
        raise ContentError("damaged", "the skeleton of an unknown format")
    return _FORMATS[skeleton[0]]
