"""Sketches: small, still enough to recognise a picture by, and frozen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.errors import ContentError
from common.ids import digest_of
from common.images.decode import decode
from common.similarity import sketch
from common.similarity.features import Features, extract, strongest
from common.similarity.projection import DESCRIPTIONS
from tests.fakes.scenes import encoded, scene

PICTURE = scene(11, (900, 600))
SEEN = extract(decode(encoded(PICTURE, "PNG")).grey)
RAW = sketch.to_bytes(SEEN)


def sketched(picture: Image.Image, kind: str = "JPEG") -> Features:
    """What a picture's sketch says."""
    return sketch.from_bytes(sketch.to_bytes(extract(decode(encoded(picture, kind)).grey)))


def test_a_sketch_has_at_most_two_and_a_half_kilobytes() -> None:
    """However many features there are; few features make a short one."""
    assert len(SEEN) > sketch.N_POINTS
    assert len(RAW) == 7 + 12 * sketch.N_POINTS <= 2500
    assert len(sketch.to_bytes(strongest(SEEN, 3))) == 7 + 12 * 3
    assert len(sketch.from_bytes(sketch.to_bytes(strongest(SEEN, 0)))) == 0


def test_a_sketch_tells_points_roughly_and_the_first_numbers_of_vectors() -> None:
    """Half a pixel, an eighth of an octave, a 64th of a turn; multiples of twelve."""
    coarse, fine = sketch.from_bytes(RAW), strongest(SEEN, sketch.N_POINTS)
    assert (coarse.shape, coarse.description) == (fine.shape, fine.description)
    assert np.abs(coarse.points[:, :2] - fine.points[:, :2]).max() <= 0.25
    assert np.abs(np.log2(coarse.points[:, 2] / fine.points[:, 2])).max() <= 1 / 16 + 1e-3
    turned = (coarse.points[:, 3] - fine.points[:, 3] + 180) % 360 - 180
    assert np.abs(turned).max() <= 360 / 128 + 1e-3
    vectors = np.clip(fine.vectors[:, :16], -90, 90)
    assert np.abs(coarse.vectors[:, :16].astype(int) - vectors).max() <= 6
    assert not coarse.vectors[:, 16:].any()


def test_what_was_read_is_written_the_same() -> None:
    """A destination compares what it keeps; nothing drifts on the way."""
    assert sketch.to_bytes(sketch.from_bytes(RAW)) == RAW


def test_the_form_is_frozen() -> None:
    """Sketches are on disks and on the wire: another form is another number."""
    points = np.array([[0, 0, 1, 0], [511.9, 383.9, 300, 359.9], [100.3, 50.6, 12.5, 90]], np.float32)
    vectors = np.arange(-54, 54, dtype=np.int8).reshape(3, 36) * 2
    raw = sketch.to_bytes(Features(points, vectors, (384, 512), "rootsift36-1"))
    assert digest_of(raw).hex() == "b09c5b0dd32e177a90b5eb98d9f5ddfea23d22ce363906f652862e114f2db39a"


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture.resize((300, 200), Image.Resampling.LANCZOS),
        lambda picture: picture.rotate(90, expand=True),
        lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda picture: picture.crop((90, 60, 810, 540)),
    ],
)
def test_a_transformed_picture_is_recognised_by_its_sketch(change: object) -> None:
    """With a margin over what strangers reach; and the transform comes out."""
    assert callable(change)
    laid = sketch.lay(sketched(change(PICTURE)), sketch.from_bytes(RAW))
    assert laid.inliers >= 3 * sketch.MIN_INLIERS
    assert 0 < laid.sd <= 1


def test_the_transform_of_a_mirrored_picture_is_told() -> None:
    """In shares of width and height, as registration tells it."""
    laid = sketch.lay(sketched(PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), sketch.from_bytes(RAW))
    assert laid.mirrored
    assert np.allclose(laid.transform, [[-1, 0, 1], [0, 1, 0]], atol=0.02)


def test_another_picture_is_a_stranger() -> None:
    """Ten of them."""
    mine = sketch.from_bytes(RAW)
    assert max(sketch.lay(sketched(scene(seed)), mine).inliers for seed in range(20, 30)) < sketch.MIN_INLIERS


def test_pictures_larger_than_those_that_are_compared_have_no_sketch() -> None:
    """Their points would not fit into ten bits."""
    with pytest.raises(ValueError, match="513x100"):
        sketch.to_bytes(Features(SEEN.points, SEEN.vectors, (100, 513), SEEN.description))


def changed(at: int, *values: int) -> bytes:
    """The sketch with some bytes changed."""
    return RAW[:at] + bytes(values) + RAW[at + len(values) :]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[:6],
        RAW[:-1],
        RAW + b"\0",
        changed(0, 2),
        changed(1, 0),
        changed(1, 1 + len(DESCRIPTIONS)),
        changed(2, 206),
        changed(2, 255),
        changed(3, 0, 0),
        changed(5, 0, 0),
        changed(3, 255, 255),
        changed(5, 1, 2),
        changed(5, 1, 0),
        changed(7, 255, 255, 255, 255),
        changed(len(RAW) - 1, 0x0F),
        changed(len(RAW) - 1, 0xF0),
    ],
)
def test_bytes_that_are_no_sketch_are_damaged(raw: bytes) -> None:
    """Truncated, longer, of another form, of a huge picture, with points outside of it, with numbers that no sketch has."""
    with pytest.raises(ContentError) as refusal:
        sketch.from_bytes(raw)
    assert refusal.value.reason == "damaged"


@given(st.binary(max_size=200), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_damaged(tail: bytes, n: int) -> None:
    """And what is read can be laid on others."""
    raw = RAW[:2] + bytes([n]) + RAW[3:7] + tail
    try:
        read = sketch.from_bytes(raw)
    except ContentError:
        return
    assert sketch.lay(read, sketch.from_bytes(RAW)).inliers < sketch.MIN_INLIERS
