"""The Huffman tables that libjpeg makes: against its own, and against its procedure as its source has it."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kernel import jpeg
from common.kernel.optimal import optimal_table, optimal_tables
from tests.fakes import pictures


def least(freq: list[int], but: int) -> int:
    """The symbol of the least count that is not 0, the highest of several; -1 where there is none."""
    found = [i for i in range(257) if freq[i] and i != but]
    return min(found, key=lambda i: (freq[i], -i), default=-1)


def sizes_of(used: list[int]) -> list[int]:
    """The bits of each symbol's code: the least two are joined, and every symbol chained to them gets a bit."""
    freq, size, others = [*used, 1], [0] * 257, [-1] * 257
    while (c2 := least(freq, c1 := least(freq, -1))) >= 0:
        freq[c1], freq[c2] = freq[c1] + freq[c2], 0
        for start in (c1, c2):
            symbol = start
            size[symbol] += 1
            while others[symbol] >= 0:
                symbol = others[symbol]
                size[symbol] += 1
            if start == c1:
                others[symbol] = c2
    return size


def libjpeg(used: list[int]) -> bytes:
    """The table as jchuff.c makes it, step by step."""
    size = sizes_of(used)
    bits = [size.count(n) for n in range(300)]
    bits[0] = 0
    for i in range(299, 16, -1):
        while bits[i] > 0:
            j = i - 2
            while bits[j] == 0:
                j -= 1
            for n, more in ((i, -2), (i - 1, 1), (j + 1, 2), (j, -1)):
                bits[n] += more
    bits[max(i for i in range(17) if bits[i])] -= 1
    return bytes(bits[1:17]) + bytes(j for i in range(1, 300) for j in range(256) if size[j] == i)


@given(used=st.lists(st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 100_000)), min_size=256, max_size=256))
def test_tables_are_those_of_the_procedure(used: list[int]) -> None:
    """Of any counts."""
    if any(used):
        assert optimal_table(used) == libjpeg(used)


def test_codes_that_would_be_too_long_are_shortened() -> None:
    """Counts that grow as Fibonacci's make one code of each length."""
    used = [1, 1]
    while len(used) < 30:
        used.append(used[-1] + used[-2])
    random.Random(1).shuffle(used)
    used += [0] * (256 - len(used))
    table = optimal_table(used)
    assert table == libjpeg(used)
    assert sum(table[:16]) == len(table) - 16 == 30


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [10, 75, 98])
def test_an_encoder_s_own_tables_come_out(quality: int, progressive: bool, grey: bool) -> None:
    """Of sequential and progressive files; what libjpeg counted is what is counted here."""
    picture, file = pictures.photo(1, (200, 150)), io.BytesIO()
    (picture.convert("L") if grey else picture).save(file, "JPEG", quality=quality, optimize=True, progressive=progressive)
    parsed = jpeg.parse(file.getvalue())
    found = optimal_tables(parsed.skeleton, parsed.planes)
    assert found
    assert all(table == best for table, best in found)


def test_scans_whose_tables_are_known_are_passed_over() -> None:
    """They cost nothing as they are."""
    content = pictures.jpeg(1, (64, 64))
    parsed = jpeg.parse(content)
    assert len(optimal_tables(parsed.skeleton, parsed.planes)) == 4
    assert optimal_tables(parsed.skeleton, parsed.planes, but=content) == []
