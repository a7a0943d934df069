"""Coefficients to pixels and back: what libjpeg-turbo shows and what it would write, exactly."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.errors import ContentError
from common.kernel import colour, dct, jpeg, pixels, sampling
from common.kernel.frame import Frame, Plane
from tests.common.kernel import oracles
from tests.fakes import pictures, scenes

Samples = npt.NDArray[np.uint8]
Subject = Literal["photo", "scene", "noise", "stripes", "white"]
SIZES = ((320, 240), (97, 61), (17, 33), (8, 250), (16, 16), (5, 2), (3, 5), (1, 1))


def picture_of(subject: Subject, size: tuple[int, int]) -> Image.Image:
    """Photos, and what photos never are: the extremes at which a transform overflows."""
    rng = np.random.default_rng(11)
    shape = (size[1], size[0], 3)
    match subject:
        case "photo":
            return pictures.photo(5, size)
        case "scene":
            return scenes.scene(5, size)
        case "noise":
            return Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8))
        case "stripes":
            return Image.fromarray((rng.integers(0, 2, shape) * 255).astype(np.uint8))
        case "white":
            return Image.new("RGB", size, "white")


def frame_of(image: Image.Image) -> Frame:
    """The frame of a JPEG as Pillow tells it."""
    tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    layers: list[tuple[int, int, int, int]] = image.layer  # type: ignore[attr-defined]
    mcu_cols = -(-image.width // (8 * max(layer[1] for layer in layers)))
    mcu_rows = -(-image.height // (8 * max(layer[2] for layer in layers)))
    planes = (Plane(name, h, v, tuple(tables[table]), mcu_rows * v, mcu_cols * h) for name, h, v, table in layers)
    return Frame(image.width, image.height, "progressive" in image.info, tuple(planes))


def array_of(image: Image.Image) -> Samples:
    """(height, width, channels)."""
    return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


def frame_with(shape: tuple[int, int], factors: list[tuple[int, int]], quantisation: tuple[int, ...] = (1,) * 64) -> Frame:
    """A frame for a picture of (height, width) with these sampling factors."""
    widest, tallest = max(h for h, _ in factors), max(v for _, v in factors)
    cols, rows = -(-shape[1] // (8 * widest)), -(-shape[0] // (8 * tallest))
    planes = tuple(Plane(k, h, v, quantisation, rows * v, cols * h) for k, (h, v) in enumerate(factors, 1))
    return Frame(shape[1], shape[0], is_progressive=False, planes=planes)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", [*pictures.SUBSAMPLING, "grey"])
@pytest.mark.parametrize("subject", ["photo", "scene", "noise", "stripes", "white"])
def test_what_is_expected_of_a_picture_decodes_to_what_pillow_shows_of_its_own_jpeg(
    subject: Subject, subsampling: str, size: tuple[int, int]
) -> None:
    """Forward, quantisation, inverse, upsampling and colour in one: a difference anywhere shows in some pixel."""
    picture = picture_of(subject, size)
    for quality, progressive in ((5, False), (60, subject in {"photo", "scene"}), (85, False), (100, False)):
        drawn = picture.convert("L") if subsampling == "grey" else picture
        sampled = "4:4:4" if subsampling == "grey" else subsampling
        file = io.BytesIO(pictures.jpeg_of(drawn, quality=quality, progressive=progressive, subsampling=sampled))
        with Image.open(file) as image:
            frame, shown = frame_of(image), array_of(image)
        written = jpeg.parse(file.getvalue()).planes
        planes = [dct.quantise(expected) for expected in pixels.expect(array_of(drawn), frame, "islow")]
        assert all(map(np.array_equal, planes, written)), quality
        assert np.array_equal(pixels.decode_pixels(planes, frame), shown), quality


@pytest.mark.parametrize("eighths", [1, 2, 4])
@pytest.mark.parametrize("size", [(320, 240), (97, 61), (17, 33), (8, 250), (16, 16), (640, 477), (35, 9)], ids=str)
@pytest.mark.parametrize("subsampling", [*pictures.SUBSAMPLING, "grey"])
def test_a_picture_opened_smaller_is_what_pillow_drafts(subsampling: str, size: tuple[int, int], eighths: int) -> None:
    """At a half, a quarter and an eighth, where chroma of fewer samples is reduced less."""
    for subject in ("photo", "stripes"):
        picture = picture_of(subject, size)
        drawn = picture.convert("L") if subsampling == "grey" else picture
        sampled = "4:4:4" if subsampling == "grey" else subsampling
        with Image.open(io.BytesIO(pictures.jpeg_of(drawn, quality=90, subsampling=sampled))) as image:
            frame = frame_of(image)
            image.draft(None, (size[0] * eighths // 8, size[1] * eighths // 8))
            shown = array_of(image)
        planes = [dct.quantise(expected) for expected in pixels.expect(array_of(drawn), frame, "islow")]
        assert shown.shape[:2] == (-(-size[1] * eighths // 8), -(-size[0] * eighths // 8))
        assert np.array_equal(pixels.decode_pixels(planes, frame, eighths=eighths), shown)


@pytest.mark.parametrize("method", dct.METHODS)
@pytest.mark.parametrize("subject", ["photo", "noise"])
def test_a_forward_transform_is_libjpegs_and_its_quantisation_a_rounded_division(method: str, subject: Subject) -> None:
    """Steps of 1/64 are cut towards zero, and round to what division with halves away from zero gives."""
    samples = np.ascontiguousarray(array_of(picture_of(subject, (64, 48)))[:, :, 0])
    raw = oracles.TRANSFORMS[method](oracles.blocks_of(samples) - 128).reshape(6, 8, 64)
    for quantisation in ((1,) * 64, tuple(range(1, 65)), (255,) * 64, (3, 5, 7, 11) * 16):
        expected = dct.forward(samples, Plane(1, 1, 1, quantisation, 6, 8), method)
        divisors = np.array(dct.divisors(quantisation, method))
        assert np.array_equal(expected, np.sign(raw) * (np.abs(raw) * 64 // divisors))
        assert np.array_equal(dct.quantise(expected), np.sign(raw) * ((np.abs(raw) + divisors // 2) // divisors))


def libjpeg_quotient(values: npt.NDArray[np.int64], divisor: int) -> npt.NDArray[np.int64]:
    """libjpeg-turbo's division by multiplication (compute_reciprocal and quantize of jcdctmgr.c) of magnitudes."""
    if divisor == 1:
        return values
    bits = 16 + divisor.bit_length() - 1
    factor, rest = divmod(1 << bits, divisor)
    correction = divisor // 2
    if rest == 0:
        factor, bits = factor >> 1, bits - 1
    elif rest <= divisor // 2:
        correction += 1
    else:
        factor += 1
    return ((values + correction) * factor) >> bits


