"""Thumbnails as they are expected to be: weights against exact fractions, fits against what they say, and both for ever."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from common.errors import ContentError
from common.ids import digest_of
from common.kernel import jpeg
from common.kernel.jpeg import Parsed
from common.kernel.thumbnails import WAYS, Source
from tests.fakes import pictures

Size = tuple[int, int]
Box = tuple[int, int, int, int]
PHOTO = pictures.jpeg(1, (640, 480), quality=92)


def small(
    content: bytes, size: tuple[int, int], how: Image.Resampling, *, box: tuple[int, int, int, int] | None = None
) -> Parsed:
    """A thumbnail by Pillow, taken apart."""
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).resize(size, how, box=box).save(file, "JPEG", quality=85)
    return jpeg.parse(file.getvalue())


def source_of(content: bytes) -> Source:
    """The source of a file."""
    parsed = jpeg.parse(content)
    return Source(parsed.planes, parsed.frame)


def share_off(source: Source, way: int, thumbnail: Parsed) -> float:
    """How many of the coefficients are not as expected."""
    expected = source.expected(way, thumbnail.frame)
    off = [np.abs(e - 64 * b.astype(np.int32)) > 32 for e, b in zip(expected, thumbnail.planes, strict=True)]
    return float(np.mean(np.concatenate([o.ravel() for o in off])))


@pytest.mark.parametrize(
    ("way", "how", "box", "size"),
    [
        (1, Image.Resampling.BOX, None, (160, 120)),
        (2, Image.Resampling.BILINEAR, None, (150, 100)),
        (3, Image.Resampling.BICUBIC, None, (150, 120)),
        (7, Image.Resampling.BILINEAR, (80, 0, 560, 480), (120, 120)),
    ],
)
def test_what_pillow_makes_is_expected(
    way: int, how: Image.Resampling, box: tuple[int, int, int, int] | None, size: tuple[int, int]
) -> None:
    """Nearly to the last coefficient; and the way is found."""
    source, thumbnail = source_of(PHOTO), small(PHOTO, size, how, box=box)
    assert share_off(source, way, thumbnail) < 0.01
    assert source.nearest(thumbnail.planes, thumbnail.frame) == way


def test_bars_are_black_and_the_picture_is_between_them() -> None:
    """A picture of four to three in a square."""
    canvas = Image.new("RGB", (120, 120))
    canvas.paste(Image.open(io.BytesIO(PHOTO)).resize((120, 90), Image.Resampling.BILINEAR), (0, 15))
    thumbnail = jpeg.parse(pictures.jpeg_of(canvas))
    source = source_of(PHOTO)
    assert source.nearest(thumbnail.planes, thumbnail.frame) == 5
    assert share_off(source, 5, thumbnail) < 0.01


def test_a_large_picture_is_looked_at_reduced() -> None:
    """Twice the thumbnail's size is enough."""
    large = pictures.jpeg(1, (2048, 1536))
    thumbnail = small(large, (160, 120), Image.Resampling.BICUBIC)
    source = source_of(large)
    assert source.nearest(thumbnail.planes, thumbnail.frame) is not None
    assert list(source._pixels) == [2]


def test_nothing_is_expected_across_channels() -> None:
    """Of a grey thumbnail of a coloured picture."""
    grey = jpeg.parse(pictures.jpeg(1, (160, 120), grey=True))
    source = source_of(PHOTO)
    assert source.nearest(grey.planes, grey.frame) is None
    with pytest.raises(ContentError):
        source.expected(1, grey.frame)


def test_an_unknown_way_is_damage() -> None:
    """It comes from elsewhere."""
    parsed = jpeg.parse(PHOTO)
    with pytest.raises(ContentError) as refusal:
        Source(parsed.planes, parsed.frame).expected(99, parsed.frame)
    assert refusal.value.reason == "damaged"


def test_the_ways_stay_for_ever() -> None:
    """Coded JPEGs are decoded against the very coefficients. If this fails, the codings that use them want new names."""
    rng = np.random.default_rng(1)
    parsed = jpeg.parse(pictures.jpeg_of(Image.fromarray(rng.integers(0, 256, (90, 150, 3), dtype=np.uint8))))
    planes = [rng.integers(-9, 10, plane.shape, dtype=np.int16) for plane in parsed.planes]
    thumbnail = jpeg.parse(pictures.jpeg_of(Image.new("RGB", (40, 30))))
    source = Source(planes, parsed.frame)
    found = {way: b"".join(e.astype("<i4").tobytes() for e in source.expected(way, thumbnail.frame)) for way in WAYS}
    assert (
        digest_of(b"".join(found[way] for way in sorted(found))).hex()
        == "fd5c7c3a575b40b84e3ac5cb850c5f4f1ccc94d3bba7dc3033958c668a1bb7e3"
    )
