"""What is spoilt: small files of every kind that is taken apart, and the deltas between them by every method."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from PIL import Image

from common import delta
from common.delta import METHODS, edits
from common.delta.edits import Edit
from common.delta.opened import MARK_BYTES, Opened
from common.errors import ContentError
from tests.common.delta.test_edits import EXAMPLES, TOGETHER
from tests.common.delta.test_planes import by_ffmpeg
from tests.fakes import pictures

SIZE = (96, 64)
BASE = pictures.jpeg(1, (161, 120), quality=90)
"""Of the size that the examples of edits are made for."""


@dataclass(frozen=True, slots=True)
class Body:
    """Of a delta by a method."""

    method: str
    body: bytes
    target: bytes
    base: bytes


@cache
def jpegs() -> Mapping[str, bytes]:
    """Of the kinds that the kernel reads, and some that it refuses."""
    photo = pictures.photo(1, SIZE)
    return {
        "4:2:0": pictures.jpeg_of(photo),
        "4:2:2": pictures.jpeg_of(photo, subsampling="4:2:2", quality=60),
        "4:4:4": pictures.jpeg_of(photo, subsampling="4:4:4", quality=95),
        "grey": pictures.jpeg(1, SIZE, grey=True),
        "progressive": pictures.jpeg_of(photo, progressive=True),
        "progressive grey": pictures.jpeg(1, SIZE, grey=True, progressive=True),
        "four colours": pictures.cmyk_jpeg(1, SIZE),
        "restarts": written(photo, "JPEG", restart_marker_blocks=3),
        "progressive restarts": written(photo, "JPEG", restart_marker_rows=1, progressive=True),
        "tagged": pictures.jpeg_of(photo, exif=pictures.exif_block()),
        "narrow": pictures.jpeg(1, (1, 19)),
        "odd": pictures.jpeg(1, (33, 17), subsampling="4:2:2"),
        "arithmetic": pictures.arithmetic(pictures.jpeg_of(photo)),
    }


@cache
def rasters() -> Mapping[str, bytes]:
    """PNG, BMP and TIFF of many kinds."""
    photo = pictures.photo(1, SIZE)
    clear = photo.convert("RGBA")
    clear.putalpha(photo.convert("L"))
    modes = {"RGB": photo, "L": photo.convert("L"), "P": photo.quantize(32), "1": photo.convert("1"), "RGBA": clear}
    deep = photo.convert("L").convert("I;16")
    return {
        **{f"png {mode}": written(picture, "PNG") for mode, picture in modes.items()},
        "png 16": written(deep, "PNG"),
        "png least": written(photo, "PNG", compress_level=1),
        **{f"bmp {mode}": written(picture, "BMP") for mode, picture in modes.items()},
        **{
            f"tiff {mode} {packing}": written(modes[mode], "TIFF", compression=packing)
            for mode in ("RGB", "L", "RGBA")
            for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
        },
    }


def written(picture: Image.Image, kind: str, **options: object) -> bytes:
    """A file of a picture, by Pillow."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@cache
def pairs() -> tuple[tuple[bytes, bytes], ...]:
    """A target and a base, so that each method has some that suit it."""
    base = pictures.jpeg(1, SIZE, quality=92, subsampling="4:4:4")
    ffmpegs = pictures.jpeg(1, SIZE, quality=90)
    shown = Image.open(io.BytesIO(base)).convert("RGB")
    small = shown.resize((48, 32), Image.Resampling.LANCZOS)
    return (
        (pictures.jpeg_of(shown, quality=70), base),
        (pictures.jpeg_of(shown, quality=70, progressive=True), base),
        (pictures.jpeg_of(shown.transpose(Image.Transpose.ROTATE_90), quality=80), base),
        (pictures.jpeg_of(small, quality=80), base),
        (pictures.jpeg_of(shown.point([level * 3 // 4 for level in range(256)] * 3), quality=85), base),
        (pictures.jpeg_of(shown.convert("L")), base),
        (base[:2] + b"\xff\xfe\x00\x08hello " + base[2:], base),
        (by_ffmpeg(ffmpegs, SIZE, None), ffmpegs),
        (by_ffmpeg(ffmpegs, (48, 32), "lanczos"), ffmpegs),
        (written(shown, "PNG"), base),
        (written(small, "PNG"), base),
        (written(shown, "BMP"), base),
        (written(shown, "TIFF"), base),
        (pictures.jpeg_of(pictures.photo(1, SIZE)), rasters()["png RGB"]),
        (rasters()["png least"], rasters()["png RGB"]),
        (b"a line that comes again\n" * 40, b""),
        (pictures.jpeg(2, SIZE), b""),
        (rasters()["png L"], b""),
        (rasters()["bmp RGB"], b""),
    )


@cache
def bodies() -> tuple[Body, ...]:
    """Of every method, from every pair that it takes. Errors: AssertionError where a method has none."""
    found = tuple(_bodies())
    missing = set(METHODS) - {body.method for body in found}
    assert not missing, f"no pair of files suits {missing}: add one"
    return found


class Believed(Opened):
    """A base whose pixels are believed: who sends a hostile base sends the mark that belongs to it."""

    def mark(self, eighths: int = 8) -> bytes:
        """Always the same."""
        del eighths
        return bytes(MARK_BYTES)


def _bodies() -> Iterator[Body]:
    for target, base in pairs():
        opened, known = Opened(target), Believed(base)
        for name, method in METHODS.items():
            if method.needs_base and not base:
                continue
            try:
                yield Body(name, method.encode(opened, known), target, base)
            except ContentError:
                continue


@cache
def deltas() -> tuple[tuple[bytes, bytes, bytes], ...]:
    """The best delta of each pair, its base and its target."""
    return tuple((delta.encode_best(target, base or None), base, target) for target, base in pairs())


def examples() -> tuple[Edit, ...]:
    """Edits of every step, and of several together."""
    return *(edit for some in EXAMPLES.values() for edit in some), TOGETHER


def told_edits() -> tuple[bytes, ...]:
    """The same as they travel."""
    return tuple(edits.to_bytes(edit) for edit in examples())