def test_libjpegs_reciprocals_round_as_a_division_does() -> None:
    """So that no table of exceptions is needed: all magnitudes of a transform, divisors of 8-bit tables and beyond."""
    values = np.arange(1 << 15)
    for divisor in {8 * q for q in range(1, 256)} | set(range(1, 400)) | {2040, 4095, 8191, 16383, 32760}:
        kept = values[values + divisor // 2 + 1 < 1 << 16]  # 16-bit words there
        assert np.array_equal(libjpeg_quotient(kept, divisor), (kept + divisor // 2) // divisor), divisor


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 100]), st.integers(0, 63))
def test_an_inverse_transform_is_libjpegs(seed: int, spread: int, kept: int) -> None:
    """Sparse blocks too, whose empty columns take a shorter way; as large as 16 bits bear."""
    rng = np.random.default_rng(seed)
    coefficients = rng.integers(-spread, spread + 1, (3, 4, 64)).astype(np.int16)
    coefficients[:, :, kept + 1 :] = 0
    table = tuple(int(q) for q in rng.integers(1, 5, 64))
    values = (coefficients.astype(np.int64) * np.array(table)).reshape(3, 4, 8, 8)
    plain = oracles.inverse(values).swapaxes(1, 2).reshape(24, 32)
    assert np.array_equal(dct.inverse_plane(coefficients, table), plain)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_coefficients_that_no_encoder_writes_do_no_harm(seed: int) -> None:
    """Any 16 bits times any 16 bits: samples come out, and the same ones again."""
    rng = np.random.default_rng(seed)
    coefficients = rng.choice(np.array([-32768, -1, 0, 1, 32767], np.int16), (2, 2, 64))
    table = tuple(int(q) for q in rng.choice([1, 255, 65535], 64))
    assert np.array_equal(dct.inverse_plane(coefficients, table), dct.inverse_plane(coefficients, table))


