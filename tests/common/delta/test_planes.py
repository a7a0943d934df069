"""Targets that ffmpeg made of a JPEG: here by the kernel's own hand, which its tests hold against the sources."""

from __future__ import annotations

import io

import numpy as np
import pytest

from common import delta
from common.delta.opened import Opened
from common.delta.planes import JpegPlanes
from common.errors import ContentError
from common.kernel import dct, ffmpeg, jpeg
from common.kernel.swscale import scaling
from tests.fakes import pictures

SIZE = (331, 243)
BASE = pictures.jpeg(1, SIZE, quality=90)
TABLES = [[8, *range(9, 72)]] * 2


def with_tables(seed: int, size: tuple[int, int]) -> bytes:
    """Pillow's JPEG of a photo, with divisors such as ffmpeg's."""
    file = io.BytesIO()
    pictures.photo(seed, size).save(file, "JPEG", qtables=TABLES)
    return file.getvalue()


def by_ffmpeg(base: bytes, size: tuple[int, int], scaler: str | None, *, is_turned: bool = False) -> bytes:
    """The base's planes, turned by a quarter, scaled, and encoded again into the frame of a JPEG of Pillow's."""
    mould = jpeg.parse(with_tables(5, size))
    known = jpeg.parse(base)
    planes = []
    for blocks, old, new in zip(known.planes, known.frame.planes, mould.frame.planes, strict=True):
        real = tuple(-(-n // (2 // old.h)) for n in (known.frame.height, known.frame.width))
        samples = ffmpeg.inverse_plane(blocks, old.quantisation)[: real[0], : real[1]]
        samples = np.rot90(samples, -1) if is_turned else samples
        wanted = tuple(-(-n // (2 // new.h)) for n in size[::-1])
        if scaler:
            way = scaling(samples.shape, (wanted[0], wanted[1]), scaler, 2 // new.v)
            samples = way.apply(samples, (0, 0, wanted[0], wanted[1]))
        missing = (8 * new.block_rows - wanted[0], 8 * new.block_cols - wanted[1])
        filled = np.pad(samples, ((0, missing[0]), (0, missing[1])), mode="edge")
        planes.append(dct.quantise(ffmpeg.forward(np.ascontiguousarray(filled), new)))
    return jpeg.emit(mould.skeleton, planes)


TARGETS = {
    "encoded again": by_ffmpeg(BASE, SIZE, None),
    "smaller": by_ffmpeg(BASE, (160, 118), "lanczos"),
    "larger": by_ffmpeg(BASE, (400, 294), "bicubic"),
    "turned": by_ffmpeg(BASE, SIZE[::-1], None, is_turned=True),
    "turned and smaller": by_ffmpeg(BASE, (121, 165), "bilinear", is_turned=True),
}


@pytest.mark.parametrize("target", TARGETS)
def test_what_ffmpeg_made_is_its_headers_and_hardly_more(target: str) -> None:
    """Found by a few pieces, and replayed to the last coefficient."""
    made = delta.encode_best(TARGETS[target], BASE)
    assert delta.described(made)[0] == "jpeg-planes"
    assert delta.decode(made, BASE) == TARGETS[target]
    assert len(made) < 700


def test_what_others_made_is_left_to_others() -> None:
    """Other tables; the same tables, but libjpeg's rounding; another picture; other components."""
    for target in (
        pictures.jpeg(1, SIZE, quality=80),
        with_tables(1, SIZE),
        with_tables(2, SIZE),
        by_ffmpeg(pictures.jpeg(2, SIZE, quality=90), SIZE, None),
    ):
        with pytest.raises(ContentError) as refused:
            JpegPlanes().encode(Opened(target), Opened(BASE))
        assert refused.value.reason == "unsupported"


def test_damaged_heads_are_damage() -> None:
    """A form and a scaler that are none."""
    target = TARGETS["smaller"]
    body = JpegPlanes().encode(Opened(target), Opened(BASE))
    for damaged in (b"", b"\x08" + body[1:], body[:1] + b"\x09" + body[2:]):
        with pytest.raises(ContentError) as refused:
            JpegPlanes().decode(damaged, Opened(BASE), size=len(target))
        assert refused.value.reason == "damaged"
