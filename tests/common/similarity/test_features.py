"""Features: what is found again in a transformed picture, what a mirror does to it, and the bytes it is kept in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ContentError
from common.images.decode import decode
from common.similarity import features, interest
from common.similarity.features import Features, extract, from_bytes, mirrored, strongest, to_bytes
from common.similarity.projection import DESCRIPTIONS, DIMENSIONS, projection, train
from tests.fakes.scenes import encoded, scene

GREY = decode(encoded(scene(11), "PNG")).grey
SEEN = extract(GREY)


def same(a: Features, b: Features) -> bool:
    """Whether all of two features is equal."""
    return (
        (a.shape, a.description) == (b.shape, b.description)
        and np.array_equal(a.points, b.points)
        and np.array_equal(a.vectors, b.vectors)
    )


def test_equal_pictures_have_equal_features() -> None:
    """Features are extracted once and compared with those of peers: nothing in them may depend on the day."""
    assert len(SEEN) == features.N_POINTS
    assert SEEN.vectors.shape == (len(SEEN), DIMENSIONS)
    assert SEEN.vectors.dtype == np.int8
    assert same(SEEN, extract(GREY.copy()))


def test_points_are_spread_over_the_picture_whatever_their_number() -> None:
    """All texture in one corner must not take all points: a crop of the rest would have none."""
    lopsided = GREY.copy()
    rng = np.random.default_rng(5)
    lopsided[:96, :128] = rng.integers(0, 256, (96, 128))
    for n in (60, 200):
        points = strongest(extract(lopsided), n).points
        in_corner = ((points[:, 0] < 128) & (points[:, 1] < 96)).mean()
        assert in_corner < 0.25


def test_a_faint_picture_has_points_too() -> None:
    """A night sky has edges of one grey level."""
    faint = (GREY // 40 + 20).astype(np.uint8)
    assert len(extract(faint)) >= 60


@pytest.mark.parametrize("shape", [(1, 1), (1, 512), (512, 1), (15, 512), (16, 16), (512, 17)])
def test_a_picture_without_texture_or_size_has_no_features(shape: tuple[int, int]) -> None:
    """It is compared by other means; the library under it must not be asked for the impossible."""
    plain = extract(np.full(shape, 90, np.uint8))
    assert len(plain) == 0
    assert same(from_bytes(to_bytes(plain)), plain)
    assert len(mirrored(plain)) == 0


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_the_mirror_image_is_described_without_looking_at_it(description: str) -> None:
    """The points of the mirrored picture are the mirrored points, and their vectors only change signs."""
    reflected, looked_at = (
        mirrored(extract(GREY, description=description)),
        extract(np.ascontiguousarray(GREY[:, ::-1]), description=description),
    )
    apart = np.abs(reflected.points[:, None] - looked_at.points[None])
    apart[:, :, 3] = np.minimum(apart[:, :, 3], 360 - apart[:, :, 3])
    found = (apart < [0.1, 0.1, 0.5, 4]).all(axis=2)
    rows, columns = np.nonzero(found)
    assert len(rows) > 0.7 * len(reflected)
    off = np.abs(reflected.vectors[rows].astype(int) - looked_at.vectors[columns])
    assert np.median(off.max(axis=1)) <= 3
    assert same(mirrored(reflected), extract(GREY, description=description))


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_frozen_projection_is_what_its_file_says(name: str) -> None:
    """Stored vectors mean something only under the axes that they were made with."""
    frozen = projection(name)
    assert np.allclose(frozen.axes.T @ frozen.axes, np.eye(DIMENSIONS), atol=2e-3)
    axes, mirror = frozen.axes.T, DESCRIPTIONS[name].mirror
    assert np.allclose(mirror(axes), np.where(frozen.is_odd[:, None], -axes, axes), atol=1e-3)
    assert np.allclose(mirror(frozen.mean[None]), frozen.mean, atol=1e-4)
    assert (round(frozen.steps, 1), int(frozen.is_odd.sum())) == {"rootsift36-1": (280.6, 15), "pcasift36-1": (172.6, 15)}[name]


def test_training_is_repeatable_and_keeps_most() -> None:
    """The script's result is the data's, not the moment's."""
    described = DESCRIPTIONS["rootsift36-1"].describe(GREY, interest.find(GREY))
    learned, again = (train(described, interest.mirrored_histograms) for _ in range(2))
    assert np.array_equal(learned.axes, again.axes)
    centred = described - learned.mean
    assert ((centred @ learned.axes) ** 2).sum() > 0.85 * (centred**2).sum()


def test_bytes_hold_all_of_the_features() -> None:
    """What a peer sends equals what it has."""
    assert same(from_bytes(to_bytes(SEEN)), SEEN)
    assert len(to_bytes(SEEN)) == 10 + 42 * len(SEEN)
    few = strongest(SEEN, 50)
    assert same(from_bytes(to_bytes(few)), few)
    assert np.array_equal(few.vectors, SEEN.vectors[:50])
    for coarse, fine in pairwise((10, 50, 200)):
        assert len(to_bytes(strongest(SEEN, coarse))) < len(to_bytes(strongest(SEEN, fine)))


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=120) | st.builds(lambda tail: to_bytes(strongest(SEEN, 2))[:-1] + tail, st.binary(max_size=2)))
def test_other_bytes_are_refused(raw: bytes) -> None:
    """Features come from peers: whatever is not exactly of the form is one error."""
    try:
        assert len(from_bytes(raw)) <= features.MAX_POINTS
    except ContentError as error:
        assert error.reason == "damaged"  # noqa: PT017 - a form that happens to be right is allowed


def test_points_outside_of_their_picture_are_refused() -> None:
    """A point at the other end of the world would stretch every transform."""
    raw = bytearray(to_bytes(strongest(SEEN, 4)))
    raw[10:12] = b"\xff\xff"
    with pytest.raises(ContentError, match="outside"):
        from_bytes(bytes(raw))
    raw = bytearray(to_bytes(strongest(SEEN, 4)))
    raw[6:10] = b"\0\0\0\0"
    with pytest.raises(ContentError, match="0x0"):
        from_bytes(bytes(raw))


def test_the_stored_form_is_frozen() -> None:
    """Features are in journals and on the wire: these bytes mean this for ever."""
    vectors = np.arange(-36, 36, dtype=np.int8).reshape(2, DIMENSIONS)
    points = np.array([[1.5, 2, 4, 90], [100.25, 30, 8, 180]], np.float32)
    raw = to_bytes(Features(points, vectors, (384, 512)))
    assert raw[:22].hex() == "5346010102008001000260001019" + "8000800720304080"
    assert raw[22:] == vectors.tobytes()
    assert same(from_bytes(raw), Features(points, vectors, (384, 512)))
