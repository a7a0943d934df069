"""PNG, BMP and TIFF targets: by themselves, and over bases of which they are what somebody made of the pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from common import delta
from common.delta import METHODS, Method
from common.delta.opened import Opened
from common.errors import ContentError
from tests.fakes import pictures

SIZE = (480, 360)
BASE = pictures.jpeg(1, SIZE, quality=90)
SHOWN = Image.open(io.BytesIO(BASE)).convert("RGB")
FORMATS = {"PNG": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}}


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """By Pillow."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def drawing() -> Image.Image:
    """Few colours, straight lines."""
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    for i in range(0, 300, 7):
        draw.rectangle((i, i // 2, i + 90, i // 2 + 40), outline=(i % 256, 0, 99), fill=(200, i % 256, 20))
    return picture


@pytest.mark.parametrize("kind", FORMATS)
def test_the_pixels_of_a_base_cost_next_to_nothing(kind: str) -> None:
    """Saved by another program: the skeleton is all there is to say."""
    target = saved(SHOWN, kind, **FORMATS[kind])
    made = delta.encode_best(target, BASE)
    assert delta.described(made)[0] == "raster-replay"
    assert len(made) < 300
    assert delta.decode(made, BASE) == target


def test_edits_of_the_base_are_replayed() -> None:
    """Smaller, cut, turned, in grey."""
    grey = saved(SHOWN.convert("L"))
    small = saved(SHOWN.resize((240, 180), Image.Resampling.LANCZOS))
    cut = saved(SHOWN.crop((33, 21, 421, 301)))
    turned = saved(SHOWN.transpose(Image.Transpose.ROTATE_90))
    for target, share in ((grey, 0.05), (small, 0.03), (cut, 0.03), (turned, 0.03)):
        made = delta.encode_best(target, BASE)
        assert delta.decode(made, BASE) == target
        assert len(made) < share * len(target)


def test_opaque_alpha_and_sixteen_bits_are_expected() -> None:
    """What the base does not have."""
    deep = np.asarray(SHOWN.convert("L")).astype(np.uint16) * 257
    for target in (saved(SHOWN.convert("RGBA")), saved(Image.fromarray(deep))):
        made = delta.encode_best(target, BASE)
        assert delta.decode(made, BASE) == target
        assert len(made) < len(target) / 5


def test_a_jpeg_is_made_of_a_png() -> None:
    """Files of pixels are bases too, for JPEGs and for each other."""
    base = saved(SHOWN)
    for target in (saved(SHOWN, "JPEG", quality=80), saved(SHOWN, "BMP")):
        made = delta.encode_best(target, base)
        assert delta.decode(made, base) == target
        assert len(made) < 2000


@pytest.mark.parametrize("kind", FORMATS)
def test_a_photo_by_itself_takes_less_than_its_file(kind: str) -> None:
    """In every format."""
    target = saved(pictures.photo(3, SIZE), kind, **FORMATS[kind])
    made = delta.encode_best(target, None)
    assert delta.described(made)[0] == "raster"
    assert len(made) < 0.75 * len(target)
    assert delta.decode(made, None) == target


def test_a_drawing_and_a_palette_by_themselves() -> None:
    """Coded by what serves them better than a model of photos."""
    for picture in (drawing(), drawing().convert("P"), SHOWN.convert("1")):
        target = saved(picture)
        made = delta.encode_best(target, None)
        assert delta.decode(made, None) == target
        assert len(made) <= len(target) + 64


def test_where_the_base_shows_something_else_the_target_goes_by_itself() -> None:
    """No edit serves."""
    target = saved(pictures.photo(9, SIZE))
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    with pytest.raises(ContentError):
        METHODS["raster-replay"].encode(Opened(BASE), Opened(BASE))


TARGET = saved(SHOWN.resize((120, 90), Image.Resampling.LANCZOS))
BODIES = [(METHODS[name], METHODS[name].encode(Opened(TARGET), Opened(BASE))) for name in ("raster", "raster-replay")]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(BODIES), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_damaged_bodies_end_in_errors_or_other_bytes(made: tuple[Method, bytes], seed: int, n: int) -> None:
    """Never in a crash; the digest tells other bytes from the target."""
    method, body = made
    try:
        method.decode(pictures.flipped(body, seed, n_bytes=n), Opened(BASE), size=len(TARGET))
    except ContentError:
        return


@pytest.mark.parametrize("n", [0, 1, 5, 11, 40])
def test_bodies_that_end_early_are_damage(n: int) -> None:
    """Wherever they do."""
    for method, body in BODIES:
        with pytest.raises(ContentError):
            method.decode(body[:n], Opened(BASE), size=len(TARGET))
