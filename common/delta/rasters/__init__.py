"""Files of pixels without loss, taken apart into their samples and a skeleton, and put together again to the byte.

The number of a format is the first byte of its skeletons: it stays for ever.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from common.delta.rasters import bmp, png, tiff
from common.delta.rasters.raster import Layout, Levels, Raster
from common.errors import ContentError
from common.kernel.pixels import Samples

__all__ = ["Layout", "Levels", "Raster", "colours_of", "is_raster", "layout_of", "put_together", "read", "shown", "take_apart"]

_FORMATS: dict[int, ModuleType] = {1: png, 2: bmp, 3: tiff}
_MAGICS = {png.MAGIC: 1, bmp.MAGIC: 2, **dict.fromkeys(tiff.MAGICS, 3)}


def is_raster(content: bytes) -> bool:
    """Whether it begins as such a file does."""
    return content.startswith(tuple(_MAGICS))


def take_apart(content: bytes) -> Raster:
    """The samples and the skeleton. Errors: ContentError, `unsupported` of what would not come together to the same bytes."""
    for magic, number in _MAGICS.items():
        if content.startswith(magic):
            raster: Raster = _FORMATS[number].take_apart(content)
            return Raster(raster.layout, raster.samples, bytes([number]) + raster.skeleton)
    raise ContentError("unsupported", "no file of pixels")


def read(content: bytes) -> Raster:
    """The samples without a skeleton: for a base, of which nothing else is needed. Errors: ContentError."""
    for magic, number in _MAGICS.items():
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
    samples = raster.samples[:, :, : colours_of(raster.layout)]
    if raster.layout.n_bytes == 1:
        return np.ascontiguousarray(samples, np.uint8)
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def colours_of(layout: Layout) -> int:
    """How many of a picture's channels are colours: 1 or 3; what is more is alpha."""
    return 3 if layout.channels >= 3 else 1  # noqa: PLR2004 - red, green, blue


def put_together(skeleton: bytes, samples: Levels) -> bytes:
    """The file. Errors: ContentError `damaged`."""
    made: bytes = _format_of(skeleton).put_together(skeleton[1:], samples)
    return made


def layout_of(skeleton: bytes) -> Layout:
    """What samples it needs. Errors: ContentError `damaged`, `too_large`."""
    layout: Layout = _format_of(skeleton).layout_of(skeleton[1:])
    return layout


def _format_of(skeleton: bytes) -> ModuleType:
    if not skeleton or skeleton[0] not in _FORMATS:
        raise ContentError("damaged", "the skeleton of an unknown format")
    return _FORMATS[skeleton[0]]
