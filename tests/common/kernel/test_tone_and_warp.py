"""Colours mixed and looked up, neighbourhoods added up, pictures turned: each as its oracle, refusing what would overflow."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ContentError
from common.kernel import colour, taps, warp
from tests.fakes import pictures

Samples = npt.NDArray[np.uint8]
LARGEST = 2**31 - 1


def noise(rows: int, cols: int, channels: int = 3, seed: int = 1) -> Samples:
    """Any samples."""
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, channels)).astype(np.uint8)


@pytest.mark.parametrize("terms", [4, 10])
@pytest.mark.parametrize("spread", [1 << 15, 1 << 22, LARGEST])
def test_channels_are_mixed_as_the_oracle_mixes_them(terms: int, spread: int) -> None:
    """With and without squares and products, and with weights as large as they come."""
    picture = noise(9, 13)
    weights = np.random.default_rng(terms).integers(-spread, spread, (3, terms), endpoint=True).astype(np.int32)
    r, g, b = (picture[:, :, k].astype(np.int64) for k in range(3))
    values = np.stack([r, g, b, np.full_like(r, 256), r * r, g * g, b * b, r * g, r * b, g * b][:terms])
    wanted = (np.tensordot(values, weights.astype(np.int64), axes=(0, 1)) + (1 << 23)) >> 24
    assert np.array_equal(colour.mix(picture, weights), np.clip(wanted, 0, 255))


def test_an_identity_changes_nothing() -> None:
    """Of a matrix, of tables, of a neighbourhood and of a warp."""
    picture = np.asarray(pictures.photo(2, (70, 50)))
    assert np.array_equal(colour.mix(picture, np.eye(3, 4, dtype=np.int32) << 24), picture)
    assert np.array_equal(colour.look_up(picture, np.tile(np.arange(256, dtype=np.uint8), (3, 1))), picture)
    assert np.array_equal(warp.convolve(picture, np.array([[1 << 16]], np.int32)), picture)
    for quarters in (None, 2, 3):
        still = np.eye(2, 3, dtype=np.int64) << 32
        assert np.array_equal(warp.warp(picture, still, 50, 70, taps.between(quarters)), picture)


def test_each_channel_has_its_table() -> None:
    """As fancy indexing says."""
    picture, tables = noise(9, 13), noise(3, 256, 1)[:, :, 0].copy()
    wanted = np.stack([tables[k][picture[:, :, k]] for k in range(3)], axis=2)
    assert np.array_equal(colour.look_up(picture, tables), wanted)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([(1, 1), (1, 5), (3, 3), (9, 9), (31, 3)]), st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_neighbourhoods_are_added_up_with_edges_repeated(sides: tuple[int, int], rows: int, cols: int, seed: int) -> None:
    """Pictures smaller than the neighbourhood too."""
    picture, rng = noise(rows, cols, 3, seed), np.random.default_rng(seed)
    weights = rng.integers(-20000, 30000, sides).astype(np.int32)
    tall, wide = sides
    padded = np.pad(picture.astype(np.int64), ((tall // 2,) * 2, (wide // 2,) * 2, (0, 0)), mode="edge")
    total = sum(int(weights[y, x]) * padded[y : y + rows, x : x + cols] for y in range(tall) for x in range(wide))
    assert np.array_equal(warp.convolve(picture, weights), np.clip((total + (1 << 15)) >> 16, 0, 255))


def plain_warp(picture: Samples, matrix: npt.NDArray[np.int64], shape: tuple[int, int], curve: npt.NDArray[np.int32]) -> Samples:
    """Pixel by pixel."""
    reach, out = curve.shape[1], np.zeros((*shape, picture.shape[2]), np.uint8)
    for row, col in np.ndindex(shape):
        x, y = (((int(a) * col + int(b) * row + int(c)) + (1 << 23)) >> 24 for a, b, c in matrix)
        around = np.arange(reach) - (reach // 2 - 1)
        rows = np.clip((y >> 8) + around, 0, picture.shape[0] - 1)
        cols = np.clip((x >> 8) + around, 0, picture.shape[1] - 1)
        part = picture[np.ix_(rows, cols)].astype(np.int64)
        total = np.einsum("y,x,yxc->c", curve[y & 255].astype(np.int64), curve[x & 255].astype(np.int64), part)
        out[row, col] = np.clip((total + (1 << 27)) >> 28, 0, 255)
    return out


@pytest.mark.parametrize("quarters", [None, 2, 3])
@pytest.mark.parametrize("far", [False, True])
def test_a_warp_is_its_oracle_and_close_to_opencvs(quarters: int | None, far: bool) -> None:
    """Turned by degrees; or led far outside, where the edges go on for ever."""
    picture = np.asarray(pictures.photo(2, (70, 50)))
    turn = cv2.getRotationMatrix2D((35, 25), 3.0, 1.1)
    matrix = np.rint(cv2.invertAffineTransform(turn) * 2**32).astype(np.int64)
    if far:
        matrix = np.array([[1 << 40, -(1 << 40), -(1 << 61)], [1, 1 << 40, 1 << 61]], np.int64)
    curve = taps.between(quarters)
    got = warp.warp(picture, matrix, 40, 60, curve)
    assert np.array_equal(got, plain_warp(picture, matrix, (40, 60), curve))
    if not far and quarters != 2:
        flags = cv2.INTER_LINEAR if quarters is None else cv2.INTER_CUBIC
        other = cv2.warpAffine(picture, turn, (60, 40), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(other.astype(int) - got).mean() < 0.6


def plain_ewa(picture: Samples, matrix: npt.NDArray[np.int64], shape: tuple[int, int], rings: npt.NDArray[np.int32]) -> Samples:
    """Each pixel by itself, in long integers."""
    rows, cols, channels = picture.shape
    out = np.zeros((*shape, channels), np.uint8)
    for row, col in np.ndindex(*shape):
        x, y = (int(m[0]) * col + int(m[1]) * row + int(m[2]) for m in matrix)
        weight, sums = 0, [0] * channels
        for v in range((y >> 32) - 1, (y >> 32) + 3):
            for u in range((x >> 32) - 1, (x >> 32) + 3):
                down, across = (v << 20) - (y >> 12), (u << 20) - (x >> 12)
                ring = (down * down + across * across) >> 32
                if ring < 1024:
                    weight += int(rings[ring])
                    near = picture[min(max(v, 0), rows - 1), min(max(u, 0), cols - 1)]
                    sums = [total + int(rings[ring]) * int(level) for total, level in zip(sums, near, strict=True)]
        fine = [(2 * 257 * max(total, 0) + weight) // (2 * weight) for total in sums]
        out[row, col] = [min((level + 128) // 257, 255) for level in fine]
    return out


def test_an_ewa_is_its_oracle() -> None:
    """Turned, and reaching outside."""
    picture = noise(24, 31)
    matrix = np.rint(np.array([[0.97, 0.21, -3.3], [-0.21, 0.97, 2.9]]) * 2**32).astype(np.int64)
    rings = taps.rings()
    assert np.array_equal(warp.ewa(picture, matrix, 30, 34, rings), plain_ewa(picture, matrix, (30, 34), rings))


def plain_flow(
    picture: Samples, matrix: npt.NDArray[np.int64], field: npt.NDArray[np.int32], bits: int, curve: npt.NDArray[np.int32]
) -> Samples:
    """A picture of 30 x 34, each pixel warped by itself to where its move takes it."""
    out = np.zeros((30, 34, picture.shape[2]), np.uint8)
    side = 1 << bits
    for row, col in np.ndindex(30, 34):
        v, u, down, right = row >> bits, col >> bits, row % side, col % side
        moved = matrix.copy()
        for k in range(2):
            above = int(field[v, u, k]) * (side - right) + int(field[v, u + 1, k]) * right
            below = int(field[v + 1, u, k]) * (side - right) + int(field[v + 1, u + 1, k]) * right
            moved[k, 2] += int(matrix[k, 0]) * col + int(matrix[k, 1]) * row
            moved[k, 2] += (above * (side - down) + below * down) << (28 - 2 * bits)
        out[row, col] = warp.warp(picture, moved, 1, 1, curve)[0, 0]
    return out


def test_a_flow_is_its_oracle_and_its_windows_are_parts_of_it() -> None:
    """Moves that reach outside too."""
    picture, curve = noise(24, 31), taps.between(2)
    matrix = np.rint(np.array([[0.97, 0.21, -3.3], [-0.21, 0.97, 2.9]]) * 2**32).astype(np.int64)
    field = np.random.default_rng(1).integers(-90, 90, (5, 6, 2)).astype(np.int32)
    whole = warp.flow(picture, matrix, field, 3, (0, 0, 30, 34), curve)
    assert np.array_equal(whole, plain_flow(picture, matrix, field, 3, curve))
    there = matrix.copy()
    there[:, 2] += matrix[:, 0] * 11 + matrix[:, 1] * 7
    assert np.array_equal(warp.flow(picture, there, field, 3, (7, 11, 9, 13), curve), whole[7:16, 11:24])


@pytest.mark.parametrize(
    ("bits", "window", "most"), [(1, (0, 0, 8, 8), 0), (3, (0, 0, 9, 8), 0), (3, (1, 0, 8, 8), 0), (3, (0, 0, 8, 8), 1 << 21)]
)
def test_a_flow_that_makes_no_sense_is_refused(bits: int, window: tuple[int, int, int, int], most: int) -> None:
    """Too dense, too small, too far."""
    with pytest.raises(ContentError):
        warp.flow(
            noise(9, 9), np.eye(2, 3, dtype=np.int64) << 32, np.full((2, 2, 2), most, np.int32), bits, window, taps.between(None)
        )


def test_rings_are_robidouxs_cubic() -> None:
    """By the distance, 2 at the end."""
    rings = taps.rings() / 2**22
    b, c = 0.37821575509399867, 0.31089212245300067
    x = np.sqrt(np.arange(1024)) / 16
    near = ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b) / 6
    far = ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
    assert np.abs(rings - np.where(x < 1, near, far)).max() < 2**-22


@pytest.mark.parametrize("quarters", [None, 2, 3])
def test_a_curve_sums_to_one_and_is_its_polynomial(quarters: int | None) -> None:
    """To half a step, and what rounding leaves over."""
    curve, t = taps.between(quarters), np.arange(256) / 256
    assert (curve.sum(axis=1) == 1 << 14).all()
    if quarters is None:
        wanted = np.stack([1 - t, t], axis=1)
    else:
        a = -quarters / 4
        near, far = [1 - t, t], [1 + t, 2 - t]
        inner = [(a + 2) * x**3 - (a + 3) * x**2 + 1 for x in (1 - near[0], 1 - near[1])]
        outer = [a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a for x in far]
        wanted = np.stack([outer[0], inner[0], inner[1], outer[1]], axis=1)
    assert np.abs(curve - wanted * (1 << 14)).max() <= 2


def test_numbers_that_would_overflow_are_damage() -> None:
    """They travel, and what follows them trusts them."""
    picture, curve = noise(4, 4), taps.between(2)
    still = np.eye(2, 3, dtype=np.int64) << 32
    for weights in (np.ones((2, 3)), np.ones((33, 1)), np.zeros((0, 1)), np.full((3, 3), LARGEST), np.full((1, 1), -LARGEST - 1)):
        with pytest.raises(ContentError) as refused:
            warp.convolve(picture, weights.astype(np.int32))
        assert refused.value.reason == "damaged"
    for matrix, line in (
        (still[:, :2].copy(), curve),
        (still + (1 << 41), curve),
        (np.full((2, 3), -(2**63), np.int64), curve),
        (still, curve[:255].copy()),
        (still, curve[:, :3].copy()),
        (still, np.full_like(curve, LARGEST)),
    ):
        with pytest.raises(ContentError) as refused:
            warp.warp(picture, matrix, 4, 4, line)
        assert refused.value.reason == "damaged"
    with pytest.raises(ValueError, match="terms"):
        colour.mix(picture, np.zeros((3, 9), np.int32))
    with pytest.raises(ValueError, match="table"):
        colour.look_up(picture, np.zeros((3, 255), np.uint8))
    with pytest.raises(ValueError, match="pixels"):
        warp.warp(picture, still, 0, 4, curve)


@pytest.mark.parametrize("factor", [0, 1 << 24, 23_488_102, -5_000_000, 2**31 - 1])
def test_pictures_are_blended_as_the_oracle_blends_them(factor: int) -> None:
    """Beyond both of them too."""
    other, picture = noise(9, 13), noise(9, 13, seed=2)
    wanted = ((other.astype(np.int64) << 24) + factor * (picture.astype(np.int64) - other) + 256) >> 24
    assert np.array_equal(colour.blend(other, picture, factor), np.clip(wanted, 0, 255))
