"""How programs resize, against what they compute written plainly with NumPy's doubles; and windows of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.errors import ContentError
from common.kernel.curves import KERNELS, ONE
from common.kernel.resample import blend_down
from common.kernel.resizing import ENGINES, SIXTEEN_BITS, plan, resize
from common.kernel.taps import taps
from tests.fakes import pictures

Samples = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
SIZE = (331, 243)


def subject(size: tuple[int, int] = SIZE) -> Samples:
    """A photo with patches that are black, white and noise: where sums are clamped."""
    array = np.array(pictures.photo(3, size))
    array[:40, :40], array[:40, 40:80] = 0, 255
    array[-43:] = np.random.default_rng(1).integers(0, 2, array[-43:].shape) * 255
    return array


def cubic(b: float, c: float) -> Callable[[Doubles], Doubles]:
    """The family of Mitchell and Netravali."""

    def curve(x: Doubles) -> Doubles:
        near = ((12 - 9 * b - 6 * c) * x + (-18 + 12 * b + 6 * c)) * x * x + (6 - 2 * b)
        far = ((-b - 6 * c) * x + (6 * b + 30 * c)) * x * x + (-12 * b - 48 * c) * x + (8 * b + 24 * c)
        return np.where(x < 1, near, np.where(x < 2, far, 0.0)) / 6

    return curve


def lanczos(lobes: int) -> Callable[[Doubles], Doubles]:
    """A sinc under the middle lobe of a wider one."""
    return lambda x: np.where(x < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0)


CURVES: dict[str, tuple[Callable[[Doubles], Doubles], float]] = {
    "box": (np.ones_like, 0.5),
    "bilinear": (lambda x: np.maximum(1 - x, 0), 1),
    "hamming": (lambda x: np.where(x < 1, np.sinc(x) * (np.float32(0.54) + np.float32(0.46) * np.cos(np.pi * x)), 0), 1),
    "bicubic": (cubic(0, 0.5), 2),
    "mitchell": (cubic(1 / 3, 1 / 3), 2),
    "spline": (cubic(1, 0), 2),
    "hermite": (lambda x: np.where(x < 1, cubic(0, 0)(x), 0), 1),
    "quadratic": (lambda x: np.where(x < 0.5, 0.75 - x * x, 0.5 * np.minimum(x - 1.5, 0) ** 2), 1.5),
    "gaussian": (lambda x: np.exp(-2 * x * x), 2),
    "lanczos2": (lanczos(2), 2),
    "lanczos": (lanczos(3), 3),
    "lanczos4": (lanczos(4), 4),
    "sharp_bicubic": (cubic(0, 0.75), 2),
    "robidoux": (cubic(0.37821575509399867, 0.31089212245300067), 2),
}


def test_curves_are_those_of_doubles() -> None:
    """All of them, at random places, whole ones, and where pieces meet."""
    assert CURVES.keys() == KERNELS.keys()
    places = np.concatenate([np.random.default_rng(2).integers(0, 3 * ONE, 2000), np.arange(0, 3 * ONE, ONE // 4)])
    for name, (curve, support) in CURVES.items():
        assert float(KERNELS[name].support) == support
        inside = places[places <= support * ONE]
        assert np.abs(KERNELS[name].curve(inside) / ONE - curve(inside / ONE)).max() < 2**-45


def test_weights_are_those_of_doubles_but_for_once_in_a_million() -> None:
    """Where a place is told in parts of an input too; not a box, tested with Pillow, nor one that meets halves."""
    wrong = total = 0
    for name in set(CURVES) - {"box", "sharp_bicubic"}:
        for inputs, outputs, start, stop in (
            (1200, 441, 0, 1200),
            (301, 1000, Fraction(5, 8), Fraction(1203, 4)),
            (6000, 37, 0, 6000),
        ):
            table = taps(inputs, outputs, name, start=start, stop=stop)
            scale = float(stop - start) / outputs
            wider = max(scale, 1.0)
            centre = float(start) + (np.arange(outputs) + 0.5) * scale
            places = table.bounds[:, :1] + np.arange(table.weights.shape[1])
            weights = CURVES[name][0](np.abs(places + 0.5 - centre[:, None]) / wider)
            weights[places >= table.bounds.sum(axis=1)[:, None]] = 0
            weights = weights / weights.sum(axis=1, keepdims=True) * 2**22
            wrong += int((np.trunc(weights + np.copysign(0.5, weights)) != table.weights).sum())
            total += weights.size
    assert total > 100_000
    assert wrong <= 1


def test_a_table_of_a_place_that_is_outside_is_damage() -> None:
    """It travels."""
    for start, stop in ((-1, 10), (0, 103), (7, 7), (8, 7), (Fraction(1, 1 << 60), 10)):
        with pytest.raises(ContentError) as refused:
            taps(100, 50, "lanczos", start=start, stop=stop)
        assert refused.value.reason == "damaged"


@pytest.mark.parametrize("size", [(100, 80), (160, 121), (500, 400), (60, 200)], ids=str)
@pytest.mark.parametrize("kernel", sorted(set(CURVES) - {"hamming", "box"}))
def test_the_magicks_are_reproduced(kernel: str, size: tuple[int, int]) -> None:
    """Sums of doubles, rounded to 16 bits in between; the dimension that shrinks more first; rounded to 8 bits, or cut.

    One in some ten thousand is on the very edge, and off by one.
    """

    def summed(levels: Doubles, outputs: int) -> Doubles:
        curve, support = CURVES[kernel]
        scale = len(levels) / outputs
        wider = max(scale, 1.0)
        out = []
        for k in range(outputs):
            centre = (k + 0.5) * scale + 1e-15
            start, stop = int(max(centre - support * wider + 0.5, 0)), int(min(centre + support * wider + 0.5, len(levels)))
            weights = curve(np.abs(np.arange(start, stop) - centre + 0.5) / wider)
            out.append(np.tensordot(weights / weights.sum(), levels[start:stop], axes=1))
        rounded: Doubles = np.floor(np.clip(np.stack(out), 0, 65535) + 0.5)
        return rounded

    levels = subject().astype(np.float64) * 257
    if size[0] * SIZE[1] > size[1] * SIZE[0]:
        wanted = summed(summed(levels.swapaxes(0, 1), size[0]).swapaxes(0, 1), size[1])
    else:
        wanted = summed(summed(levels, size[1]).swapaxes(0, 1), size[0]).swapaxes(0, 1)
    rounded, cut = np.floor((wanted + 128) / SIXTEEN_BITS), np.floor(wanted / SIXTEEN_BITS)
    for engine, expected in (("magick", rounded), ("graphics", cut)):
        wrong = np.abs(resize(subject(), *size, engine, kernel) - expected)
        assert wrong.max() <= 1
        assert np.count_nonzero(wrong) <= wrong.size / 10_000 + 1


def test_thumbnails_of_the_magicks_are_sampled_first_where_little_is_left() -> None:
    """Then to five times the size: ImageMagick where that has 128 samples to a side, GraphicsMagick always."""
    picture = subject((400, 300))
    middle = picture[((2 * np.arange(150) + 1) * 300 - 1) // 300][:, ((2 * np.arange(200) + 1) * 400 - 1) // 400]
    assert np.array_equal(resize(picture, 40, 30, "magick_thumbnail", "bilinear"), resize(middle, 40, 30, "magick", "bilinear"))
    plain = resize(picture, 24, 18, "magick", "bilinear")
    assert np.array_equal(resize(picture, 24, 18, "magick_thumbnail", "bilinear"), plain)
    first = picture[np.arange(90) * 300 // 90][:, np.arange(120) * 400 // 120]
    assert np.array_equal(resize(picture, 24, 18, "graphics_thumbnail", "box"), resize(first, 24, 18, "graphics", "box"))
    for engine in ("magick", "graphics"):
        assert np.array_equal(resize(picture, 200, 150, f"{engine}_thumbnail", "box"), resize(picture, 200, 150, engine, "box"))


@pytest.mark.parametrize("factor", [Fraction(1, 4), Fraction(1, 3), Fraction(1, 7), Fraction(27, 100), Fraction(2, 5)], ids=str)
def test_opencvs_area_keeps_to_a_factor_that_leads_to_no_whole_size(factor: Fraction) -> None:
    """By a whole one means of boxes, to the bit; else floats in single precision tell a sample in a thousand otherwise."""
    array = subject((331, 243))
    scale = float(factor)
    wanted = cv2.resize(array, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, cols = wanted.shape[:2]
    area = (Fraction(0), Fraction(0), rows / factor, cols / factor)
    made = plan(array.shape[:2], (rows, cols), "opencv" if factor.numerator == 1 else "fine", "area", area).of(array)
    differ = np.abs(made.astype(int) - wanted.astype(int))
    assert differ.max() <= (factor.numerator > 1)
    assert np.count_nonzero(differ) * 1000 <= differ.size


def test_samples_are_picked_as_pillow_does() -> None:
    """In the middle, of two the latter."""
    array = subject((330, 240))
    for size in ((110, 80), (165, 120), (660, 480)):
        wanted = np.asarray(Image.fromarray(array).resize(size, Image.Resampling.NEAREST))
        assert np.array_equal(resize(array, *size, "picked", "centre"), wanted)


@pytest.mark.parametrize("size", [(70, 50), (40, 60), (33, 24), (7, 5), (200, 100)], ids=str)
def test_pillows_reducing_gap_is_reproduced(size: tuple[int, int]) -> None:
    """Boxes that do not go in are means of what is left; a file's thumbnail may have been opened smaller before."""
    wanted = Image.fromarray(subject()).resize(size, Image.Resampling.BICUBIC, reducing_gap=2)
    assert np.array_equal(resize(subject(), *size, "pillow_reduced", "bicubic"), np.asarray(wanted))


