"""Registration: the same picture transformed is near, and by which transform; another shot is not, and strangers are nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from common.errors import ContentError
from common.similarity import affine, alignment, registration, sight
from common.similarity.degree import similarity_degree
from common.similarity.features import extract, strongest
from common.similarity.registration import Kind, relate
from common.similarity.sight import Sight
from tests.fakes.scenes import encoded, scene

ORIGINAL = scene(21, (960, 720))
SEEN = sight.see(encoded(ORIGINAL))


def seen(image: Image.Image) -> Sight:
    """A picture saved by somebody else's program, looked at."""
    return sight.see(encoded(image, quality=80))


def grown(image: Image.Image) -> Image.Image:
    """With a white frame of a twentieth on each side."""
    return ImageOps.expand(image, (48, 36), "white")


def written_over(image: Image.Image) -> Image.Image:
    """With a line of text across a corner."""
    copy = image.copy()
    ImageDraw.Draw(copy).text((40, 600), "(c) example.org 2026", fill="white", font_size=60)
    return copy


TRANSFORMS: dict[str, tuple[Callable[[Image.Image], Image.Image], list[list[float]], bool]] = {
    "as it is": (lambda i: i, [[1, 0, 0], [0, 1, 0]], False),
    "smaller": (lambda i: i.resize((480, 360)), [[1, 0, 0], [0, 1, 0]], False),
    "much smaller": (lambda i: i.resize((240, 180)), [[1, 0, 0], [0, 1, 0]], False),
    "squeezed": (lambda i: i.resize((960, 580)), [[1, 0, 0], [0, 1, 0]], False),
    "mirrored": (ImageOps.mirror, [[-1, 0, 1], [0, 1, 0]], True),
    "upside down": (ImageOps.flip, [[1, 0, 0], [0, -1, 1]], True),
    "a quarter turned": (lambda i: i.rotate(-90, expand=True), [[0, -1, 1], [1, 0, 0]], False),
    "half turned": (lambda i: i.rotate(180), [[-1, 0, 1], [0, -1, 1]], False),
    "cropped": (lambda i: i.crop((240, 180, 720, 540)), [[2, 0, -0.5], [0, 2, -0.5]], False),
    "cropped and mirrored": (lambda i: ImageOps.mirror(i.crop((0, 0, 640, 480))), [[-1.5, 0, 1], [0, 1.5, 0]], True),
    "framed": (grown, [[960 / 1056, 0, 48 / 1056], [0, 720 / 792, 36 / 792]], False),
    "written over": (written_over, [[1, 0, 0], [0, 1, 0]], False),
    "brighter": (lambda i: ImageEnhance.Brightness(i).enhance(1.3), [[1, 0, 0], [0, 1, 0]], False),
    "grey": (lambda i: i.convert("L"), [[1, 0, 0], [0, 1, 0]], False),
    "blurred": (lambda i: i.filter(ImageFilter.GaussianBlur(2)), [[1, 0, 0], [0, 1, 0]], False),
}
"""What people do to pictures, and where that takes shares of width and height."""


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transformed_picture_is_near_and_its_transform_known(name: str) -> None:
    """The delta coder starts from the transform, so it is held to a hundredth of the picture."""
    change, expected, is_mirrored = TRANSFORMS[name]
    found = relate(SEEN, seen(change(ORIGINAL)))
    assert (found.kind, found.mirrored) == (Kind.NEAR, is_mirrored)
    assert found.inliers >= registration.MIN_INLIERS
    assert 0 < found.sd <= 1
    assert found.ncc > 0.9
    assert np.abs(found.transform - expected).max() < 0.01


@pytest.mark.parametrize("name", ["a quarter turned", "cropped and mirrored", "squeezed"])
def test_the_way_back_is_the_inverse(name: str) -> None:
    """Which of two pictures came first must not decide what they are to each other."""
    other = seen(TRANSFORMS[name][0](ORIGINAL))
    there, back = relate(SEEN, other), relate(other, SEEN)
    assert (there.kind, there.mirrored) == (back.kind, back.mirrored)
    both = np.vstack([back.transform, [0, 0, 1]]) @ np.vstack([there.transform, [0, 0, 1]])
    assert np.abs(both - np.eye(3)).max() < 0.01


