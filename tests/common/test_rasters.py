"""PNG, BMP and TIFF files taken apart into samples and a skeleton, and put together again to the byte."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.coding import rasters
from common.errors import ContentError
from common.magic import PNG
from tests.fakes import pictures

PHOTO = pictures.photo(1, (121, 90))
MODES = ("RGB", "L", "RGBA", "LA", "P", "1", "I;16")


def in_mode(mode: str) -> Image.Image:
    """The photo with other channels."""
    if mode == "I;16":
        return Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257 - 3)
    return PHOTO.convert(mode)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """By Pillow, with zlib, libtiff and its own hand."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def assert_comes_back(content: bytes) -> rasters.Raster:
    """To the byte; a reader sees the same samples, and the skeleton knows their layout."""
    raster = rasters.take_apart(content)
    assert rasters.put_together(raster.skeleton, raster.samples) == content
    assert rasters.layout_of(raster.skeleton) == raster.layout
    np.testing.assert_array_equal(rasters.read(content).samples, raster.samples)
    return raster


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 1}, {"compress_level": 0}])
def test_pngs_come_back(mode: str, options: dict[str, object]) -> None:
    """Of all kinds of samples, at all efforts."""
    raster = assert_comes_back(saved(in_mode(mode), "PNG", **options))
    if mode in {"RGB", "L", "RGBA"}:
        assert raster.layout.is_picture
        np.testing.assert_array_equal(raster.samples.squeeze(), np.asarray(in_mode(mode)))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_bmps_come_back(mode: str) -> None:
    """With palettes and rows that are filled up."""
    content = saved(in_mode(mode), "BMP")
    raster = assert_comes_back(content)
    if mode in {"RGB", "L", "RGBA"}:
        np.testing.assert_array_equal(raster.samples.squeeze(), np.asarray(in_mode(mode)))
    assert_comes_back(content + b"something behind it")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_tiffs_come_back(mode: str, compression: str | None) -> None:
    """In one strip and in several, with the differences of neighbours and without."""
    for options in ({}, {"tiffinfo": {278: 7}}, {"tiffinfo": {317: 2}} if compression and mode in {"RGB", "L", "I;16"} else {}):
        raster = assert_comes_back(saved(in_mode(mode), "TIFF", compression=compression, **options))
        if mode in {"RGB", "L", "I;16"}:
            np.testing.assert_array_equal(raster.samples.squeeze(), np.asarray(in_mode(mode)))


def test_a_tiff_with_the_upper_byte_first_comes_back() -> None:
    """Its tables and its samples of two bytes."""
    samples = np.asarray(in_mode("I;16")).astype(">u2").tobytes()
    entries = [
        (256, 4, 121),
        (257, 4, 90),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (278, 4, 90),
        (279, 4, len(samples)),
    ]
    table = b"".join(
        struct.pack(">HHI", tag, kind, 1) + struct.pack(">I" if kind == 4 else ">Hxx", value) for tag, kind, value in entries
    )
    content = b"MM\0*" + struct.pack(">I", 8 + len(samples)) + samples + struct.pack(">H", len(entries)) + table + bytes(4)
    raster = assert_comes_back(content)
    np.testing.assert_array_equal(raster.samples.squeeze(), np.asarray(in_mode("I;16")))


