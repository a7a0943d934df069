"""The coder of samples: what comes back is what went in, damage is bounded, a good expectation costs next to nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from common.errors import ContentError
from common.kernel import levels
from tests.fakes import pictures

Samples = NDArray[np.uint8]

PHOTO = np.asarray(pictures.photo(1, (320, 240)))


def off_by_one(picture: Samples, share: float) -> Samples:
    """So large a share of the samples one level up or down."""
    rng = np.random.default_rng(1)
    wrong = (rng.random(picture.shape) < share) * rng.choice([-1, 1], picture.shape)
    return np.asarray(np.clip(picture.astype(np.int16) + wrong.astype(np.int16), 0, 255), np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 80), st.integers(1, 4)),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0, 1, 40, 255]),
    off=st.sampled_from([None, 0, 2, 255]),
)
def test_samples_of_every_shape_come_back(shape: tuple[int, int, int], seed: int, spread: int, off: int | None) -> None:
    """Noise, flat ones, with any expectation and with none."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, spread + 1, shape).astype(np.uint8)
    expected = None if off is None else np.clip(samples + rng.integers(-off, off + 1, shape), 0, 255).astype(np.uint8)
    try:
        coded = levels.encode(samples, expected)
    except ContentError:
        assert 255 in {off, spread}  # noise takes more than its room
        return
    np.testing.assert_array_equal(levels.decode(coded, shape, expected), samples)


def test_a_photo_takes_less_than_lossless_webp() -> None:
    """By itself, in colours and in grey."""
    for mode in ("RGB", "L"):
        picture = pictures.photo(1, (640, 480)).convert(mode)
        file = io.BytesIO()
        picture.save(file, "WEBP", lossless=True, quality=50, method=3)
        samples = np.asarray(picture).reshape(480, 640, -1)
        assert len(levels.encode(samples)) < len(file.getvalue())


def test_what_is_as_expected_costs_next_to_nothing() -> None:
    """And one wrong pixel a few bytes."""
    assert len(levels.encode(PHOTO, PHOTO)) < 20
    wrong = PHOTO.copy()
    wrong[100, 100] ^= 255
    assert len(levels.encode(wrong, PHOTO)) < 40


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_small_errors_cost_hardly_more_than_their_entropy(share: float) -> None:
    """Of samples that are one level off here and there, as another resizer leaves them."""
    wrong = off_by_one(PHOTO, share)
    real = float((wrong != PHOTO).mean())
    entropy = -(real * np.log2(real / 2) + (1 - real) * np.log2(1 - real)) * PHOTO.size / 8
    assert len(levels.encode(wrong, PHOTO)) < 1.2 * entropy


def test_a_poor_expectation_is_better_than_none() -> None:
    """The same picture blurred, sharpened or brighter: what was done is learnt."""
    blurred = np.asarray(Image.fromarray(PHOTO).filter(ImageFilter.GaussianBlur(1)))
    brighter = (PHOTO.astype(int) * 5 // 6 + 30).astype(np.uint8)
    for samples, expected in ((blurred, PHOTO), (PHOTO, blurred), (brighter, PHOTO)):
        assert len(levels.encode(samples, expected)) < len(levels.encode(samples))


@settings(max_examples=100, deadline=None)
@given(junk=st.binary(max_size=200), is_expected=st.booleans())
def test_random_bytes_end_as_damage_or_as_samples(junk: bytes, is_expected: bool) -> None:
    """With nothing beyond the picture."""
    expected = np.full((9, 70, 3), 7, np.uint8) if is_expected else None
    try:
        samples = levels.decode(bytes([levels.VERSION, is_expected]) + junk, (9, 70, 3), expected)
    except ContentError:
        return
    assert samples.shape == (9, 70, 3)


def test_other_bytes_and_shapes_are_refused() -> None:
    """Cut off, of another version, without what was expected; five channels."""
    coded = levels.encode(PHOTO[:20])
    for other in (b"", coded[:40], coded + b"\0" * 9, b"\x09" + coded[1:], bytes([coded[0], 1]) + coded[2:]):
        with pytest.raises(ContentError, match="samples"):
            levels.decode(other, (20, 320, 3))
    with pytest.raises(ContentError, match="samples"):
        levels.encode(np.zeros((2, 2, 5), np.uint8))
    with pytest.raises(ValueError, match="expected"):
        levels.encode(PHOTO, PHOTO[:9])
