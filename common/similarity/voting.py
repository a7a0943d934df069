"""Votes of a picture's descriptions for pictures that have some in the same buckets."""

from __future__ import annotations

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
SLOT_BITS = 16


class Part(Protocol):
    """A part of the index: pictures at slots 0..65535, and buckets of them."""

    def __len__(self) -> int:
        """The slots taken."""

    @property
    def dead(self) -> NDArray[np.bool_]:
        """(at least len,): pictures that were removed; written to by who removes them."""

    def lookup(self, table: int, keys: ShortKeys, *, cap: int) -> tuple[NDArray[np.intp], Slots]:
        """The pictures in the buckets of keys: which key, and which slot. Buckets of more than `cap` vectors are passed over.

        Shapes:  keys (m,) uint32, ascending; result (found,), (found,).
        """

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


def votes(part: Part, question: Question, *, most: int) -> dict[Digest, float]:
    """The `most` pictures of a part with the most votes, plain or mirrored, whichever are more.

    Each vector has one vote for a picture, however often they meet.
    """
    ballots = []
    for table, (keys, rows) in enumerate(zip(question.keys, question.rows, strict=True)):
        which, slots = part.lookup(table, keys, cap=BUCKET_CAP)
        ballots.append(rows[which].astype(np.uint32) << np.uint32(SLOT_BITS) | slots)
    ballot = np.unique(np.concatenate(ballots))
    if not len(ballot):
        return {}
    is_mirrored = ballot >> np.uint32(SLOT_BITS) >= question.n_rows
    slots = (ballot & np.uint32((1 << SLOT_BITS) - 1)).astype(np.intp)
    counts = np.maximum(
        np.bincount(slots[~is_mirrored], minlength=1 + slots.max()), np.bincount(slots[is_mirrored], minlength=1 + slots.max())
    )
    counts[part.dead[: len(counts)].nonzero()] = 0
    found = counts.nonzero()[0]
    ranked = found[np.argsort(-counts[found], kind="stable")][:most]
    return {part.digest(slot): float(counts[slot]) for slot in ranked.tolist()}
