"""Pictures of another size, as Pillow and OpenCV make them: equal at run time, whatever versions are installed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.errors import ContentError
from common.kernel import resample, taps
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
    """With tables for those dimensions that change, as Pillow."""
    array = np.asarray(picture, np.uint8).reshape(picture.height, picture.width, -1)
    horizontal = taps.taps(picture.width, size[0], kernel) if size[0] != picture.width else None
    vertical = taps.taps(picture.height, size[1], kernel) if size[1] != picture.height else None
    return taps.resample(array, horizontal, vertical)


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
    horizontal = taps.taps(331, 90, kernel, start=box[0], stop=box[2])
    vertical = taps.taps(243, 70, kernel, start=box[1], stop=box[3])
    wanted = subject().resize((90, 70), PILLOW[kernel], box=box)
    assert np.array_equal(taps.resample(np.asarray(subject()), horizontal, vertical), np.asarray(wanted))


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
    got = taps.resample(array, taps.taps(640, 333, "area"), taps.taps(480, 222, "area"), unit=16384)
    assert np.abs(got - wanted).max() <= 1
    assert (got != wanted).mean() < 0.001


def plainly(levels: npt.NDArray[np.int64], table: taps.Taps, unit: int) -> npt.NDArray[np.int64]:
    """The rows of `levels` summed by a table."""
    out = [
        (np.tensordot(weights[:count], levels[first : first + count], axes=1) + (1 << 21)) >> 22
        for (first, count), weights in zip(table.bounds, table.weights.astype(np.int64), strict=True)
    ]
    return np.clip(np.stack(out), 0, 255 * unit)


@pytest.mark.parametrize("unit", [1, 257, 16384])
@pytest.mark.parametrize("is_down_first", [False, True])
@pytest.mark.parametrize("kernel", [*taps.KERNELS, "area"])
def test_sums_are_those_of_the_oracle(kernel: str, is_down_first: bool, unit: int) -> None:
    """Both orders, at every fineness, rounded and cut."""
    array = np.asarray(subject())
    horizontal, vertical = taps.taps(331, 120, kernel), taps.taps(243, 260, kernel)
    levels = array.astype(np.int64) * unit
    for is_down in (True, False) if is_down_first else (False, True):
        table, turned = (vertical, levels) if is_down else (horizontal, levels.swapaxes(0, 1))
        levels = plainly(turned, table, unit) if is_down else plainly(turned, table, unit).swapaxes(0, 1)
    for is_cut in (False, True):
        got = taps.resample(array, horizontal, vertical, unit=unit, is_down_first=is_down_first, is_cut=is_cut)
        assert np.array_equal(got, (levels + (0 if is_cut else unit // 2)) // unit)


def test_the_magicks_take_the_cheaper_dimension_first() -> None:
    """Seen with ImageMagick 6.9.11 and GraphicsMagick 1.3.40: sizes where the wrong order shows."""
    first = {(331, 243): True, (200, 147): True, (500, 300): False, (150, 400): True, (400, 150): False, (900, 700): True}
    assert {size: taps.magick_goes_down_first((662, 486), size) for size in first} == first


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
        ([(0, 2)], [[2**31 - 1, -(2**31)]]),
        ([(0, 1)], [[(1 << 23) + (1 << 20)]]),
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


def test_boxes_that_do_not_fit_are_refused() -> None:
    """A rounding has one level for each sum, and a box lies in the picture."""
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="lies in"):
        resample.box_means(picture, 9, 1, np.zeros(255 * 9 + 1, np.uint8))
    with pytest.raises(ValueError, match="level"):
        resample.box_means(picture, 2, 2, np.zeros(255 * 4, np.uint8))
