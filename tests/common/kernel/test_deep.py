"""Pictures of 16 bits: blurred, sharpened, modulated and brought back to 8, each as its oracle, refusing what would overflow."""

from __future__ import annotations

import colorsys
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ContentError
from common.kernel import deep

Levels = npt.NDArray[np.uint16]
ONE_TAP, ONE_GAIN = 1 << 30, 1 << 24
BELL = (600_000_000, 200_000_000, ONE_TAP // 2 - 500_000_000)


def noise(rows: int, cols: int, seed: int = 1) -> Levels:
    """Any levels."""
    return np.random.default_rng(seed).integers(0, 65536, (rows, cols, 3)).astype(np.uint16)


def blurred(levels: npt.NDArray[np.int64], taps: tuple[int, ...], axis: int, shift: int, top: int) -> npt.NDArray[np.int64]:
    """Weighted sums along an axis, of as many levels as have all their neighbours."""
    reach, n = len(taps) - 1, levels.shape[axis]
    total = np.full_like(np.take(levels, range(reach, n - reach), axis), 1 << (shift - 1))
    for k in range(-reach, reach + 1):
        total += taps[abs(k)] * np.take(levels, range(reach + k, n - reach + k), axis)
    return np.asarray(np.clip(total >> shift, 0, top))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(ONE_TAP,), BELL, (-ONE_TAP, ONE_TAP), (2 * ONE_TAP - 1, -(1 << 28))]),
    st.sampled_from([-ONE_GAIN, ONE_GAIN // 2, 8 * ONE_GAIN, -3]),
    st.sampled_from([0, 1, 1311, 40000]),
    st.booleans(),
    st.integers(0, 99),
)
def test_what_differs_from_the_blur_is_added_as_the_oracle_adds_it(
    taps: tuple[int, ...], gain: int, threshold: int, is_fine: bool, seed: int
) -> None:
    """With weights of any sign, with and without a threshold, rounded between and not."""
    reach, bits = len(taps) - 1, 8 if is_fine else 0
    picture = noise(7 + 2 * reach, 9 + 2 * reach, seed)
    across = blurred(picture.astype(np.int64), taps, 1, 30 - bits, 65535 << bits)
    total = np.full((7, 9, 3), 1 << 29)
    for k in range(-reach, reach + 1):
        total += taps[abs(k)] * across[reach + k : reach + k + 7]
    own = picture[reach : reach + 7, reach : reach + 9].astype(np.int64)
    differs = (own << bits) - (total >> 30)
    added = own + ((gain * differs + (1 << (23 + bits))) >> (24 + bits))
    wanted = np.where(2 * np.abs(differs) < threshold << bits, own, np.clip(added, 0, 65535))
    assert np.array_equal(deep.unsharpen(picture, np.array(taps, np.int32), gain, threshold, is_fine), wanted)


def modulated(pixel: npt.NDArray[np.uint16], brightness: int, saturation: int) -> list[int]:
    """HSL in fractions."""
    r, g, b = (Fraction(int(level), 65535) for level in pixel)
    high, low = max(r, g, b), min(r, g, b)
    light = (high + low) / 2
    new_light = light * brightness / 1000
    strength = (high - low) / (2 * min(light, 1 - light)) * saturation / 1000 if high > low else Fraction(0)
    new_chroma = strength * 2 * min(new_light, 1 - new_light)
    levels = [new_light + (new_chroma * (c - light) / (high - low) if high > low else 0) for c in (r, g, b)]
    return [min(max(math.floor(65535 * level + Fraction(1, 2)), 0), 65535) for level in levels]


@pytest.mark.parametrize("values", [(1000, 1400), (1050, 1150), (600, 0), (1900, 2500), (10000, 10000), (0, 1000)])
def test_a_pixel_is_modulated_as_fractions_say(values: tuple[int, int]) -> None:
    """Exactly, halves upwards, the greys and extremes among them."""
    picture = noise(8, 9)
    picture[0, :4] = [[0, 0, 0], [65535, 65535, 65535], [3000, 3000, 3000], [65535, 0, 65535]]
    wanted = [modulated(pixel, *values) for pixel in picture.reshape(-1, 3)]
    assert deep.modulate(picture, *values, 1000).reshape(-1, 3).tolist() == wanted


@pytest.mark.parametrize("hue", [0, 730, 1000, 1200, 2000])
def test_hues_turn_as_colorsys_turns_them(hue: int) -> None:
    """To a level of 16 bits or two."""
    picture = noise(8, 9)
    for pixel, turned in zip(picture.reshape(-1, 3), deep.modulate(picture, 1000, 1000, hue).reshape(-1, 3), strict=True):
        h, light, s = colorsys.rgb_to_hls(*(pixel / 65535))
        wanted = np.array(colorsys.hls_to_rgb(h + (hue - 1000) / 2000, light, s)) * 65535
        assert np.abs(wanted - turned).max() < 2


def test_sixteen_bits_become_eight_rounded_or_cut() -> None:
    """Every level."""
    levels = np.arange(65536).astype(np.uint16).reshape(256, 256, 1)
    assert np.array_equal(deep.flatten(levels, False), (levels.astype(int) + 128) // 257)
    assert np.array_equal(deep.flatten(levels, True), levels // 257)


def test_numbers_that_would_overflow_are_refused() -> None:
    """And a picture that is smaller than the blur."""
    picture = noise(9, 9)
    for taps, gain, threshold in (((), 1, 0), (BELL * 200, 1, 0), (BELL, 1 << 33, 0), (BELL, 1, -1), ((1 << 30,) * 40, 1, 0)):
        with pytest.raises((ContentError, ValueError)):
            deep.unsharpen(picture, np.array(taps, np.int32), gain, threshold, False)
    for values in ((10001, 1000, 1000), (1000, -1, 1000), (1000, 1000, 1 << 40)):
        with pytest.raises(ContentError):
            deep.modulate(picture, *values)
