"""Votes of a picture's descriptions for pictures that have some in the same buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.ids import Digest
from common.similarity.features import Features, mirrored
from common.similarity.keys import KeyFamily, scrambled

ShortKeys = NDArray[np.uint32]
Slots = NDArray[np.uint16]

BUCKET_CAP = 400
"""A bucket of more descriptions says nothing: clear sky, black frames, dither."""


@dataclass(frozen=True, eq=False)
class Found:
    """What is in the buckets of some keys of one table."""

    lengths: NDArray[np.intp]
    """For each key, how many vectors are in its bucket; more than `BUCKET_CAP` may be named without being listed."""
    which: NDArray[np.intp]
    """For each vector, the key."""
    slots: Slots
    """For each vector, its picture."""


class Part(Protocol):
    """A part of the index: pictures at slots 0..65535, and buckets of them."""

    def __len__(self) -> int:
        """The slots taken."""

    @property
    def dead(self) -> NDArray[np.bool_]:
        """(at least len,): pictures that were removed; written to by who removes them."""

    def find(self, table: int, keys: ShortKeys) -> Found:
        """The vectors in the buckets of keys. Shape: keys (m,) uint32, ascending."""

    def digest(self, slot: int) -> Digest:
        """The picture at a slot."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is looked up for a picture: the keys of its vectors, then those of its mirror image's."""

    n_rows: int
    """Vectors; the mirrored ones are numbered from here on."""
    keys: tuple[ShortKeys, ...]
    """For each table, ascending."""
    rows: tuple[NDArray[np.intp], ...]
    """For each table, the number of the vector beside each key."""

    @classmethod
    def of(cls, features: Features, family: KeyFamily, *, n_probes: int) -> Question:
        """The keys of a picture in a family."""
        both = np.concatenate([features.vectors, mirrored(features).vectors])
        keys = short(family.probes(both, n_probes)).transpose(1, 0, 2).reshape(family.tables, -1)
        orders = np.argsort(keys, axis=1, kind="stable")
        return cls(
            n_rows=len(features),
            keys=tuple(of_table[order] for of_table, order in zip(keys, orders, strict=True)),
            rows=tuple(orders // (1 + n_probes)),
        )


def short(keys: NDArray[np.uint64]) -> ShortKeys:
    """Keys as an index keeps them: of 13 million vectors in a table, a stranger's key meets one by chance in 330 look-ups."""
    return (scrambled(keys) >> np.uint64(32)).astype(np.uint32)


def votes(parts: Sequence[Part], question: Question, *, most: int) -> dict[Digest, float]:
    """Of each part the `most` pictures with the most votes, plain or mirrored, whichever are more.

    A bucket has one vote, which the vectors in it share: the rarer a description, the more it says. Where the border between
    two parts runs makes no difference.
    """
    ballots = [_Ballot.empty() for _ in parts]
    for table, (keys, rows) in enumerate(zip(question.keys, question.rows, strict=True)):
        found = [part.find(table, keys) for part in parts]
        length = np.sum([one.lengths for one in found], axis=0)
        share = np.where(length <= BUCKET_CAP, 1 / np.maximum(length, 1), 0)
        is_mirrored = rows >= question.n_rows
        for one, ballot in zip(found, ballots, strict=True):
            # A slot and the side of the mirror in one number.
            ballot.candidates.append(2 * one.slots.astype(np.intp) + is_mirrored[one.which])
            ballot.shares.append(share[one.which])
    counted: dict[Digest, float] = {}
    for part, ballot in zip(parts, ballots, strict=True):
        counts = ballot.counted(len(part))
        counts[part.dead[: len(part)]] = 0
        chosen = counts.nonzero()[0]
        chosen = chosen[np.argsort(-counts[chosen], kind="stable")][:most]
        counted |= {part.digest(slot): float(counts[slot]) for slot in chosen.tolist()}
    return counted


@dataclass(frozen=True, eq=False)
class _Ballot:
    """The votes for the pictures of one part."""

    candidates: list[NDArray[np.intp]]
    shares: list[NDArray[np.float64]]

    @classmethod
    def empty(cls) -> _Ballot:
        """No votes yet."""
        return cls([], [])

    def counted(self, n_slots: int) -> NDArray[np.float64]:
        """The better side's votes for each slot, rounded so that the order of adding makes no difference. Shape: (n_slots,)."""
        sums = np.bincount(np.concatenate(self.candidates), np.concatenate(self.shares), minlength=2 * n_slots)
        # A damaged file may name slots that are not there: they are counted and left out.
        return np.asarray(np.round(np.maximum(sums[0 : 2 * n_slots : 2], sums[1 : 2 * n_slots : 2]), 6), np.float64)
