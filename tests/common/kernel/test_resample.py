"""Pictures of another size, as Pillow and OpenCV make them: equal at run time, whatever versions are installed."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.errors import ContentError
from common.kernel import curves, resample, taps
from common.kernel.resizing import plan, resize
from tests.fakes import pictures, scenes

Samples = npt.NDArray[np.uint8]
PILLOW = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZE = (331, 243)


def subject() -> Image.Image:
    """A photo with patches that are black, white and noise: where sums are clamped."""
    array = np.array(pictures.photo(3, SIZE))
    array[:40, :40], array[:40, 40:80] = 0, 255
    array[200:, :] = np.random.default_rng(1).integers(0, 2, (43, 331, 3)) * 255
    return Image.fromarray(array)


def resized(picture: Image.Image, size: tuple[int, int], kernel: str) -> Samples:
    """As Pillow does it."""
    array = np.asarray(picture, np.uint8).reshape(picture.height, picture.width, -1)
    return resize(array, size[0], size[1], "pillow", kernel)


@pytest.mark.parametrize("size", [(100, 80), (331, 100), (100, 243), (500, 400), (165, 121), (7, 1), (330, 242)], ids=str)
@pytest.mark.parametrize("kernel", PILLOW)
def test_pillows_resizing_is_reproduced_to_the_bit(kernel: str, size: tuple[int, int]) -> None:
    """Smaller, larger, in one dimension, to almost nothing; in colour and in grey."""
    for picture in (subject(), subject().convert("L")):
        wanted = np.asarray(picture.resize(size, PILLOW[kernel])).reshape(size[1], size[0], -1)
        assert np.array_equal(resized(picture, size, kernel), wanted)


@pytest.mark.parametrize("kernel", PILLOW)
def test_a_part_between_pixels_is_resized_as_pillow_does(kernel: str) -> None:
    """Crop and resize in one step."""
    box = (10.5, 3.25, 300.75, 200.0)
    left, top, right, bottom = map(Fraction, box)
    planned = plan((243, 331), (70, 90), "pillow", kernel, (top, left, bottom, right))
    wanted = subject().resize((90, 70), PILLOW[kernel], box=box)
    assert np.array_equal(planned.of(np.asarray(subject())), np.asarray(wanted))


@pytest.mark.parametrize("boxes", [(1, 2), (2, 2), (3, 3), (3, 1), (4, 4), (4, 2), (5, 4), (6, 6), (8, 8), (12, 10)], ids=str)
def test_means_of_boxes_are_opencvs_and_pillows(boxes: tuple[int, int]) -> None:
    """Whole factors, whose halves each rounds in its own way."""
    wide, tall = boxes
    array = np.random.default_rng(wide).integers(0, 256, (20 * tall, 30 * wide, 3)).astype(np.uint8)
    array[:tall] = 255
    opencv = cv2.resize(array, (30, 20), interpolation=cv2.INTER_AREA)
    assert np.array_equal(taps.reduce_boxes(array, wide, tall, "opencv"), opencv)
    assert np.array_equal(taps.reduce_boxes(array, wide, tall, "pillow"), np.asarray(Image.fromarray(array).reduce(boxes)))
    sums = array.astype(np.int64).reshape(20, tall, 30, wide, 3).sum((1, 3))
    assert np.array_equal(taps.reduce_boxes(array, wide, tall, "half_up"), (sums + wide * tall // 2) // (wide * tall))


def test_opencvs_area_of_broken_factors_is_met_but_for_near_halves() -> None:
    """It adds floats up; finer levels between the passes leave one sample in a thousand that is one off."""
    array = np.asarray(scenes.scene(4, (640, 480)))
    wanted = cv2.resize(array, (333, 222), interpolation=cv2.INTER_AREA).astype(int)
    got = resize(array, 333, 222, "fine", "area")
    assert np.abs(got - wanted).max() <= 1
    assert (got != wanted).mean() < 0.001


def plainly(levels: npt.NDArray[np.int64], table: taps.Taps, bits: int, top: int) -> npt.NDArray[np.int64]:
    """The rows of `levels` summed by a table."""
    out = [
        (np.tensordot(weights[:count], levels[first : first + count], axes=1) + (1 << bits - 1)) >> bits
        for (first, count), weights in zip(table.bounds, table.weights.astype(np.int64), strict=True)
    ]
    return np.clip(np.stack(out), 0, top)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kernel", [*curves.KERNELS, "area"])
def test_sums_are_those_of_the_oracle(kernel: str, channels: int) -> None:
    """Down and across, of 8 bits and finer, from 8 bits and from finer."""
    array = np.ascontiguousarray(np.repeat(np.asarray(subject()), 2, axis=2)[:, :, :channels])
    for is_down, outputs in ((True, 260), (False, 120)):
        turned = array if is_down else array.swapaxes(0, 1)
        table = taps.taps(len(turned), outputs, kernel)
        wanted = plainly(turned.astype(np.int64), table, 22, 255)
        got = (resample.down if is_down else resample.across)(array, table.bounds, table.weights)
        assert np.array_equal(got if is_down else got.swapaxes(0, 1), wanted)
        table = taps.taps(len(turned), outputs, kernel, bits=30)
        for unit in (257, 16384):
            wanted = plainly(turned.astype(np.int64) * unit, table, 30, 255 * unit)
            for levels in (array, array.astype(np.int32) * unit):
                fine = resample.finely(levels, table.bounds, table.weights, unit, is_down)
                assert np.array_equal(fine if is_down else fine.swapaxes(0, 1), wanted)


def received(bounds: list[tuple[int, int]], weights: list[list[int]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """As it comes off the wire."""
    return np.array(bounds, np.int32), np.array(weights, np.int32)


@pytest.mark.parametrize(
    ("bounds", "weights"),
    [
        ([(-1, 1)], [[1 << 22]]),
        ([(8, 1)], [[1 << 22]]),
        ([(7, 2)], [[1, 1]]),
        ([(2**31 - 1, 2)], [[1, 1]]),
        ([(0, 2)], [[1 << 22]]),
        ([(0, 0)], [[1 << 22]]),
        ([(0, 1), (0, 1)], [[1 << 22]]),
    ],
)
def test_tables_that_reach_outside_or_overflow_are_damage(bounds: list[tuple[int, int]], weights: list[list[int]]) -> None:
    """They travel, and what follows them trusts them."""
    picture = np.zeros((8, 8, 3), np.uint8)
    for call in (
        lambda: resample.across(picture, *received(bounds, weights)),
        lambda: resample.down(picture, *received(bounds, weights)),
        lambda: resample.finely(picture.astype(np.int32), *received(bounds, weights), 257, True),
    ):
        with pytest.raises(ContentError) as refused:
            call()
        assert refused.value.reason == "damaged"


def test_weights_that_are_too_large_are_damage() -> None:
    """Where sums would leave 31 bits, or 63."""
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ContentError, match="too large"):
        resample.across(picture, *received([(0, 1)], [[(1 << 23) + (1 << 20)]]))
    with pytest.raises(ContentError, match="too large"):
        resample.finely(picture, *received([(0, 40)], [[2**31 - 1] * 40]), 257, True)


def test_boxes_that_do_not_fit_are_refused() -> None:
    """A rounding has one level for each sum, and a box lies in the picture."""
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="lies in"):
        resample.box_means(picture, 9, 1, np.zeros(255 * 9 + 1, np.uint8))
    with pytest.raises(ValueError, match="level"):
        resample.box_means(picture, 2, 2, np.zeros(255 * 4, np.uint8))
