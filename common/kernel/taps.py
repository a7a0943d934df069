"""How others resize: tables of weights, rules of rounding, and in what order and how finely they compute.

Floats are used here, and only by an encoder: tables travel, so that a decoder adds integers up (`resample`). The means of
boxes are integers on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.kernel.resample import across, box_means, down, finely

Samples = npt.NDArray[np.uint8]
Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

WEIGHT_BITS = 22


@dataclass(frozen=True, slots=True)
class Taps:
    """One dimension's table: `bounds` int32 (n, 2) of first and count, `weights` int32 (n, most) in 1/2**22."""

    bounds: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A curve over the distance in outputs, and how far it reaches."""

    curve: Curve
    support: float


def _hamming(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """With Pillow's constants, which are of single precision."""
    rise = float(np.float32(0.54)) + float(np.float32(0.46)) * np.cos(np.pi * x)
    return np.where(np.abs(x) < 1, np.sinc(x) * rise, 0.0)


def _lanczos(lobes: int) -> Kernel:
    return Kernel(lambda x: np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0), lobes)


def _cubic(b: float, c: float) -> Kernel:
    """The family of Mitchell and Netravali."""

    def curve(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = np.abs(x)
        near = ((12 - 9 * b - 6 * c) * x + (-18 + 12 * b + 6 * c)) * x * x + (6 - 2 * b)
        far = ((-b - 6 * c) * x + (6 * b + 30 * c)) * x * x + (-12 * b - 48 * c) * x + (8 * b + 24 * c)
        return np.where(x < 1, near, np.where(x < 2, far, 0.0)) / 6  # noqa: PLR2004 - where the pieces meet

    return Kernel(curve, 2)


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "box": Kernel(lambda x: ((x > -0.5) & (x <= 0.5)).astype(np.float64), 0.5),  # noqa: PLR2004 - half a sample
        "bilinear": Kernel(lambda x: np.clip(1 - np.abs(x), 0, None), 1),
        "hamming": Kernel(_hamming, 1),
        "bicubic": _cubic(0, 0.5),
        "mitchell": _cubic(1 / 3, 1 / 3),
        "lanczos2": _lanczos(2),
        "lanczos": _lanczos(3),
    }
)


def taps(inputs: int, outputs: int, kernel: str, *, start: float = 0.0, stop: float | None = None) -> Taps:
    """The weights with which `outputs` samples show the inputs from `start` to `stop`; wider where that makes it smaller.

    As Pillow and ImageMagick: what lies outside is left out and the rest made whole. `area` shows what each output covers.
    """
    stop = float(inputs) if stop is None else stop
    scale = (stop - start) / outputs
    widening = max(scale, 1.0)
    centre = start + (np.arange(outputs) + 0.5) * scale
    support = widening / 2 if kernel == "area" else KERNELS[kernel].support * widening
    if kernel == "area":
        first = np.floor(centre - support + 1e-9).astype(np.int64)  # a border on a sample's edge takes nothing of it
        last = np.ceil(centre + support - 1e-9).astype(np.int64)
    else:
        first, last = (centre - support + 0.5).astype(np.int64), (centre + support + 0.5).astype(np.int64)
    first, last = np.clip(first, 0, inputs - 1), np.clip(last, 1, inputs)
    place = first[:, None] + np.arange(int((last - first).max()))
    if kernel == "area":
        weights = np.minimum(centre[:, None] + support, place + 1) - np.maximum(centre[:, None] - support, place)
    else:
        weights = KERNELS[kernel].curve((place - centre[:, None] + 0.5) / widening)
    weights = np.where(place < last[:, None], weights, 0.0)
    weights = weights / weights.sum(axis=1, keepdims=True) * (1 << WEIGHT_BITS)
    rounded = np.trunc(weights + np.where(weights < 0, -0.5, 0.5)).astype(np.int32)
    return Taps(np.stack([first, last - first], axis=1).astype(np.int32), rounded)