def chunk(name: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(stream: bytes, sizes: list[int], *, between: bytes = b"", header: bytes | None = None) -> bytes:
    """A PNG with pixels in chunks of these sizes."""
    head = header or struct.pack(">IIBBBBB", 121, 90, 8, 2, 0, 0, 0)
    parts, at = [], 0
    for size in sizes:
        parts.append(chunk(b"IDAT", stream[at : at + size]))
        at += size
    return (
        PNG
        + chunk(b"IHDR", head)
        + chunk(b"tEXt", b"a\0b")
        + between.join(parts)
        + chunk(b"tIME", b"1234567")
        + chunk(b"IEND", b"")
    )


ROWS = np.asarray(PHOTO).reshape(90, -1)
RAW = np.concatenate([np.zeros((90, 1), np.uint8), ROWS], axis=1).tobytes()
STREAM = zlib.compress(RAW)


@pytest.mark.parametrize(
    "sizes", [[1000, 5, 0, 99999], [99999], [len(STREAM)], [8192] * (len(STREAM) // 8192 + 1), [1] * 20 + [99999]]
)
def test_pixels_may_be_in_chunks_of_any_size(sizes: list[int]) -> None:
    """Empty ones too, and with bytes behind the end of the pixels and of the file."""
    assert_comes_back(png_of(STREAM, sizes))
    assert_comes_back(png_of(STREAM + b"behind", [*sizes, 6]) + b"trailer")


def test_what_is_told_of_a_common_png_is_short() -> None:
    """Filters by the usual rule, one size of chunks, zlib's own choices: little more than the chunks."""
    for content in (saved(PHOTO, "PNG"), saved(PHOTO, "PNG", optimize=True)):
        assert len(rasters.take_apart(content).skeleton) < 200


@pytest.mark.parametrize(
    "content",
    [
        png_of(STREAM, [99999], header=struct.pack(">IIBBBBB", 121, 90, 8, 2, 0, 0, 1)),
        png_of(STREAM, [500, 99999], between=chunk(b"tEXt", b"c\0d")),
        png_of(STREAM[:-1] + b"!", [99999]),
        png_of(STREAM, [99999])[:-20],
        png_of(STREAM, [99999]).replace(b"tEXta", b"tEXtb"),
        png_of(zlib.compress(RAW[:-1]), [99999]),
        png_of(zlib.compress(b"\x05" + RAW[1:]), [99999]),
        png_of(b"", [0]),
        png_of(STREAM, [99999], header=struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 2, 0, 0, 0)),
        png_of(STREAM, [99999], header=struct.pack(">IIBBBBB", 0, 9, 8, 2, 0, 0, 0)),
        PNG,
        b"BM",
        saved(PHOTO, "BMP")[:-1],
        saved(PHOTO, "BMP")[:40],
        saved(PHOTO, "BMP")[:57] + b"1" * (len(saved(PHOTO, "BMP")) - 57),
        b"II*\0",
        b"MM\0*\0\0\0\x08\xff\xff",
        saved(PHOTO, "TIFF")[:-9],
        saved(PHOTO, "TIFF", compression="jpeg"),
        b"GIF89a",
    ],
)
def test_what_does_not_come_back_is_refused(content: bytes) -> None:
    """Interlaced, spoilt, cut off, too large, of other compressions: they go another way."""
    with pytest.raises(ContentError):
        rasters.take_apart(content)


CONTENTS = [
    saved(PHOTO, "PNG"),
    saved(PHOTO, "BMP"),
    saved(PHOTO, "TIFF", compression="tiff_lzw"),
    saved(PHOTO, "TIFF", compression="tiff_adobe_deflate"),
]


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(CONTENTS), st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_spoilt_files_are_refused_or_come_back_as_they_are(content: bytes, seed: int, n: int, is_head: bool) -> None:
    """Wherever the bytes are wrong, their heads above all."""
    spoilt = (
        pictures.flipped(content[:300], seed, n_bytes=n) + content[300:]
        if is_head
        else pictures.flipped(content, seed, n_bytes=n)
    )
    try:
        raster = rasters.take_apart(spoilt)
    except ContentError:
        return
    assert rasters.put_together(raster.skeleton, raster.samples) == spoilt


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([rasters.take_apart(content) for content in CONTENTS]), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_spoilt_skeletons_are_damage_or_make_something_else(raster: rasters.Raster, seed: int, n: int) -> None:
    """Whatever they ask for."""
    skeleton = pictures.flipped(raster.skeleton, seed, n_bytes=n)
    try:
        layout = rasters.layout_of(skeleton)
        if layout == raster.layout:
            rasters.put_together(skeleton, raster.samples)
    except ContentError:
        return


def test_pictures_are_shown_in_eight_bits_without_alpha() -> None:
    """As a base."""
    for mode, wanted in (("RGBA", PHOTO), ("LA", PHOTO.convert("L")), ("L", PHOTO.convert("L"))):
        shown = rasters.shown(rasters.read(saved(PHOTO.convert(mode), "PNG")))
        np.testing.assert_array_equal(shown.squeeze(), np.asarray(wanted))
    fine = rasters.shown(rasters.read(saved(in_mode("I;16"), "PNG")))
    np.testing.assert_array_equal(fine.squeeze(), np.asarray(PHOTO.convert("L")))
    with pytest.raises(ContentError, match="colours"):
        rasters.shown(rasters.read(saved(in_mode("P"), "PNG")))
