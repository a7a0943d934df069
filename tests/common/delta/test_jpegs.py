"""JPEG targets over bases that somebody encoded again, turned or cut, by real encoders and by the kernel's own hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from common import delta
from common.delta.jpegs import JpegCoefficients
from common.delta.opened import Opened
from common.delta.replay import JpegReplay
from common.errors import ContentError, IntegrityError
from common.kernel import jpeg
from common.kernel.resizing import resize
from tests.fakes import pictures

SIZE = (640, 480)
BASE = pictures.jpeg(1, SIZE, quality=90)
OTHER = pictures.jpeg(2, SIZE, quality=90)


def shown(content: bytes) -> Image.Image:
    """The picture of a file."""
    return Image.open(io.BytesIO(content)).convert("RGB")


def again(picture: Image.Image, **options: object) -> bytes:
    """Encoded by Pillow."""
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def turned_without_loss(content: bytes, form: int) -> bytes:
    """As jpegtran turns: the blocks change their places, and each its coefficients. Of a 4:4:4 file of whole MCUs."""
    parsed = jpeg.parse(content)
    odd = np.where(np.arange(8) % 2, -1, 1).astype(np.int16)
    planes = []
    for plane in parsed.planes:
        blocks = plane.reshape(*plane.shape[:2], 8, 8)
        blocks = blocks[:, ::-1] * odd if form == 2 else blocks[::-1] * odd[:, None]
        planes.append(np.ascontiguousarray(blocks).reshape(plane.shape))
    return jpeg.emit(parsed.skeleton, planes)


REPLAYED = {
    "quality 60": again(shown(BASE), quality=60),
    "progressive": again(shown(BASE), quality=75, progressive=True),
    "4:4:4": again(shown(BASE), quality=85, subsampling=0),
    "upside down": again(shown(BASE).transpose(Image.Transpose.ROTATE_180), quality=80),
    "a quarter turn": again(shown(BASE).transpose(Image.Transpose.ROTATE_90), quality=80),
    "mirrored": again(shown(BASE).transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=80),
}


@pytest.mark.parametrize("edit", REPLAYED)
def test_what_was_encoded_again_is_its_headers_and_hardly_more(edit: str) -> None:
    """Pillow's encoder is replayed to the last coefficient."""
    target = REPLAYED[edit]
    made = delta.encode_best(target, BASE)
    assert delta.described(made)[0] == "jpeg-replay"
    assert delta.decode(made, BASE) == target
    assert len(made) < 700


@pytest.mark.parametrize("form", [2, 4])
def test_what_was_turned_without_loss_is_found_in_the_coefficients(form: int) -> None:
    """Mirrored, and upside down."""
    base = pictures.jpeg(1, SIZE, quality=90, subsampling="4:4:4")
    target = turned_without_loss(base, form)
    assert target != base
    made = delta.encode_best(target, base)
    assert delta.described(made)[0] == "jpeg-coefficients"
    assert delta.decode(made, base) == target
    assert len(made) < 400


def test_the_same_coefficients_in_another_order_cost_next_to_nothing() -> None:
    """A progressive file of the very same coefficients, as jpegtran makes one; here the other way round, by its planes."""
    progressive = again(shown(BASE), quality=90, progressive=True, subsampling=2)
    baseline = again(shown(BASE), quality=90, subsampling=2)
    known = Opened(baseline)
    body = JpegCoefficients().encode(Opened(progressive), known)
    assert JpegCoefficients().decode(body, known, size=len(progressive)) == progressive
    assert len(body) < 700


def test_a_picture_by_itself_is_smaller_than_with_lepton() -> None:
    """And comes back to the byte."""
    made = delta.encode_best(OTHER, None)
    assert delta.described(made)[0] == "jpeg"
    assert delta.decode(made, None) == OTHER
    assert len(made) < len(OTHER) * 0.95


@pytest.mark.parametrize(
    "target",
    [
        OTHER,
        pictures.jpeg(1, (320, 240)),
        pictures.jpeg(1, SIZE, grey=True),
        pictures.cmyk_jpeg(1, SIZE),
        pictures.cut(OTHER),
    ],
)
def test_where_the_base_is_no_help_it_is_left_alone(target: bytes) -> None:
    """Another picture, another size, another colour, a damaged file: the target comes back, coded by itself."""
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    assert len(made) <= len(target) + 64


@pytest.mark.parametrize("method", [JpegCoefficients(), JpegReplay()])
def test_damaged_bodies_end_in_errors_or_other_bytes_never_in_a_crash(method: JpegCoefficients | JpegReplay) -> None:
    """Other bytes are told by their digest, by whoever asked; a wrong mark says that the base has other pixels here."""
    base = pictures.jpeg(1, (160, 120), quality=90)
    target = again(shown(base), quality=60) if isinstance(method, JpegReplay) else base
    known = Opened(base)
    body = method.encode(Opened(target), known)
    rng = np.random.default_rng(1)
    for _ in range(150):
        spoilt = bytearray(body)
        spoilt[int(rng.integers(len(spoilt)))] ^= int(rng.integers(1, 256))
        try:
            method.decode(bytes(spoilt[: int(rng.integers(1, len(spoilt) + 1))]), known, size=len(target))
        except (ContentError, IntegrityError):
            continue


def test_what_libvips_enlarged_is_all_of_the_picture() -> None:
    """It lies half a pixel off, and so looks like a piece."""
    base = pictures.jpeg(1, (320, 240), quality=90)
    larger = resize(np.asarray(shown(base)), 480, 360, "vips", "lanczos")
    target = again(Image.fromarray(larger), quality=82)
    made = delta.encode_best(target, base)
    assert delta.decode(made, base) == target
    assert len(made) < 700