def resample(
    picture: Samples,
    horizontal: Taps | None,
    vertical: Taps | None,
    *,
    unit: int = 1,
    is_down_first: bool = False,
    is_cut: bool = False,
) -> Samples:
    """The picture (rows, cols, channels) with both tables applied; None leaves a dimension as it is.

    Between the two, levels are rounded to 1/`unit`: 1 as Pillow and libvips, 257 as ImageMagick and GraphicsMagick with 16 bits,
    16384 about as fine as floats. At the end they are rounded, or cut: GraphicsMagick cuts for JPEG and PPM, ImageMagick for
    PPM only. Errors: ContentError: `damaged` of tables that do not fit.
    """
    steps = [(table, is_down) for table, is_down in ((horizontal, False), (vertical, True)) if table is not None]
    if is_down_first:
        steps.reverse()
    if unit == 1:
        for table, is_down in steps:
            picture = (down if is_down else across)(picture, table.bounds, table.weights)
        return picture
    levels = picture.astype(np.int32) * unit
    for table, is_down in steps:
        levels = finely(levels, table.bounds, table.weights, unit, is_down)
    return ((levels + (0 if is_cut else unit // 2)) // unit).astype(np.uint8)


def magick_goes_down_first(inputs: tuple[int, int], outputs: tuple[int, int]) -> bool:
    """Which of (width, height) to (width, height) ImageMagick 6.9 and GraphicsMagick 1.3 take first: the cheaper way."""
    return outputs[0] * (outputs[1] + inputs[1]) <= outputs[1] * (outputs[0] + inputs[0])


def _halves_to_even(sums: npt.NDArray[np.int64], area: int) -> npt.NDArray[np.int64]:
    """OpenCV's INTER_AREA: times a reciprocal of 24 bits, rounded to 24 bits, then to a whole number, halves to even both.

    2 x 2 adds a half instead.
    """
    if area == 4:  # noqa: PLR2004 - 2 x 2
        return (sums + 2) >> 2
    bits = 23 + (area - 1).bit_length()
    product = sums * ((2 * (1 << bits) + area) // (2 * area))  # an odd area never halves; a power of two divides
    length = sum((product >= 1 << k).astype(np.int64) for k in range(49))
    cut = np.maximum(length - 24, 0)
    return _to_even(_to_even(product, cut) << cut, np.full_like(product, bits))


def _to_even(values: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Values / 2**bits to whole numbers, halves to even."""
    whole = values >> bits
    rest = 2 * (values - (whole << bits)) - (np.int64(1) << bits)
    is_up = (bits > 0) & ((rest > 0) | ((rest == 0) & (whole & 1 == 1)))
    return np.where(is_up, whole + 1, whole)


MEANS: Mapping[str, Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.int64]]] = MappingProxyType(
    {
        "half_up": lambda sums, area: (sums + area // 2) // area,
        "opencv": _halves_to_even,
        "pillow": lambda sums, area: ((sums + area // 2) * ((1 << 32) // (256 * area))) >> 24,
    }
)
"""How a sum of `area` samples becomes a level: plainly; OpenCV's INTER_AREA; Pillow's `Image.reduce`."""


def reduce_boxes(picture: Samples, wide: int, tall: int, rule: str) -> Samples:
    """The means of whole boxes of `wide` x `tall` samples by a rule of MEANS; what is over at the far edges is left out."""
    area = wide * tall
    sums = np.arange(255 * area + 1, dtype=np.int64)
    return box_means(picture, wide, tall, np.minimum(MEANS[rule](sums, area), 255).astype(np.uint8))


def between(quarters: int | None) -> npt.NDArray[np.int32]:
    """The curve of a `warp`, int32 (256, 2 or 4) in 1/2**14: bilinear, or bicubic with a = -quarters / 4 (2: Pillow, 3: OpenCV).

    Integers, so that it need not travel. Each line sums to one.
    """
    t = np.arange(256, dtype=np.int64)
    if quarters is None:
        return np.stack([(256 - t) << 6, t << 6], axis=1).astype(np.int32)
    a, one = -quarters, 256
    exact = np.stack(  # times 4 * 256**3
        [
            a * (t**3 - 2 * one * t**2 + one**2 * t),
            (a + 8) * t**3 - (a + 12) * one * t**2 + 4 * one**3,
            -(a + 8) * t**3 + (2 * a + 12) * one * t**2 - a * one**2 * t,
            a * (one * t**2 - t**3),
        ],
        axis=1,
    )
    rounded = (exact + (1 << 11)) >> 12
    rounded[t, np.where(t < one // 2, 1, 2)] += (1 << 14) - rounded.sum(axis=1)
    return rounded.astype(np.int32)
