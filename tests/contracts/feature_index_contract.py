"""What every index of features keeps to. Inherit as `TestX` and give `index`."""

from __future__ import annotations

import numpy as np
import pytest

from common.ids import Digest, digest_of
from common.similarity.feature_index import PER_SCENE, FeatureIndex
from common.similarity.features import DESCRIPTION, Features, mirrored
from common.similarity.projection import DIMENSIONS, TOP, projection

SHAPE = (384, 512)


def named(n: int) -> Digest:
    """The digest of the n-th picture."""
    return digest_of(b"picture %d" % n)


def drawn(seed: int, n_points: int = 200) -> Features:
    """Features of a picture that resembles no other: as long as real descriptions are."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 0.15 * projection(DESCRIPTION).steps, (n_points, DIMENSIONS))
    points = np.stack([rng.uniform(0, SHAPE[1] - 1, n_points), rng.uniform(0, SHAPE[0] - 1, n_points)], axis=1)
    points = np.concatenate([points, rng.uniform(2, 20, (n_points, 1)), rng.uniform(0, 359, (n_points, 1))], axis=1)
    return Features(points.astype(np.float32), np.clip(vectors, -TOP, TOP).astype(np.int8), SHAPE)


def altered(features: Features, *, share: float = 0.5, noise: float = 0.1, seed: int = 0) -> Features:
    """Features of an edited copy: a share of the points is found again, `noise` away."""
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(len(features))[: round(share * len(features))])
    step = noise * projection(DESCRIPTION).steps / DIMENSIONS**0.5
    vectors = features.vectors[kept] + rng.normal(0, step, (len(kept), DIMENSIONS))
    fresh = drawn(seed + 10**6, len(features) - len(kept))
    return Features(
        np.concatenate([features.points[kept], fresh.points]),
        np.concatenate([np.clip(vectors, -TOP, TOP).astype(np.int8), fresh.vectors]),
        features.shape,
    )


def nothing() -> Features:
    """Features of a picture in which nothing can be recognised."""
    return drawn(0, 0)


class FeatureIndexContract:
    """Inherit as `TestX` and give `index`."""

    @pytest.fixture
    def index(self) -> FeatureIndex:
        """The index under test, empty."""
        raise NotImplementedError

    def test_a_copy_finds_what_it_is_a_copy_of(self, index: FeatureIndex) -> None:
        """Half of the points found again a little off are plenty among thirty others."""
        for n in range(30):
            index.insert(named(n), drawn(n))
        for n in (0, 13, 29):
            assert index.query(altered(drawn(n), seed=n), 10)[0].picture == named(n)

    def test_a_mirrored_copy_finds_it_too(self, index: FeatureIndex) -> None:
        """Nobody says beforehand that a picture was mirrored."""
        for n in range(10):
            index.insert(named(n), drawn(n))
        assert index.query(mirrored(altered(drawn(4))), 3)[0].picture == named(4)

    def test_an_answer_has_at_most_k_pictures_and_most_votes_first(self, index: FeatureIndex) -> None:
        """The nearer copy stands before the worse."""
        original = drawn(1)
        for n, share in enumerate((0.2, 0.9, 0.5, 0.7)):
            index.insert(named(n), altered(original, share=share, noise=0.02, seed=n))
        found = index.query(original, 3)
        assert [match.picture for match in found] == [named(1), named(3), named(2)]
        assert [match.votes for match in found] == sorted((match.votes for match in found), reverse=True)

    def test_an_index_of_nothing_answers_nothing(self, index: FeatureIndex) -> None:
        """Neither an empty index nor a picture without points is an error."""
        assert index.query(drawn(1), 10) == []
        index.insert(named(1), nothing())
        index.insert(named(2), drawn(2))
        assert index.query(nothing(), 10) == []
        assert index.query(drawn(1), 10) == [] or index.query(drawn(1), 10)[0].picture == named(2)
        assert len(index) == 2

    def test_a_removed_picture_is_not_found_and_can_come_back(self, index: FeatureIndex) -> None:
        """Removing what is not there is no error."""
        index.insert(named(1), drawn(1))
        index.remove(named(1))
        index.remove(named(2))
        assert named(1) not in index
        assert (len(index), index.query(drawn(1), 5)) == (0, [])
        index.insert(named(1), drawn(1))
        assert named(1) in index
        assert [match.picture for match in index.query(drawn(1), 5)] == [named(1)]

    def test_a_picture_inserted_twice_is_there_once(self, index: FeatureIndex) -> None:
        """The first features stay: they were made of the same content."""
        index.insert(named(1), drawn(1))
        index.insert(named(1), drawn(2))
        assert len(index) == 1
        assert index.query(drawn(1), 5)[0].votes > 100

    def test_a_burst_does_not_crowd_out_the_rest(self, index: FeatureIndex) -> None:
        """Of one scene only some are answered, so that a weaker likeness has its place."""
        original = drawn(1)
        for n in range(20):
            index.insert(named(n), altered(original, share=0.8, noise=0.02, seed=n))
        index.insert(named(100), altered(original, share=0.3, noise=0.02, seed=100))
        alone = index.query(original, 10)
        assert named(100) not in {match.picture for match in alone}
        burst = {named(n) for n in range(20)}
        told = index.query(original, 10, scene_of=lambda picture: named(0) if picture in burst else picture)
        assert [match.picture in burst for match in told] == [True] * PER_SCENE + [False]

    def test_equal_votes_are_answered_in_the_order_of_digests(self, index: FeatureIndex) -> None:
        """So that no answer depends on who came first."""
        for n in (3, 1, 2, 0):
            index.insert(named(n), drawn(7))
        assert [match.picture for match in index.query(drawn(7), 4)] == sorted(named(n) for n in range(4))
