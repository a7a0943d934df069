"""PNG's filters against an oracle that follows the standard, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.errors import ContentError
from common.kernel import filters

Rows = NDArray[np.uint8]


def paeth(left: int, above: int, corner: int) -> int:
    """The neighbour that is nearest to their plane; of equally near ones the first."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def oracle(rows: Rows, numbers: Rows, step: int) -> Rows:
    """Each sample less what its filter makes of its neighbours."""
    out = np.zeros((rows.shape[0], rows.shape[1] + 1), np.uint8)
    padded = np.zeros((rows.shape[0] + 1, rows.shape[1] + step), int)
    padded[1:, step:] = rows
    for y, number in enumerate(numbers.tolist()):
        out[y, 0] = number
        for x in range(rows.shape[1]):
            left, above, corner = padded[y + 1, x].item(), padded[y, x + step].item(), padded[y, x].item()
            guess = (0, left, above, (left + above) // 2, paeth(left, above, corner))[number]
            out[y, x + 1] = (int(rows[y, x]) - guess) % 256
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_rows_are_filtered_as_the_standard_says_and_back(rows: int, stride: int, step: int, seed: int) -> None:
    """Pixels larger than the row too."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (rows, stride)).astype(np.uint8)
    numbers = rng.integers(0, 5, rows).astype(np.uint8)
    filtered = filters.do(raw, numbers, step)
    np.testing.assert_array_equal(filtered, oracle(raw, numbers, step))
    back, told = filters.undo(filtered, step)
    np.testing.assert_array_equal(back, raw)
    np.testing.assert_array_equal(told, numbers)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([(0, 1, 2, 3, 4), (0, 2, 1, 4), (3,)]), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_first_of_the_least_sums_is_chosen(order: tuple[int, ...], stride: int, step: int, seed: int) -> None:
    """Sums of a few levels are often equal."""
    raw = np.random.default_rng(seed).integers(0, 3, (6, stride)).astype(np.uint8) * 127
    sums = []
    for number in order:
        filtered = oracle(raw, np.full(6, number, np.uint8), step)[:, 1:].astype(int)
        sums.append(np.minimum(filtered, 256 - filtered).sum(axis=1))
    wanted = [order[int(np.argmin([total[y] for total in sums]))] for y in range(6)]
    assert filters.least(raw, step, order).tolist() == wanted


def test_filters_that_do_not_exist_are_damage() -> None:
    """There are five."""
    rows = np.full((2, 4), 5, np.uint8)
    with pytest.raises(ContentError, match="filter"):
        filters.undo(rows, 1)
    with pytest.raises(ContentError, match="filter"):
        filters.do(rows, np.array([0, 5], np.uint8), 1)
    with pytest.raises(ValueError, match="filter"):
        filters.do(rows, np.array([0], np.uint8), 1)