@pytest.mark.parametrize(("cols", "rows"), [(3, 1), (3, 5), (16, 9), (31, 2)])
def test_chroma_is_blended_between_samples(cols: int, rows: int) -> None:
    """The triangle filter in one dimension, in the other, and in both, where rounding is done once."""
    plane = np.random.default_rng(cols).integers(0, 256, (rows, cols)).astype(np.uint8)
    assert np.array_equal(sampling.enlarge(plane, 2, 1), oracles.wide(plane, 1, (1, 2), 2))
    assert np.array_equal(sampling.enlarge(plane, 1, 2), oracles.wide(plane, 0, (1, 2), 2))
    tall = np.repeat(plane.astype(np.int64), 2, axis=0) * 3
    tall[0::2] += np.concatenate([plane[:1], plane[:-1]])
    tall[1::2] += np.concatenate([plane[1:], plane[-1:]])
    before, after = np.concatenate([tall[:, :1], tall[:, :-1]], 1), np.concatenate([tall[:, 1:], tall[:, -1:]], 1)
    both = np.stack([(3 * tall + before + 8) >> 4, (3 * tall + after + 7) >> 4], axis=2).reshape(2 * rows, 2 * cols)
    assert np.array_equal(sampling.enlarge(plane, 2, 2), both)


@pytest.mark.parametrize("ratio", [(1, 1), (3, 1), (4, 1), (4, 2), (2, 4), (1, 3)], ids=str)
def test_other_ratios_repeat(ratio: tuple[int, int]) -> None:
    """As libjpeg's int_upsample."""
    plane = np.random.default_rng(2).integers(0, 256, (7, 5)).astype(np.uint8)
    assert np.array_equal(sampling.enlarge(plane, *ratio), plane.repeat(ratio[1], 0).repeat(ratio[0], 1))


def test_planes_too_narrow_to_blend_repeat() -> None:
    """It blends only from three samples on, whatever the height."""
    plane = np.array([[10, 200], [30, 90]], np.uint8)
    assert np.array_equal(sampling.enlarge(plane, 2, 1), plane.repeat(2, 1))
    assert np.array_equal(sampling.enlarge(plane, 2, 2), plane.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (3, 2)], ids=str)