def test_strangers_are_nothing_to_each_other() -> None:
    """A false group costs bytes and trust."""
    pictures = [sight.see(encoded(scene(seed))) for seed in range(60, 68)]
    for n, a in enumerate(pictures):
        for b in pictures[:n]:
            found = relate(a, b)
            assert found.kind is Kind.NONE
            assert np.array_equal(found.transform, np.eye(2, 3))


def test_another_shot_of_the_scene_is_no_near_duplicate() -> None:
    """Things at different distances move by different amounts: worth predicting from, not the same picture."""
    behind, before = np.asarray(scene(31, (960, 720))), np.asarray(scene(32, (960, 720)))
    columns = np.arange(960) // 80 % 2 == 0
    first = np.where(columns[None, :, None], behind, before)
    second = np.where(columns[None, :, None], behind, np.roll(before, 37, axis=1))
    found = relate(seen(Image.fromarray(first)), seen(Image.fromarray(second)))
    assert found.kind is Kind.SCENE
    assert found.ncc < registration.NEAR_CORRELATION


def test_a_spot_before_a_plain_sky_proves_little() -> None:
    """One turret correlates with another; where there is nothing else to see, only all but equality is the same picture."""
    spot = np.asarray(scene(33, (48, 36)))
    first, second = (np.full((720, 960, 3), 250, np.uint8) for _ in range(2))
    first[500:536, 400:448] = spot
    second[500:536, 403:451] = spot
    transform = np.eye(2, 3)
    small = [alignment.small_grey(np.asarray(Image.fromarray(one).convert("L"))) for one in (first, second)]
    assert alignment.correlation(small[0], small[0], transform) == pytest.approx(1, abs=1e-3)
    assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.9
    assert alignment.correlation(small[0], small[1], transform) == 0


