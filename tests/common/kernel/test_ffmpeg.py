"""What ffmpeg computes, against its sources written plainly: with NumPy's widest integers, and doubles where it has such."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import ContentError
from common.kernel import dct, ffmpeg
from common.kernel.frame import Plane
from common.kernel.swscale import SCALERS, scaling
from tests.fakes import pictures

Ints = npt.NDArray[np.int64]
Samples = npt.NDArray[np.uint8]
TABLE = tuple(np.minimum(8 + np.arange(64) // 2 * 3, 255).tolist())


def inverse(coefficients: Ints) -> Ints:
    """simple_idct of dequantised blocks (n, 8, 8)."""
    w = [0, 22725, 21407, 19266, 16383, 12873, 8867, 4520]

    def line(x: Ints, round_by: int, down: int) -> Ints:
        mean = w[4] * x[..., 0] + round_by
        even = [
            mean + w[2] * x[..., 2] + w[4] * x[..., 4] + w[6] * x[..., 6],
            mean + w[6] * x[..., 2] - w[4] * x[..., 4] - w[2] * x[..., 6],
            mean - w[6] * x[..., 2] - w[4] * x[..., 4] + w[2] * x[..., 6],
            mean - w[2] * x[..., 2] + w[4] * x[..., 4] - w[6] * x[..., 6],
        ]
        signs = ((1, 3, 5, 7), (3, -7, -1, -5), (5, -1, 7, 3), (7, -5, 3, -1))
        odd = [sum((math.copysign(1, s) * w[abs(s)]).__int__() * x[..., 2 * k + 1] for k, s in enumerate(four)) for four in signs]
        upper = [e + o for e, o in zip(even, odd, strict=True)]
        lower = [e - o for e, o in zip(even, odd, strict=True)]
        return np.stack(upper + lower[::-1], axis=-1) >> down

    rows = line(coefficients, 1 << 10, 11)
    is_flat = ~coefficients[:, :, 1:].any(axis=2)
    rows[is_flat] = (coefficients[:, :, 0] * 8)[is_flat][:, None]
    columns = line(rows.swapaxes(1, 2), 16383 * ((1 << 19) // 16383), 20)
    return np.clip(columns.swapaxes(1, 2), 0, 255)


def forward(blocks: Ints) -> Ints:
    """AP-922 of blocks (n, 8, 8) of samples: columns in 16 bits, rows in 32."""

    def high(a: Ints, b: int) -> Ints:
        return a * b >> 16

    r = [blocks[:, k, :] for k in range(8)]
    t0, t1, t2, t3 = ((r[k] + r[7 - k]) * 8 for k in range(4))
    t7, t4 = (r[0] - r[7]) * 8, (r[3] - r[4]) * 8
    plus = high((r[1] - r[6] + r[2] - r[5]) * 16, 23170) | 1
    minus = high((r[1] - r[6] - r[2] + r[5]) * 16, 23170)
    u, v, q, w = t4 + minus, t4 - minus, t7 - plus, t7 + plus
    x6, x5 = high(v, -21746) + v, high(q, -21746) + q
    columns = np.stack(
        [
            t0 + t1 + t2 + t3,
            high(u, 13036) + w | 1,
            high(t1 - t2, 27146) + t0 - t3 | 1,
            q - x6,
            t0 + t3 - t1 - t2,
            x5 + v,
            high(t0 - t3, 27146) - t1 + t2 | 1,
            high(w, 13036) - u,
        ],
        axis=1,
    )
    cosines = [
        (16384, 22725, 21407, 19266, 16384, 12873, 8867, 4520),
        (22725, 31521, 29692, 26722, 22725, 17855, 12299, 6270),
        (21407, 29692, 27969, 25172, 21407, 16819, 11585, 5906),
        (19266, 26722, 25172, 22654, 19266, 15137, 10426, 5315),
    ]
    out = np.empty_like(columns)
    for row, table in enumerate((0, 1, 2, 3, 0, 3, 2, 1)):
        c = cosines[table]
        x = columns[:, row]
        for k in range(8):
            angles = [(2 * n + 1) * k % 32 for n in range(8)]
            signs = [-1 if 8 < angle < 24 else 1 for angle in angles]
            folded = [min(angle % 16, 16 - angle % 16) for angle in angles]
            weights = [s * (0 if f == 8 else c[f]) for s, f in zip(signs, folded, strict=True)]
            out[:, row, k] = (x @ np.array(weights) + 65536) >> 17
    return out


def quantised(transformed: Ints, table: tuple[int, ...]) -> Ints:
    """dct_quantize of vector code, with a bias of 3/8; the DC apart, less 1024."""
    q = np.array(table)
    factor = np.minimum(8192 // q, 32767)
    bias = (24576 + factor // 2) // factor
    flat = transformed.reshape(-1, 64)
    levels = np.sign(flat) * ((np.abs(flat) + bias) * factor >> 16)
    levels[:, 0] = ((flat[:, 0] >> 2) + q[0]) // (2 * q[0]) - 1024 // q[0]
    return np.asarray(levels, np.int64)


def in_blocks(samples: Samples) -> Ints:
    """(n, 8, 8) of a plane."""
    rows, cols = samples.shape[0] // 8, samples.shape[1] // 8
    return samples.reshape(rows, 8, cols, 8).swapaxes(1, 2).reshape(-1, 8, 8).astype(np.int64)


def subject(rows: int = 96, cols: int = 136) -> Samples:
    """A plane of a photo with black, white and noise."""
    plane = np.array(pictures.photo(3, (cols, rows)).convert("L"))
    plane[:16, :16], plane[:16, 16:32] = 0, 255
    plane[-16:] = np.random.default_rng(1).integers(0, 2, (16, cols)) * 255
    return plane


def test_the_inverse_transform_is_ffmpegs() -> None:
    """Of what encoders write, and of blocks that are flat, or whose rows are."""
    plane = Plane(1, 1, 1, TABLE, 12, 17)
    blocks = dct.quantise(dct.forward(subject(), plane, "islow")).astype(np.int64)
    blocks[0, 0, 1:] = 0
    blocks[0, 1, [k for k in range(64) if k % 8]] = 0
    dequantised = blocks.reshape(-1, 64) * np.array(TABLE)
    dequantised[:, 0] += 1024
    wanted = inverse(dequantised.reshape(-1, 8, 8))
    assert np.array_equal(in_blocks(ffmpeg.inverse_plane(blocks.astype(np.int16), TABLE)), wanted)


def test_the_inverse_transform_stands_any_coefficients() -> None:
    """Which no encoder writes."""
    wild = np.random.default_rng(2).integers(-(2**15), 2**15, (4, 4, 64)).astype(np.int16)
    assert ffmpeg.inverse_plane(wild, [65535] * 64).shape == (32, 32)


@pytest.mark.parametrize("first", [8, 16])
def test_the_forward_transform_and_its_rounding_are_ffmpegs(first: int) -> None:
    """To the last coefficient."""
    plane = Plane(1, 1, 1, (first, *TABLE[1:]), 12, 17)
    expected = ffmpeg.forward(subject(), plane)
    assert np.array_equal(dct.quantise(expected).reshape(-1, 64), quantised(forward(in_blocks(subject())), plane.quantisation))


def test_shapes_and_divisors_that_do_not_fit_are_refused() -> None:
    """All blocks of a plane, by divisors of 8 bits; taps in the input, of weights that are not too large."""
    with pytest.raises(ValueError, match="all the blocks"):
        ffmpeg.forward(subject(), Plane(1, 1, 1, TABLE, 12, 16))
    with pytest.raises(ValueError, match="8 bits"):
        ffmpeg.forward(subject(), Plane(1, 1, 1, (256, *TABLE[1:]), 12, 17))
    for first, weights, message in (([-1], [[1]], "lie in"), ([95], [[1, 1]], "lie in"), ([0], [[1 << 16]], "too large")):
        table = np.array(first, np.int32), np.array(weights, np.int32)
        with pytest.raises(ValueError, match=message):
            ffmpeg.scale_down(np.zeros((96, 8), np.int16), *table, 0)


def curve_of(scaler: str, d: int) -> float:
    """Its weight at a distance in 1/2**30."""
    x = d / 2**30
    if scaler == "bilinear":
        return max(1 - x, 0)
    if scaler == "lanczos":
        return float(np.sinc(x) * np.sinc(x / 3)) if x <= 3 else 0
    c, one = int(0.6 * (1 << 24)), 1 << 24
    squared = d * d >> 30
    cubed = squared * d >> 30
    if x < 1:
        return ((12 * one - 6 * c) * cubed + (-18 * one + 6 * c) * squared + (6 * one << 30)) / (1 << 54)
    return (-6 * c * cubed + 30 * c * squared - 48 * c * d + (24 * c << 30)) / (1 << 54) if x < 2 else 0


def table_of(inputs: int, outputs: int, scaler: str, one: int, aligned: int) -> list[tuple[int, list[int]]]:
    """As initFilter, one output after the other: where its taps begin, and their weights."""
    step = ((inputs << 16) + (outputs >> 1)) // outputs
    if abs(step - (1 << 16)) < 10:
        return [(k, [one]) for k in range(outputs)]
    reach = {"bicubic": 4, "lanczos": 6, "bilinear": 2}[scaler]
    n = 1 + reach if step <= 1 << 16 else 1 + (reach * inputs + outputs - 1) // outputs
    n = max(min(n, inputs - 2), 1)
    lines, first = [], []
    for k in range(outputs):
        centre = step - (1 << 16) + 2 * step * k
        first.append(int((centre - ((n - 2) << 16)) / (1 << 17)))
        distances = [abs(((first[-1] + j) << 17) - centre) << 13 for j in range(n)]
        lines.append([curve_of(scaler, d * outputs // inputs if step > 1 << 16 else d) for d in distances])
    kept = 0
    for k in range(outputs - 1, -1, -1):
        cut = 0.0
        for _ in range(n):
            cut += abs(lines[k][0])
            if cut > 0.002 or (k < outputs - 1 and first[k] >= first[k + 1]):
                break
            lines[k], first[k] = [*lines[k][1:], 0.0], first[k] + 1
        used = n
        while used > 1 and sum(abs(weight) for weight in lines[k][used - 1 :]) <= 0.002:
            used -= 1
        kept = max(kept, used)
    kept = -(-kept // aligned) * aligned
    table = []
    for start, line in zip(first, lines, strict=True):
        begin = min(max(start, 0), inputs - kept)
        weights = [0.0] * kept
        for j, weight in enumerate((line + [0.0] * kept)[:kept]):
            weights[min(max(start + j, begin), begin + kept - 1) - begin] += weight
        rounded, over = [], 0.0
        for weight in weights:
            value = weight / sum(weights) * one + over
            rounded.append(math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1))
            over = value - rounded[-1]
        table.append((begin, rounded))
    return table


@pytest.mark.parametrize("scaler", list(SCALERS))
@pytest.mark.parametrize("size", [(48, 68), (41, 55), (13, 9), (150, 201), (96, 77), (200, 136)], ids=str)
def test_planes_are_scaled_as_by_swscale(size: tuple[int, int], scaler: str) -> None:
    """Smaller, larger, in one dimension; whole, and in windows."""
    plane = subject()
    across = table_of(136, size[1], scaler, 1 << 14, 4)
    wide = np.stack([np.minimum(plane[:, at : at + len(w)].astype(np.int64) @ np.array(w) >> 7, 32767) for at, w in across], 1)
    rows = []
    for k, (at, weights) in enumerate(table_of(96, size[0], scaler, 1 << 12, 1)):
        products = wide[at : at + len(weights)] * np.array(weights)[:, None]
        if k >= size[0] - 2 or len(weights) == 1:
            rows.append((products.sum(axis=0) + (64 << 12)) >> 19)
        else:
            rows.append(((products >> 16).sum(axis=0) + ((64 + 8 * (len(weights) - 1)) >> 4)) >> 3)
    wanted = np.clip(np.stack(rows), 0, 255)
    way = scaling((96, 136), size, scaler)
    for top, left, bottom, right in ((0, 0, *size), (size[0] // 3, size[1] // 2, *size), (2, 1, 9, 8)):
        window = (top, left, bottom - top, right - left)
        start, begin, tall, wide_part = way.needs(window)
        part = plane[start : start + tall, begin : begin + wide_part]
        assert np.array_equal(way.apply(part, window), wanted[top:bottom, left:right])


def test_sizes_that_ffmpeg_would_not_make_are_damage() -> None:
    """Of nothing, of next to nothing, to next to nothing."""
    for inputs, outputs in (((96, 136), (0, 10)), ((96, 136), (1, 10)), ((2, 2), (70000, 3)), ((1, 1), (3, 3))):
        with pytest.raises(ContentError) as refused:
            scaling(inputs, outputs, "lanczos")
        assert refused.value.reason == "damaged"
