"""One picture's bytes to small upright arrays, whatever the format, with limits that are checked before memory is spent.

1. The header is read and the limits applied: pixels, dimensions, format.
2. The pixels are decoded, a JPEG at a scale that its own transform offers, others reduced at once: 40 megapixels of any
   format stay under 600 MB.
3. Alpha is dropped, as programs do that write a JPEG of it: what it hides is part of the picture. 16 bits become 8, palettes,
   CMYK and the rest become RGB, and the EXIF orientation is applied.

Called with hostile bytes in a process that may be lost.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from common.errors import ContentError
from common.images.metadata import DAMAGE, FORMATS, Metadata, is_turned, metadata_of

LONG_SIDE = 512
"""Pixels of the longer side of a picture as features see it."""
COLOUR_SIDE = 64
MAX_PIXELS = 100_000_000
MAX_SIDE = 65_500
MAX_ENLARGEMENT = 4
"""A smaller picture is enlarged to the common size, so that its features have the scale of the large one's; an icon is not."""

# Our own limit is checked before decoding; Pillow's would warn at 89 megapixels.
Image.MAX_IMAGE_PIXELS = None

_STRIP_BLOCKS = 64
_QUALITIES = (82, 60, 30)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture made small and upright."""

    grey: Pixels
    """(h, w) uint8 luma (BT.601), the longer side `long_side` unless the original is less than a fourth of that."""
    colour: Pixels
    """(h', w', 3) uint8 RGB, at most 64 pixels a side."""
    width: int
    """Pixels of the original as it is looked at, so with the orientation applied."""
    height: int
    format: str
    """`JPEG`, `PNG`, `WEBP`, `TIFF`, `BMP`, `GIF` or `AVIF`."""
    metadata: Metadata


def decode(content: bytes, *, long_side: int = LONG_SIDE, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decodes the first frame of a picture.

    Errors: ContentError `unsupported` (no picture of a known format), `too_large` (more pixels than `max_pixels`, or longer
    than 65,500), `damaged` (the bytes end early or make no sense); MemoryError.
    """
    with _opened(content, max_pixels=max_pixels) as image:
        width, height = image.size
        target = _fitted(width, height, side=long_side)
        # A JPEG of several pictures, as phones write them, is its first one.
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        rgb = None if kind == "WEBP" else _reduced_rgb(image, target)
        metadata = metadata_of(image)
    del image
    if rgb is None:
        with _damage_told():
            rgb = _reduced_webp(content, target)
    return _upright(rgb, metadata, size=(width, height), kind=kind, long_side=long_side)


def thumbnail(content: bytes, *, long_side: int, max_bytes: int) -> bytes:
    """The first frame of a picture as a small upright JPEG of at most so many bytes (1,000 or more), never enlarged.

    Errors: as `decode`.
    """
    with _opened(content, max_pixels=MAX_PIXELS) as image:
        width, height = image.size
        target = _fitted(width, height, side=min(long_side, max(width, height)))
        rgb = None if image.format == "WEBP" else _reduced_rgb(image, target)
        orientation = metadata_of(image).orientation
    del image
    if rgb is None:
        with _damage_told():
            rgb = _reduced_webp(content, target)
    small = Image.fromarray(np.ascontiguousarray(turned(_resized(rgb, target), orientation)))
    while True:
        for quality in _QUALITIES:
            written = io.BytesIO()
            small.save(written, "JPEG", quality=quality)
            if written.tell() <= max_bytes:
                return written.getvalue()
        small = small.reduce(2)  # grain, of which no quality is small enough


