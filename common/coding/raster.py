"""PNG, BMP and TIFF recoded without loss by the kernel: of photos some 0.7 of a PNG, half of a BMP.

A file is taken apart into its samples, which are coded, and a skeleton of what its writer chose. What would not come together
to the same bytes goes another way: interlaced PNGs, tiles, BigTIFF, coded BMPs. The coded form is its length, a varint, and the
body that every way to code such a file has. A body begins with 0, as a bare Zstandard frame does: so the bodies that deltas of
the method `raster` were, before they had a length, are told from those that have one.
"""

from __future__ import annotations

from typing import Final

from common.coding.in_memory import InMemory, sized, unsized
from common.errors import ContentError
from common.magic import RASTERS

LIMIT_BYTES: Final = 256 * 1024 * 1024
_MOST_ELSE: Final = 1 / 2
"""Of a file, that is no samples: many cameras' own files begin as a TIFF of their thumbnail does, and the rest is for zstd."""


class Raster(InMemory):
    """Holds all samples besides, and what a deflate stream is made of."""

    name = "raster"
    magics = RASTERS
    limit_bytes = LIMIT_BYTES

    def coded(self, content: bytes) -> bytes:
        """Errors: ContentError `unsupported`, `damaged`, `too_large`: no file that comes together again."""
        from common.coding import rasters  # noqa: PLC0415 - NumPy: slow, and not needed to code anything else

        raster = rasters.take_apart(content)
        if len(raster.skeleton) > _MOST_ELSE * len(content):
            raise ContentError("unsupported", "a file of other things than pixels")
        return sized(rasters.to_body(raster, b""))

    def decoded(self, coded: bytes, size: int) -> bytes:
        """Errors: ContentError `damaged`, `too_large`, `too_long`."""
        from common.coding import rasters  # noqa: PLC0415 - likewise

        body = coded if coded.startswith(b"\0") else unsized(coded)
        return rasters.from_body(body, b"", size=size).file()