def test_faint_pictures_are_judged_by_what_they_show() -> None:
    """Fog and asphalt have a grey level or two of contrast at 160 pixels, and their crops are still near."""
    fog = ORIGINAL.convert("L").point(lambda value: 128 + (value - 128) // 20)
    a, b = (alignment.small_grey(np.asarray(one)) for one in (fog.crop((96, 72, 864, 648)), fog))
    transform = np.array([[0.8, 0, 0.1], [0, 0.8, 0.1]])
    assert max(a.std(), b.std()) < 4
    assert alignment.correlation(a, b, transform) > registration.NEAR_CORRELATION
    assert alignment.correlation(a[::-1].copy(), b, transform) < 0.5


def test_pictures_without_features_relate_to_nothing() -> None:
    """A plain colour has no points; it is not an error either."""
    plain = seen(Image.new("RGB", (300, 200), "teal"))
    assert relate(plain, plain).kind is Kind.NONE
    assert relate(plain, SEEN).sd == 0


def test_other_descriptions_do_not_compare() -> None:
    """Their numbers mean other things."""
    grey = np.random.default_rng(1).integers(0, 255, (128, 128)).astype(np.uint8)
    other = Sight(extract(grey, description="pcasift36-1"), alignment.small_grey(grey))
    with pytest.raises(ValueError, match="do not compare"):
        relate(other, SEEN)


def test_equal_pictures_match_in_every_point_that_stands_alone() -> None:
    """A picture has similarity degree 1 with itself, but for points of one place and direction."""
    found = relate(SEEN, SEEN)
    assert found.sd > 0.95
    assert found.ncc == pytest.approx(1, abs=1e-4)


def test_the_degree_is_the_papers() -> None:
    """SD(X, Y) = (|X n Y|/|X| + |X n Y|/|Y|) / 2."""
    assert similarity_degree(30, 100, 50) == pytest.approx((0.3 + 0.6) / 2)
    assert similarity_degree(50, 50, 50) == 1
    assert similarity_degree(0, 0, 70) == 0
    for wrong in ((71, 70, 90), (-1, 5, 5)):
        with pytest.raises(ValueError, match="similar points"):
            similarity_degree(*wrong)


def test_a_consensus_is_found_among_many_that_disagree() -> None:
    """One match in six is right, and the fit is the right ones'."""
    rng = np.random.default_rng(7)
    linear = np.array([[0.9, -0.3], [0.4, 1.1]])
    a = np.concatenate([rng.uniform(0, 500, (120, 2)), rng.uniform(2, 20, (120, 1)), rng.uniform(0, 360, (120, 1))], axis=1)
    b = np.concatenate([rng.uniform(0, 500, (120, 2)), rng.uniform(2, 20, (120, 1)), rng.uniform(0, 360, (120, 1))], axis=1)
    right = np.arange(120) % 6 == 0
    b[right, :2] = a[right, :2] @ linear.T + [12, -5]
    b[right, 2] = a[right, 2] * np.sqrt(np.linalg.det(linear))
    b[right, 3] = a[right, 3] + np.degrees(np.arctan2(0.7, 2.0))
    found = affine.fit(a.astype(np.float32), b.astype(np.float32))
    assert found is not None
    assert found.n_inliers >= 20
    assert np.abs(found.transform - np.array([[0.9, -0.3, 12], [0.4, 1.1, -5]])).max() < 0.05
    assert found.inliers[right].all()


def test_chance_reaches_no_consensus() -> None:
    """A hundred random matches agree on nothing that would be believed."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        a, b = (
            np.concatenate([rng.uniform(0, 500, (100, 2)), rng.uniform(2, 20, (100, 1)), rng.uniform(0, 360, (100, 1))], axis=1)
            for _ in range(2)
        )
        found = affine.fit(a.astype(np.float32), b.astype(np.float32))
        assert found is None or found.n_inliers < registration.MIN_INLIERS


def test_degenerate_matches_are_no_transform() -> None:
    """All in one place or on one line, none at all, sizes of zero: no error, and nothing believed."""
    one_place = np.tile(np.array([10, 10, 4, 90], np.float32), (30, 1))
    on_a_line = np.stack([np.arange(30), np.arange(30), np.full(30, 4), np.full(30, 90)], axis=1).astype(np.float32)
    for a, b in ((one_place, one_place), (one_place, on_a_line), (one_place[:0], one_place[:0]), (one_place * 0, on_a_line * 0)):
        found = affine.fit(a, b)
        assert found is None or found.n_inliers < registration.MIN_INLIERS


def test_sights_and_relations_survive_their_bytes() -> None:
    """A second run reads what the first has kept."""
    again = sight.from_bytes(sight.to_bytes(SEEN))
    assert np.array_equal(again.grey, SEEN.grey)
    assert np.array_equal(again.features.vectors, SEEN.features.vectors)
    found = relate(SEEN, seen(ImageOps.mirror(ORIGINAL)))
    kept = registration.from_bytes(registration.to_bytes(found))
    assert (kept.kind, kept.inliers, kept.mirrored) == (found.kind, found.inliers, found.mirrored)
    assert np.array_equal(kept.transform, found.transform)
    assert kept.sd == pytest.approx(found.sd)


@pytest.mark.parametrize("cut", [0, 5, 9, 60, -1])
def test_damaged_sights_and_relations_are_refused(cut: int) -> None:
    """A cache on a failing disk gives one error, and the picture is looked at again."""
    raw = sight.to_bytes(Sight(strongest(SEEN.features, 40), SEEN.grey))
    for damaged in (raw[:cut], b"\xff" + raw[1:cut]):
        with pytest.raises(ContentError):
            sight.from_bytes(damaged)
    kept = registration.to_bytes(relate(SEEN, SEEN))
    for damaged in (kept[:cut], b"\xff" + kept[1:], kept[:-8] + b"\xff" * 8):
        with pytest.raises(ContentError):
            registration.from_bytes(damaged)