def test_samples_are_means_whose_rounding_alternates(ratio: tuple[int, int]) -> None:
    """Edges are repeated to whole blocks: columns before the means are taken, the last row of means after."""
    across, down = ratio
    plane = np.random.default_rng(3).integers(0, 256, (13, 35)).astype(np.int64)
    rows, cols = -(-13 // (8 * down)) * 8, -(-35 // (8 * across)) * 8
    real = -(-13 // down)
    padded = np.pad(plane, ((0, real * down - 13), (0, cols * across - 35)), mode="edge")
    totals = padded.reshape(real, down, cols, across).sum((1, 3))
    biases = {(2, 1): [0, 1], (2, 2): [1, 2]}.get(ratio, [across * down // 2])
    means = (totals + np.resize(biases, cols)) // (across * down)
    shrunk = sampling.shrink(plane.astype(np.uint8), across, down)
    assert np.array_equal(shrunk, np.pad(means, ((0, rows - real), (0, 0)), mode="edge"))


def test_colours_are_libjpegs_tables() -> None:
    """Every corner of the cube and a good part of its inside, both ways."""
    step = np.arange(0, 256, 5)
    cube = np.stack(np.meshgrid(step, step, step, indexing="ij"), -1).reshape(52, -1, 3)
    r, g, b = np.moveaxis(cube, 2, 0)
    y = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    cb = (-11058 * r - 21710 * g + 32768 * b + (128 << 16) + 32767) >> 16
    cr = (32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767) >> 16
    planes = colour.ycc_from_rgb(cube.astype(np.uint8))
    assert all(np.array_equal(a, b) for a, b in zip(planes, (y, cb, cr), strict=True))
    shown = [
        r + ((91881 * (b - 128) + 32768) >> 16),
        r + ((-22554 * (g - 128) - 46802 * (b - 128) + 32768) >> 16),
        r + ((116130 * (g - 128) + 32768) >> 16),
    ]
    first, second, third = (np.ascontiguousarray(channel.astype(np.uint8)) for channel in (r, g, b))
    assert np.array_equal(colour.rgb_from_ycc(first, second, third, *r.shape[:2]), np.clip(np.stack(shown, 2), 0, 255))


def test_blocks_past_the_picture_hold_the_mean_of_the_block_before() -> None:
    """An MCU of 2x2 blocks over a picture of one: the others are what libjpeg fills in."""
    frame = frame_with((8, 8), [(2, 2), (1, 1), (1, 1)])
    luma, *_ = pixels.expect(array_of(pictures.photo(1, (8, 8))), frame, "islow")
    assert (luma[:, :, 0].ravel()[1:] == 64 * int(dct.quantise(luma)[0, 0, 0])).all()
    assert not luma[:, 1:, 1:].any()
    assert not luma[1:, :, 1:].any()


def test_channels_that_are_no_colour_difference_stay_as_they_are() -> None:
    """RGB and CMYK files: told by the caller, who has read the markers."""
    picture = np.random.default_rng(4).integers(0, 256, (9, 14, 4)).astype(np.uint8)
    frame = frame_with((9, 14), [(1, 1)] * 4)
    planes = [dct.quantise(expected) for expected in pixels.expect(picture, frame, "islow", ycc=False)]
    assert np.abs(pixels.decode_pixels(planes, frame, ycc=False).astype(int) - picture).max() <= 2


def test_frames_that_cannot_be_shown_are_refused() -> None:
    """Fractions of samples politely; blocks that do not cover the picture, and planes that do not fit, as damage."""
    fractions = frame_with((16, 24), [(3, 1), (2, 1), (1, 1)])
    with pytest.raises(ContentError) as refused:
        pixels.decode_pixels([], fractions)
    assert refused.value.reason == "unsupported"
    grey = frame_with((8, 8), [(1, 1)])
    with pytest.raises(ContentError) as refused:
        pixels.decode_pixels([np.zeros((1, 2, 64), np.int16)], grey)
    assert refused.value.reason == "damaged"
    small = Frame(9, 8, is_progressive=False, planes=grey.planes)
    with pytest.raises(ContentError) as refused:
        pixels.decode_pixels([np.zeros((1, 1, 64), np.int16)], small)
    assert refused.value.reason == "damaged"


def test_what_does_not_fit_is_refused_before_any_pointer_is_followed() -> None:
    """Shapes are what the unchecked inner loops rely on."""
    plane = Plane(1, 1, 1, (1,) * 64, 2, 2)
    samples = np.zeros((16, 16), np.uint8)
    for wrong, where, method in (
        (samples[:, :9].copy(), plane, "islow"),
        (np.zeros((24, 16), np.uint8), plane, "islow"),
        (np.zeros((0, 0), np.uint8), plane, "islow"),
        (samples, Plane(1, 1, 1, (1,) * 63, 2, 2), "islow"),
        (samples, Plane(1, 1, 1, (0,) * 64, 2, 2), "islow"),
        (samples, plane, "float"),
    ):
        with pytest.raises(ValueError, match=r"."):
            dct.forward(wrong, where, method)
    with pytest.raises(ValueError, match="64 coefficients"):
        dct.inverse_plane(np.zeros((1, 1, 63), np.int16), (1,) * 64)
    with pytest.raises(ValueError, match="rows"):
        colour.rgb_from_ycc(samples, samples, samples[:8], 16, 16)
    with pytest.raises(ValueError, match="1 to 4"):
        sampling.enlarge(samples, 5, 1)
    with pytest.raises(ValueError, match="1 to 4"):
        sampling.shrink(samples[:0], 1, 1)