def luma(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The first frame of a picture as large as it is: (h, w) uint8 luma (BT.601), upright; what is transparent is ignored.

    Costs five bytes a pixel at its peak. Errors: as `decode`.
    """
    with _opened(content, max_pixels=max_pixels) as image:
        is_webp, orientation = image.format == "WEBP", metadata_of(image).orientation
        grey = None if is_webp else np.asarray(_eight_bits(image).convert("L"))
    del image  # a decoder of Pillow's keeps its pixels
    if grey is None:
        with _damage_told():
            grey = np.concatenate([np.asarray(strip.convert("L")) for strip in _strips(_webp(content), rows=_STRIP_BLOCKS)])
    return np.ascontiguousarray(turned(grey, orientation))


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """The picture (h, w, ...) as EXIF orientation 1 to 8 wants it looked at; a view, (w, h, ...) for 5 to 8."""
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return pixels[::-1].swapaxes(0, 1)
        case 7:
            return pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return pixels[:, ::-1].swapaxes(0, 1)
    return pixels


@contextmanager
def _opened(content: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
    """A picture of which only the header was read. Errors: as `decode`, also for what is done with it inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's, over files that are odd and still readable
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except DAMAGE as error:
            raise ContentError("unsupported", "not a picture of a known format") from error
        with image, _damage_told():
            _refuse_if_too_large(*image.size, max_pixels=max_pixels)
            yield image


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (*DAMAGE, cv2.error) as error:
        raise ContentError("damaged", f"the picture cannot be decoded: {error}") from error


def _refuse_if_too_large(width: int, height: int, *, max_pixels: int) -> None:
    if min(width, height) < 1:
        raise ContentError("damaged", f"a picture of {width}x{height}")
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ContentError(
            "too_large", f"{width}x{height} is more than {max_pixels // 1_000_000} megapixels or {MAX_SIDE} a side"
        )


def _fitted(width: int, height: int, *, side: int) -> tuple[int, int]:
    scale = min(side / max(width, height), MAX_ENLARGEMENT)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _reduced_rgb(image: Image.Image, target: tuple[int, int]) -> Pixels:
    """(h, w, 3) uint8, still as stored, at least `target` and less than twice that where the original is larger."""
    image.draft(None, target)  # a JPEG decodes at 1/2, 1/4 or 1/8; nothing for others
    image.load()
    factor = _factor(image.size, target)
    if image.mode in {"I", "F"}:
        # Four bytes a pixel, and as many more for each copy.
        image, factor = image.reduce(factor), 1
    small = _eight_bits(image)
    if small.mode in {"1", "P", "PA"}:
        small = small.convert("RGB")
    return _reduced(small, factor=factor)


def _reduced_webp(content: bytes, target: tuple[int, int]) -> Pixels:
    """As `_reduced_rgb`."""
    pixels = _webp(content)
    factor = _factor((pixels.shape[1], pixels.shape[0]), target)
    # Strips of whole blocks give what the whole would.
    strips = _strips(pixels, rows=_STRIP_BLOCKS * factor)
    return np.concatenate([_reduced(strip, factor=factor) for strip in strips])


def _webp(content: bytes) -> Pixels:
    """(h, w, 3 or 4) uint8, blue first. Pillow would hold four copies of all pixels at once, this holds one."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("the bytes make no sense")
    return _pixels(pixels)


def _strips(pixels: Pixels, *, rows: int) -> Iterator[Image.Image]:
    """What `_webp` gave, from the top, in images of at most so many rows."""
    to_rgb = cv2.COLOR_BGRA2RGBA if pixels.shape[2] > len("RGB") else cv2.COLOR_BGR2RGB
    return (Image.fromarray(_pixels(cv2.cvtColor(pixels[y : y + rows], to_rgb))) for y in range(0, pixels.shape[0], rows))


def _factor(size: tuple[int, int], target: tuple[int, int]) -> int:
    return max(1, min(size[0] // target[0], size[1] // target[1]))


def _reduced(image: Image.Image, *, factor: int) -> Pixels:
    """(h, w, 3) uint8, `factor` times smaller by averages."""
    return np.asarray(image.reduce(factor).convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The picture in a mode of 8 bits a channel. Sixteen bits lose the lower eight, floats are taken for 0 to 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.array(image)
    if image.mode == "F":
        np.nan_to_num(values, copy=False)
    else:
        values >>= 8
    return Image.fromarray(np.clip(values, 0, 255, out=values).astype(np.uint8))


def _resized(rgb: Pixels, target: tuple[int, int]) -> Pixels:
    # What the transform or `reduce` left is at most twice too large; averaging areas keeps the grain out of the features.
    if rgb.shape[:2] == target[::-1]:
        return rgb
    is_smaller = rgb.shape[1] > target[0]
    return _pixels(cv2.resize(rgb, target, interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR))


def _upright(rgb: Pixels, metadata: Metadata, *, size: tuple[int, int], kind: str, long_side: int) -> Picture:
    rgb = turned(_resized(rgb, _fitted(*size, side=long_side)), metadata.orientation)
    rgb = np.ascontiguousarray(rgb)
    width, height = size[::-1] if is_turned(metadata.orientation) else size
    thumbnail = _fitted(rgb.shape[1], rgb.shape[0], side=min(COLOUR_SIDE, max(rgb.shape[:2])))
    return Picture(
        grey=_pixels(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)),
        colour=_pixels(cv2.resize(rgb, thumbnail, interpolation=cv2.INTER_AREA)),
        width=width,
        height=height,
        format=kind,
        metadata=metadata,
    )


def _pixels(array: npt.NDArray[np.generic]) -> Pixels:
    return np.asarray(array, np.uint8)