def vips_mask(n: int, kernel: str, shrink: float, phase: int, bits: int) -> npt.NDArray[np.int64]:
    """As vips_reduce_make_mask and what makes few bits of it."""
    places = np.abs(np.arange(n) - (phase / 64 + n / 2 - 1)) / shrink
    curve, support = CURVES[kernel]
    mask = np.where(places <= support, curve(places), 0.0)
    mask /= mask.sum()
    if bits == 12:  # else of the vector code
        cut: npt.NDArray[np.int64] = np.trunc(mask * (1 << bits)).astype(np.int64)
        return cut
    low, high = 64.0 - (n + 1) // 2, 64.0 + (n + 1) // 2
    while True:
        rounded = np.rint(mask * ((high + low) / 2)).astype(np.int64)
        missing = 64 - int(rounded.sum())
        if missing > 0:
            low = (high + low) / 2
        elif missing < 0:
            high = (high + low) / 2
        if missing == 0 or high - low <= 0.01:
            break
    rounded += int(missing / n)
    rounded[: abs(int(math.fmod(missing, n)))] += 1 if missing > 0 else -1
    return rounded


def vips_reduce(levels: Samples, outputs: int, kernel: str, shrink: float, bits: int, *, is_old: bool) -> Samples:
    """As vips_reducev, of what shrinkv leaves."""
    extra = outputs * shrink - len(levels)
    box = max(1, int(len(levels) / outputs / 2))
    if box > 1:
        padded = np.concatenate([levels, np.repeat(levels[-1:], -len(levels) % box, axis=0)]).astype(np.int64)
        sums = padded.reshape(-1, box, *levels.shape[1:]).sum(axis=1) + box // 2
        levels = (sums // box if is_old else sums * ((1 << 32) // (box << 8)) >> 24).astype(np.uint8)
        shrink, extra = shrink / box, extra / box
    if shrink == 1:
        return levels
    n = 2 * round({"lanczos": 3, "lanczos2": 2, "bicubic": 2}[kernel] * shrink) + 1
    out = []
    for k in range(outputs):
        place = (k + 0.5) * shrink - 0.5 - ((1 + extra) / 2 - 1)
        mask = vips_mask(n, kernel, shrink, (int(place * 128) % 128 + 1) >> 1, bits)
        rows = np.clip(int(place) - math.ceil(n / 2) + 1 + np.arange(n), 0, len(levels) - 1)
        out.append((np.tensordot(mask, levels[rows].astype(np.int64), axes=1) + (1 << bits - 1)) >> bits)
    return np.clip(np.stack(out), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kernel", ["lanczos", "lanczos2", "bicubic"])
@pytest.mark.parametrize("size", [(200, 147), (147, 108), (60, 44), (30, 22), (32, 24)], ids=str)
def test_libvips_is_reproduced(size: tuple[int, int], kernel: str) -> None:
    """By the factor of the longer side, of the shorter, or each by its own; with the masks of 8.14 and of later ones."""
    longer, shorter = SIZE[0] / size[0], SIZE[1] / size[1]
    for engine, (across, down), is_old in (
        ("vips", (longer, longer), True),
        ("vips_shorter", (shorter, shorter), True),
        ("vips_each", (longer, shorter), True),
        ("vips_15", (longer, longer), False),
        ("vips_15_shorter", (shorter, shorter), False),
    ):
        reduced = vips_reduce(subject(), size[1], kernel, down, 6 if is_old else 12, is_old=is_old)
        wanted = vips_reduce(reduced.swapaxes(0, 1), size[0], kernel, across, 12, is_old=is_old).swapaxes(0, 1)
        assert np.array_equal(resize(subject(), *size, engine, kernel), wanted)


def test_libvips_enlarges_by_bicubic_masks() -> None:
    """Cut to 12 bits, at 64ths of an input; what overshoots black and white is cut off at the end."""

    def enlarged(levels: npt.NDArray[np.int64], outputs: int, scale: float) -> npt.NDArray[np.int64]:
        out = []
        for k in range(outputs):
            place = math.floor((k / scale - 0.5) * 128)
            t = ((place % 128 + 1) >> 1) / 64
            mask = np.trunc(cubic(0, 0.5)(np.array([1 + t, t, 1 - t, 2 - t])) * 4096).astype(np.int64)
            rows = np.clip(place // 128 - 1 + np.arange(4), 0, len(levels) - 1)
            out.append((np.tensordot(mask, levels[rows], axes=1) + 2048) >> 12)
        return np.stack(out)

    picture = subject((64, 48))
    for size, (across, down), engine in (
        ((80, 61), (1.25, 1.25), "vips"),
        ((96, 72), (1.5, 1.5), "vips_shorter"),
        ((128, 72), (2, 1.5), "vips_each"),
    ):
        wanted = enlarged(enlarged(picture.astype(np.int64).swapaxes(0, 1), size[0], across).swapaxes(0, 1), size[1], down)
        assert np.array_equal(resize(picture, *size, engine, "lanczos"), np.clip(wanted, 0, 255))


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_window_is_that_part_of_the_whole(engine: str) -> None:
    """In the middle and at the edges, smaller and larger."""
    kernel = {"picked": "middle", "fine": "area", "opencv": "bilinear"}.get(engine, "lanczos")
    for size in ((100, 74), (30, 22)) if "vips" in engine else ((400, 300), (100, 74), (30, 22)):
        whole = resize(subject(), *size, engine, kernel)
        rows, cols = whole.shape[:2]
        for top, left, bottom, right in (
            (rows // 3, cols // 4, rows // 2, cols // 2),
            (rows // 2, cols // 2, rows, cols),
            (0, 0, 5, 7),
        ):
            window = (top, left, bottom - top, right - left)
            assert np.array_equal(resize(subject(), *size, engine, kernel, window), whole[top:bottom, left:right])
            part = plan(whole_size(), (rows, cols), engine, kernel).needs(window)
            assert part[2] < SIZE[1] or part[3] < SIZE[0]


def whole_size() -> tuple[int, int]:
    """Rows and columns of the subject."""
    return SIZE[1], SIZE[0]


def single_places(inputs: int, outputs: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Where outputs lie, in single precision: the input before, and how far behind it."""
    places = ((np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int64)
    return first, places - first.astype(np.float32)


@pytest.mark.parametrize("size", [(200, 147), (331, 100), (500, 400), (60, 44)], ids=str)
def test_opencvs_linear_resizing_is_reproduced(size: tuple[int, int]) -> None:
    """Weights of 11 bits, cut where its vector code cuts; and in windows, whose edges are none of the picture's."""
    levels = subject().astype(np.int64)
    first, rest = single_places(SIZE[0], size[0])
    rest[(first < 0) | (first >= SIZE[0] - 1)] = 0
    weights = np.rint(np.stack([1 - rest, rest]) * 2048).astype(np.int64)
    columns = (np.clip(first + k, 0, SIZE[0] - 1) for k in (0, 1))
    wide = sum(levels[:, column] * weight[:, None] for column, weight in zip(columns, weights, strict=True))
    first, rest = single_places(SIZE[1], size[1])
    weights = np.rint(np.stack([1 - rest, rest]) * 2048).astype(np.int64)
    rows = (np.clip(first + k, 0, SIZE[1] - 1) for k in (0, 1))
    halves = [weight[:, None, None] * (wide[row] >> 4) >> 16 for row, weight in zip(rows, weights, strict=True)]
    wanted = (halves[0] + halves[1] + 2) >> 2
    assert np.array_equal(resize(subject(), *size, "opencv", "bilinear"), wanted)
    assert np.abs(cv2.resize(subject(), size, interpolation=cv2.INTER_LINEAR) - wanted).max() <= 1


@pytest.mark.parametrize("size", [(200, 147), (331, 100), (500, 400), (60, 44)], ids=str)
def test_opencvs_cubic_and_lanczos_are_met_but_for_near_halves(size: tuple[int, int]) -> None:
    """One sample in some thousand is one off: it adds floats up."""
    for kernel, flag in (("sharp_bicubic", cv2.INTER_CUBIC), ("lanczos4", cv2.INTER_LANCZOS4)):
        wrong = np.abs(resize(subject(), *size, "opencv", kernel) - cv2.resize(subject(), size, interpolation=flag).astype(int))
        assert wrong.max() <= 1
        assert np.count_nonzero(wrong) <= wrong.size / 500 + 1


def test_rows_to_blend_are_checked() -> None:
    """Each has two weights, of one at most."""
    levels, first = np.zeros((4, 4, 3), np.int32), np.zeros(2, np.int32)
    for weights in (np.zeros((2, 1), np.int32), np.zeros((3, 2), np.int32), np.full((2, 2), 2049, np.int32)):
        with pytest.raises(ValueError, match="weights"):
            blend_down(levels, first, weights)


def test_what_an_engine_does_not_do_is_damage() -> None:
    """Names of engines are trusted; what they are asked for is not."""
    area = (Fraction(0), Fraction(0), Fraction(10), Fraction(10))
    for engine, kernel, outputs, where in (
        ("vips", "lanczos2", (300, 400), None),
        ("vips", "lanczos", (300, 100), None),
        ("vips_shorter", "lanczos", (243, 400), None),
        ("pillow_reduced", "lanczos", (1, 1), None),
        ("opencv", "lanczos", (100, 100), None),
        ("vips", "gaussian", (100, 100), None),
        ("picked", "lanczos", (100, 100), None),
        ("vips", "lanczos", (100, 100), area),
        ("vips", "lanczos", (10, 10), (Fraction(1), Fraction(0), Fraction(300), Fraction(400))),
        ("opencv", "area", (7, 10), None),
    ):
        with pytest.raises(ContentError) as refused:
            plan(whole_size(), outputs, engine, kernel, where)
        assert refused.value.reason == "damaged"
