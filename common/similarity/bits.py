"""Bit vectors that remember keys: Bloom filters, and a stack of them that grows without knowing its keys again.

A filter answers "surely not" or "maybe"; it never forgets a key, and says "maybe" to a wrong one at a rate that its size sets.
The stack opens a filter of twice the size and half the rate when the last is full, so that all together keep to twice the rate
of the first, which is therefore made for half of what was asked for (Almeida et al., Scalable Bloom Filters, 2007).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.similarity.keys import Keys, scrambled

MAX_FILTER_BITS = 1 << 36
MAX_HASHES = 64
_FILTER = struct.Struct("<QQQQ")
_STACK = struct.Struct("<dI")


class BitFilter:
    """An `m`-bit vector in which each key sets a few bits."""

    def __init__(self, n_bits: int, *, n_hashes: int, capacity: int) -> None:
        if not 0 < n_bits <= MAX_FILTER_BITS or not 0 < n_hashes <= MAX_HASHES or capacity < 1:
            raise ValueError(f"a filter of {n_bits} bits, {n_hashes} hashes and {capacity} keys cannot be")
        self.n_bits = -(-n_bits // 8) * 8
        self.n_hashes = n_hashes
        self.capacity = capacity
        """How many keys keep the rate that it was sized for."""
        self.n_keys = 0
        """Of those that set a bit when they came: keys known before do not count."""
        self._bytes = np.zeros(self.n_bits // 8, np.uint8)

    @classmethod
    def sized(cls, capacity: int, rate: float) -> BitFilter:
        """The smallest filter that holds `capacity` keys and says "maybe" to another with probability `rate`."""
        n_hashes = max(1, round(-math.log2(rate)))
        n_bits = math.ceil(-capacity * n_hashes / math.log1p(-(rate ** (1 / n_hashes))))
        return cls(n_bits, n_hashes=n_hashes, capacity=capacity)

    def add(self, keys: Keys) -> None:
        """Remembers keys. Shape: (n,) uint64."""
        new = np.unique(keys[~self.holds(keys)])
        at = self._places(new).ravel()
        np.bitwise_or.at(self._bytes, at >> np.uint64(3), np.uint8(1) << (at & np.uint64(7)).astype(np.uint8))
        self.n_keys += len(new)

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """Which keys may be remembered. Shapes: (n,) uint64 -> (n,) bool."""
        at = self._places(keys)
        return np.asarray((self._bytes[at >> np.uint64(3)] >> (at & np.uint64(7)).astype(np.uint8) & 1).all(axis=1))

    def to_bytes(self) -> bytes:
        """The filter as stored: counts, then bits."""
        return _FILTER.pack(self.n_bits, self.n_hashes, self.capacity, self.n_keys) + self._bytes.tobytes()

    @classmethod
    def from_bytes(cls, stored: memoryview) -> tuple[BitFilter, memoryview]:
        """The filter that `stored` starts with, and what follows. Errors: ValueError, struct.error where it cannot be one."""
        n_bits, n_hashes, capacity, n_keys = _FILTER.unpack_from(stored)
        end = _FILTER.size + n_bits // 8
        if n_bits % 8 or len(stored) < end:
            raise ValueError("a filter's bits are cut short")
        read = cls(n_bits, n_hashes=n_hashes, capacity=capacity)
        read.n_keys = n_keys
        read._bytes = np.frombuffer(stored[_FILTER.size : end], np.uint8).copy()
        return read, stored[end:]

    def _places(self, keys: Keys) -> Keys:
        """The bits of keys, by double hashing. Shapes: (n,) -> (n, n_hashes) uint64."""
        first = scrambled(keys)
        second = scrambled(first) | np.uint64(1)
        steps = second[:, None] * np.arange(self.n_hashes, dtype=np.uint64)
        return np.asarray((first[:, None] + steps) % np.uint64(self.n_bits), np.uint64)


class FilterStack:
    """Filters of which the last takes new keys: sized for some, room for any number."""

    def __init__(self, filters: Sequence[BitFilter], *, rate: float) -> None:
        self._filters = list(filters)
        self._rate = rate

    @classmethod
    def sized(cls, capacity: int, rate: float) -> FilterStack:
        """An empty stack whose first filter takes `capacity` keys; `rate` is what all filters together keep to."""
        return cls([BitFilter.sized(max(1, capacity), rate / 2)], rate=rate)

    @property
    def n_bits(self) -> int:
        """Of all filters."""
        return sum(one.n_bits for one in self._filters)

    def to_bytes(self) -> bytes:
        """The stack as stored: its rate, then its filters, oldest first."""
        return _STACK.pack(self._rate, len(self._filters)) + b"".join(one.to_bytes() for one in self._filters)

    @classmethod
    def from_bytes(cls, stored: memoryview) -> FilterStack:
        """The stack that `to_bytes` wrote. Errors: ValueError, struct.error where it cannot be one."""
        rate, n_filters = _STACK.unpack_from(stored)
        rest = stored[_STACK.size :]
        filters = []
        for _ in range(n_filters):
            one, rest = BitFilter.from_bytes(rest)
            filters.append(one)
        if not filters or not 0 < rate < 1:
            raise ValueError("a stack without a filter or a rate")
        return cls(filters, rate=rate)

    def add(self, keys: Keys) -> None:
        """Remembers keys. Shape: (n,) uint64."""
        new = np.unique(keys[~self.holds(keys)])
        last = self._filters[-1]
        if len(new) and last.n_keys and last.n_keys + len(new) > last.capacity:
            last = BitFilter.sized(max(2 * last.capacity, len(new)), self._rate / 2 ** (len(self._filters) + 1))
            self._filters.append(last)
        last.add(new)

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """Which keys may be remembered. Shapes: (n,) uint64 -> (n,) bool."""
        found = np.zeros(len(keys), np.bool_)
        for one in self._filters:
            found |= one.holds(keys)
        return found
