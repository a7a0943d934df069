"""Some fortnights; `make sim` runs a thousand."""

from __future__ import annotations

import pytest

from tests.sim.fortnight import fortnight


@pytest.mark.parametrize("seed", range(5))
def test_a_fortnight_keeps_every_rate_every_hour_and_every_deadline(seed: int) -> None:
    """With both nights on which clocks are set, jumps of the clock, and links that fail; the same seed is the same run."""
    report = fortnight(seed)
    assert report.faults == []
    assert report.n_frames > 100
    assert report == fortnight(seed)
