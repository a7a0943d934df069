"""Decoding: the same small upright picture whatever the file, and one typed error for whatever is no picture."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from common.errors import ContentError
from common.images.decode import decode
from tests.fakes.scenes import encoded, scene

SCENE = scene(1)
REFERENCE = decode(encoded(SCENE, "PNG")).grey.astype(int)
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the rows of a file with each orientation are stored, so that looked at they are the scene."""


def sixteen_bits() -> Image.Image:
    """The scene's luma with sixteen bits a pixel."""
    return Image.fromarray(np.asarray(SCENE.convert("L")).astype(np.uint16) * 257)


def with_hole() -> Image.Image:
    """The scene with a transparent corner, and a colour below it."""
    image = SCENE.convert("RGBA")
    ImageDraw.Draw(image).rectangle((0, 0, 99, 99), fill=(0, 255, 0, 0))
    return image


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("JPEG", {"quality": 95}, "JPEG"),
        ("JPEG", {"quality": 95, "progressive": True}, "JPEG"),
        ("WEBP", {"lossless": True}, "WEBP"),
        ("WEBP", {"quality": 90}, "WEBP"),
        ("TIFF", {}, "TIFF"),
        ("TIFF", {"compression": "tiff_lzw"}, "TIFF"),
        ("BMP", {}, "BMP"),
        ("GIF", {}, "GIF"),
        ("AVIF", {"quality": 90}, "AVIF"),
    ],
)
def test_every_format_gives_the_same_picture(kind: str, options: dict[str, object], name: str) -> None:
    """What is recognised must not depend on the file around it."""
    picture = decode(encoded(SCENE, kind, **options))
    assert (picture.width, picture.height, picture.format) == (640, 480, name)
    assert picture.grey.shape == (384, 512)
    assert picture.colour.shape == (48, 64, 3)
    assert np.abs(picture.grey - REFERENCE).mean() < 4


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (SCENE.quantize(256), "PNG"),
        (SCENE.convert("CMYK"), "JPEG"),
        (SCENE.convert("CMYK"), "TIFF"),
        (SCENE.convert("RGBA"), "PNG"),
        (SCENE.convert("LA"), "PNG"),
        (SCENE.convert("L"), "JPEG"),
        (SCENE.convert("F"), "TIFF"),
        (SCENE.convert("YCbCr"), "TIFF"),
        (sixteen_bits(), "PNG"),
        (sixteen_bits(), "TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mode,
)
def test_every_mode_gives_the_same_picture(image: Image.Image, kind: str) -> None:
    """Palettes, CMYK, grey, sixteen bits and floats are ways to store, not things to see."""
    assert np.abs(decode(encoded(image, kind)).grey - REFERENCE).mean() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_in_every_format(kind: str, orientation: int) -> None:
    """A phone stores rows as its sensor lies; two copies of a picture may store them differently."""
    exif, turn = Image.Exif(), STORED[orientation]
    exif[274] = orientation
    stored = SCENE if turn is None else SCENE.transpose(turn)
    picture = decode(encoded(stored, kind, exif=exif.tobytes()))
    assert (picture.width, picture.height) == (640, 480)
    assert np.abs(picture.grey - REFERENCE).mean() < 4


def test_a_transparent_part_is_what_lies_below() -> None:
    """That is what a JPEG of it shows, whoever wrote it without a word about paper."""
    below = decode(encoded(with_hole().convert("RGB"), "PNG")).grey
    palette = with_hole().quantize(128, method=Image.Quantize.FASTOCTREE)
    for content in (
        encoded(with_hole(), "PNG"),
        encoded(with_hole(), "WEBP", lossless=True, exact=True),
        encoded(palette, "PNG"),
    ):
        assert np.abs(decode(content).grey.astype(int) - below).mean() < 4


def test_a_large_picture_is_reduced_and_a_small_one_enlarged_to_the_common_size() -> None:
    """Features have the scale of the picture, not of the file; an icon is not blown up beyond use."""
    large = decode(encoded(SCENE.resize((2560, 1920)), "PNG"))
    assert large.grey.shape == (384, 512)
    assert np.abs(large.grey - REFERENCE).mean() < 6
    assert decode(encoded(SCENE.resize((160, 120)))).grey.shape == (384, 512)
    assert decode(encoded(SCENE.resize((32, 24)))).grey.shape == (96, 128)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_a_sliver_is_a_picture_too(size: tuple[int, int]) -> None:
    """Spacers and rules lie in every web folder."""
    picture = decode(encoded(SCENE.resize(size), "PNG"))
    assert (picture.width, picture.height) == size
    assert min(picture.grey.shape) >= 1
    assert picture.colour.shape[0] <= 64 >= picture.colour.shape[1]


def test_the_first_frame_stands_for_an_animation() -> None:
    """What a folder's preview shows."""
    animation = encoded(SCENE, "GIF", save_all=True, append_images=[scene(2), scene(3)])
    assert np.abs(decode(animation).grey - REFERENCE).mean() < 6


def test_a_bomb_is_refused_by_its_header() -> None:
    """Forty bytes can ask for gigabytes; the limit is applied before any is given."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(ContentError) as caught:
        decode(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT")
    assert caught.value.reason == "too_large"
    with pytest.raises(ContentError, match="more than 0 megapixels"):
        decode(encoded(SCENE), max_pixels=1000)


@pytest.mark.parametrize("content", [b"", b"BM", b"\xff\xd8\xff", b"text, not a picture" * 20, b"%PDF-1.7", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_unsupported(content: bytes) -> None:
    """The file is then backed up as plain bytes."""
    with pytest.raises(ContentError) as caught:
        decode(content)
    assert caught.value.reason in {"unsupported", "damaged"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_damage_ends_in_a_content_error_or_a_picture(kind: str, seed: int) -> None:
    """Whatever the parsers raise over flipped and missing bytes, one error leaves here."""
    rng = np.random.default_rng(seed)
    content = bytearray(encoded(SCENE.resize((96, 64)), kind))
    for at in rng.integers(0, len(content), rng.integers(1, 12)):
        content[at] = rng.integers(0, 256)
    cut = bytes(content[: rng.integers(1, len(content))] if seed % 2 else content)
    assert outcome(cut) in {"picture", "unsupported", "damaged", "too_large"}


def outcome(content: bytes) -> str:
    """What decoding ends with."""
    try:
        decode(content, max_pixels=4_000_000)
    except ContentError as error:
        return error.reason
    return "picture"
