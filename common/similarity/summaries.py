"""Summary vectors by name: the one that is shipped, the paper's rule, and the Bloom filter that both are held against.

All answer "surely new" or "maybe similar" of a picture from bits alone. The two alternatives are here to be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from common.similarity.asv import Asv, Glance
from common.similarity.bits import FilterStack
from common.similarity.keys import KeyFamily, Keys, scrambled
from common.similarity.vector import DIMENSIONS

PAPER_FAMILY = KeyFamily("paper's asv 1", DIMENSIONS, projections=1, tables=8, width=70.0)


class SummaryVector(Protocol):
    """Bits that remember pictures."""

    @property
    def n_bits(self) -> int:
        """Its length."""

    def insert(self, glance: Glance) -> None:
        """Remembers a picture."""

    def may_hold(self, glance: Glance) -> bool:
        """Whether a picture like this one may have been inserted."""


class PaperAsv:
    """The rule as the paper has it [S §III-C1]: L single projections, each sets one of m bits, a query must find all L set.

    Kept to be measured. A single projection takes a few dozen values at all, so soon every one of them is set.
    """

    def __init__(self, n_bits: int) -> None:
        self.n_bits = n_bits
        self._is_set = np.zeros(n_bits, np.bool_)

    @classmethod
    def sized(cls, expected: int, false_positive_rate: float = 1e-3) -> PaperAsv:
        """As long as a Bloom filter with L hashes would be for this rate."""
        share_set = false_positive_rate ** (1 / PAPER_FAMILY.tables)
        return cls(math.ceil(-expected * PAPER_FAMILY.tables / math.log1p(-share_set)))

    def insert(self, glance: Glance) -> None:
        """As `SummaryVector`."""
        self._is_set[self._places(glance)] = True

    def may_hold(self, glance: Glance) -> bool:
        """As `SummaryVector`."""
        return bool(self._is_set[self._places(glance)].all())

    def _places(self, glance: Glance) -> Keys:
        """The bits of a picture. Shape: (L,)."""
        return scrambled(PAPER_FAMILY.keys(glance.vector[None])[0]) % np.uint64(self.n_bits)


class BloomSummary:
    """A Bloom filter of digests: it knows a content again, and nothing that was done to it."""

    def __init__(self, filters: FilterStack) -> None:
        self._filters = filters

    @classmethod
    def sized(cls, expected: int, false_positive_rate: float = 1e-3) -> BloomSummary:
        """For `expected` pictures."""
        return cls(FilterStack.sized(expected, false_positive_rate))

    @property
    def n_bits(self) -> int:
        """As `SummaryVector`."""
        return self._filters.n_bits

    def insert(self, glance: Glance) -> None:
        """As `SummaryVector`."""
        self._filters.add(_key(glance))

    def may_hold(self, glance: Glance) -> bool:
        """As `SummaryVector`."""
        return bool(self._filters.holds(_key(glance)).any())


def _key(glance: Glance) -> Keys:
    """A digest is as good as random: its first bytes are a key. Shape: (1,)."""
    return np.frombuffer(glance.digest[:8], "<u8").astype(np.uint64)


SUMMARIES: Mapping[str, Callable[[int], SummaryVector]] = MappingProxyType(
    {"compound": Asv.sized, "paper": PaperAsv.sized, "bloom": BloomSummary.sized}
)
"""Each for a number of pictures, at a false positive rate of one in a thousand by design."""
