"""What a camera wrote beside a picture: when, with what, which side is up, and a small preview.

Everything here is a hint. EXIF is rotten in one of a hundred files of a real library, so nothing raises: what cannot be read
is empty.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from common.ids import digest_of

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""The formats that are opened at all, by Pillow's names: a parser that is not needed is not offered to hostile bytes."""

DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    EOFError,
    SyntaxError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow is known to raise over damaged files. MemoryError is not among them: the worker answers for that."""

UPRIGHT = 1
_SWAPPED = 5
_MAX_ORIENTATION = 8
_MAX_TEXT_CHARS = 128
_KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Metadata:
    """Empty strings and bytes, and `UPRIGHT`, stand for what a file does not say."""

    time: str = ""
    """When the picture was taken, as the camera wrote it: `2026:11:03 17:20:05`, its own local time."""
    camera: str = ""
    """Maker's model name."""
    orientation: int = UPRIGHT
    """EXIF orientation, 1 to 8: how the stored rows must be turned to be looked at."""
    thumbnail: bytes = b""
    """The embedded preview, a JPEG of about 160x120; stored rows, not turned; it may be older than the picture."""
    tables: bytes = b""
    """Eight bytes that JPEGs share which were quantised and sampled alike, as a piece is that was cut out without loss."""

    def exif_key(self) -> bytes:
        """Eight bytes that pictures from one press of the shutter share, or none where the time is not known.

        The exact key of metadata [S §III-C1]; departs: kept apart from the vector, which a missing EXIF would break.
        """
        if not any(digit in self.time for digit in "123456789"):
            return b""  # absent, or a clock that was never set
        return digest_of(f"{self.time}\0{self.camera}".encode("utf-8", "replace"))[:_KEY_BYTES]


def metadata(content: bytes) -> Metadata:
    """Reads the metadata of a picture's bytes; an empty `Metadata` for what is no picture. Never raises for rotten EXIF."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return metadata_of(image)
        except DAMAGE:
            return Metadata()


def metadata_of(image: Image.Image) -> Metadata:
    """As `metadata`, of a picture that Pillow has opened."""
    tables = _tables(image)
    try:
        exif = image.getexif()
        # Each part on its own: a broken maker note must not cost the orientation.
        detail = _ifd(exif, ExifTags.IFD.Exif)
        time = (
            detail.get(ExifTags.Base.DateTimeOriginal)
            or detail.get(ExifTags.Base.DateTimeDigitized)
            or exif.get(ExifTags.Base.DateTime)
        )
        return Metadata(
            time=_text(time),
            camera=_text(exif.get(ExifTags.Base.Model)),
            orientation=_orientation(exif.get(ExifTags.Base.Orientation)),
            thumbnail=_thumbnail(image, _ifd(exif, ExifTags.IFD.IFD1)),
            tables=tables,
        )
    except DAMAGE:
        return Metadata(tables=tables)


def is_turned(orientation: int) -> bool:
    """Whether looking at the picture swaps its width and height."""
    return orientation >= _SWAPPED


def _ifd(exif: Image.Exif, tag: int) -> Mapping[int, object]:
    try:
        return exif.get_ifd(tag)
    except DAMAGE:
        return {}


def _tables(image: Image.Image) -> bytes:
    if not isinstance(image, JpegImageFile):
        return b""
    sampled = [(horizontally, vertically, table) for _, horizontally, vertically, table in image.layer]
    return digest_of(repr((sorted(image.quantization.items()), sampled)).encode())[:_KEY_BYTES]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value.split("\0")[0].strip() if letter.isprintable())[:_MAX_TEXT_CHARS]


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and UPRIGHT <= value <= _MAX_ORIENTATION else UPRIGHT


def _thumbnail(image: Image.Image, ifd: Mapping[int, object]) -> bytes:
    offset, length = ifd.get(ExifTags.Base.JpegIFOffset), ifd.get(ExifTags.Base.JpegIFByteCount)
    blob = image.info.get("exif")
    if not (isinstance(offset, int) and isinstance(length, int) and isinstance(blob, bytes)):
        return b""
    tiff = blob.removeprefix(b"Exif\0\0")
    preview = tiff[offset : offset + length] if offset > 0 < length else b""
    return preview if preview.startswith(b"\xff\xd8\xff") and len(preview) == length else b""
