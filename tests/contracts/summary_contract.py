"""What every summary vector keeps to. Inherit as `TestX` and give `name`."""

from __future__ import annotations

import numpy as np
import pytest

from common.ids import digest_of
from common.similarity.asv import Glance
from common.similarity.summaries import SUMMARIES, SummaryVector
from common.similarity.vector import DIMENSIONS

UNRELATED = 40.0
"""The spread of real vectors along each axis, about."""


def glance(seed: int, *, moment: bytes = b"") -> Glance:
    """A picture that resembles no other."""
    vector = np.random.default_rng(seed).normal(0, UNRELATED, DIMENSIONS).astype(np.float32)
    return Glance(digest_of(b"picture %d" % seed), vector, moment)


class SummaryContract:
    """Inherit as `TestX` and give `name`."""

    name: str

    @pytest.fixture
    def summary(self) -> SummaryVector:
        """The vector under test, for a hundred pictures."""
        return SUMMARIES[self.name](100)

    def test_an_empty_vector_holds_nothing(self, summary: SummaryVector) -> None:
        """Everything is surely new."""
        assert not any(summary.may_hold(glance(seed)) for seed in range(50))

    def test_what_was_inserted_is_never_called_new(self, summary: SummaryVector) -> None:
        """Also far beyond the number that it was sized for."""
        for seed in range(300):
            summary.insert(glance(seed))
        assert all(summary.may_hold(glance(seed)) for seed in range(300))

    def test_its_length_is_known(self, summary: SummaryVector) -> None:
        """At least a bit for each picture, and less than the vectors themselves."""
        assert 100 <= summary.n_bits <= 100 * 8 * 4 * DIMENSIONS
