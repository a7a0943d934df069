"""A sealed part of the feature index: one file, written once, searched where it lies.

    magic, counts            64 bytes
    digests                  32 bytes for each picture; its place is its slot
    sizes                    u16 for each picture: how many vectors it has
    for each table: keys     u32 for each vector, ascending
                    slots    u16 for each, beside its key

All little endian. The numbers in the head must give the file's size; what else a disk may do to it can only lead to wrong
candidates, which registration sends away. A crash leaves a temporary file that nobody names.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.durable import publish, sync_file
from common.errors import IntegrityError
from common.ids import DIGEST_BYTES, Digest
from common.similarity.voting import ShortKeys, Slots

MAX_PICTURES = 1 << 16
"""Of one segment: slots are 16 bits."""
_MAGIC = b"smarter lsh 1\n\0\0"
_HEAD = struct.Struct("<16sIIQ32x")
_KEY_RANGE = 1 << 28
"""Keys are merged so many values at a time, so that merging needs little memory."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Pictures by the keys of their vectors; arrays may be views of a file."""

    digests: NDArray[np.uint8]
    """(n_pictures, 32)."""
    sizes: NDArray[np.uint16]
    """(n_pictures,): vectors of each."""
    keys: tuple[ShortKeys, ...]
    """For each table, ascending."""
    slots: tuple[Slots, ...]
    """For each table, beside its keys."""
    dead: NDArray[np.bool_]
    """(n_pictures,): those that were removed; the only thing that changes."""

    def __len__(self) -> int:
        return len(self.digests)

    def digest(self, slot: int) -> Digest:
        """The picture at a slot."""
        return Digest(self.digests[slot].tobytes())

    def lookup(self, table: int, keys: ShortKeys, *, cap: int) -> tuple[NDArray[np.intp], Slots]:
        """As `voting.Part`."""
        start = np.searchsorted(self.keys[table], keys, "left")
        length = np.searchsorted(self.keys[table], keys, "right") - start
        length[length > cap] = 0
        which = np.repeat(np.arange(len(keys)), length)
        within = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
        return which, self.slots[table][start[which] + within]


class Fresh:
    """Pictures that came since the last segment, in memory."""

    def __init__(self, n_tables: int, *, capacity: int) -> None:
        self._pictures: list[tuple[Digest, ShortKeys]] = []
        self._buckets: list[dict[int, list[int]]] = [{} for _ in range(n_tables)]
        self.dead = np.zeros(capacity, np.bool_)

    def __len__(self) -> int:
        return len(self._pictures)

    def insert(self, picture: Digest, keys: ShortKeys) -> int:
        """Puts a picture into its buckets and returns its slot. Shape: keys (n, n_tables)."""
        slot = len(self._pictures)
        self._pictures.append((picture, keys))
        for buckets, of_table in zip(self._buckets, keys.T.tolist(), strict=True):
            for key in of_table:
                buckets.setdefault(key, []).append(slot)
        return slot

    def digest(self, slot: int) -> Digest:
        """The picture at a slot."""
        return self._pictures[slot][0]

    def lookup(self, table: int, keys: ShortKeys, *, cap: int) -> tuple[NDArray[np.intp], Slots]:
        """As `voting.Part`."""
        buckets = self._buckets[table]
        met = [(which, found) for which, key in enumerate(keys.tolist()) if (found := buckets.get(key)) and len(found) <= cap]
        which = np.repeat(np.array([which for which, _ in met], np.intp), [len(found) for _, found in met])
        return which, np.array([slot for _, found in met for slot in found], np.uint16)

    def sealed(self) -> Segment:
        """The same as a segment in memory."""
        sizes = np.array([len(keys) for _, keys in self._pictures], np.uint16)
        slots = np.repeat(np.arange(len(sizes)), sizes).astype(np.uint16)
        every = np.concatenate([keys for _, keys in self._pictures])
        orders = [np.argsort(of_table, kind="stable") for of_table in every.T]
        return Segment(
            digests=np.frombuffer(b"".join(picture for picture, _ in self._pictures), np.uint8).reshape(-1, DIGEST_BYTES),
            sizes=sizes,
            keys=tuple(of_table[order] for of_table, order in zip(every.T, orders, strict=True)),
            slots=tuple(slots[order] for order in orders),
            dead=self.dead[: len(sizes)].copy(),
        )


def write(path: Path, parts: Sequence[Segment]) -> None:
    """Writes one segment of several, without the pictures that are dead, and makes it durable under its name.

    Errors:  ValueError for more than MAX_PICTURES.
    """
    digests = np.concatenate([part.digests[~part.dead] for part in parts])
    sizes = np.concatenate([part.sizes[~part.dead] for part in parts])
    if len(digests) > MAX_PICTURES:
        raise ValueError(f"{len(digests)} pictures do not fit into a segment")
    layout = _Layout(len(digests), n_tables=len(parts[0].keys), n_vectors=int(sizes.sum()))
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(layout.head())
            file.write(digests.tobytes())
            file.write(sizes.astype("<u2").tobytes())
            for table in range(layout.n_tables):
                done = 0
                for postings in _merged(parts, table):
                    file.seek(layout.keys_at + 4 * (table * layout.n_vectors + done))
                    file.write((postings >> np.uint64(16)).astype("<u4").tobytes())
                    file.seek(layout.slots_at + 2 * (table * layout.n_vectors + done))
                    file.write(postings.astype("<u2").tobytes())
                    done += len(postings)
            file.truncate(layout.n_bytes)
        sync_file(fd)
    finally:
        os.close(fd)
    publish(temporary, path)


def opened(path: Path) -> Segment:
    """A segment whose arrays are read from its file when they are used.

    Errors:  IntegrityError unless the file has the head and the size of a segment; FileNotFoundError.
    """
    with path.open("rb") as file:
        raw = file.read(_HEAD.size)
    if len(raw) < _HEAD.size or not raw.startswith(_MAGIC):
        raise IntegrityError(f"{path.name} is no segment of this version")
    layout = _Layout.of(raw)
    if path.stat().st_size != layout.n_bytes:
        raise IntegrityError(f"{path.name} has not the size that its head tells")
    mapped = np.memmap(path, np.uint8, "r").view(np.ndarray)
    n, n_tables, n_vectors = layout.n_pictures, layout.n_tables, layout.n_vectors
    digests_end = _HEAD.size + DIGEST_BYTES * n
    keys = mapped[layout.keys_at : layout.slots_at].view("<u4").reshape(n_tables, n_vectors)
    slots = mapped[layout.slots_at :].view("<u2").reshape(n_tables, n_vectors)
    return Segment(
        digests=mapped[_HEAD.size : digests_end].reshape(n, DIGEST_BYTES),
        sizes=mapped[digests_end : digests_end + 2 * n].view("<u2"),
        keys=tuple(keys),
        slots=tuple(slots),
        dead=np.zeros(n, np.bool_),
    )


@dataclass(frozen=True)
class _Layout:
    """Where what stands in a segment's file."""

    n_pictures: int
    n_tables: int
    n_vectors: int

    @classmethod
    def of(cls, raw: bytes) -> _Layout:
        """The layout that a head tells."""
        _, n_pictures, n_tables, n_vectors = _HEAD.unpack(raw)
        return cls(n_pictures, n_tables, n_vectors)

    def head(self) -> bytes:
        """The head that tells it."""
        return _HEAD.pack(_MAGIC, self.n_pictures, self.n_tables, self.n_vectors)

    @property
    def keys_at(self) -> int:
        """Where the keys begin, at a multiple of their size."""
        return -(-(_HEAD.size + (DIGEST_BYTES + 2) * self.n_pictures) // 4) * 4

    @property
    def slots_at(self) -> int:
        """Where the slots begin."""
        return self.keys_at + 4 * self.n_tables * self.n_vectors

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.slots_at + 2 * self.n_tables * self.n_vectors


def _merged(parts: Sequence[Segment], table: int) -> Iterator[NDArray[np.uint64]]:
    """The postings of one table in the order of their keys, key and slot in one number, a range of keys at a time."""
    firsts = np.cumsum([0, *(int((~part.dead).sum()) for part in parts)])
    moved = [first + np.cumsum(~part.dead) - 1 for part, first in zip(parts, firsts, strict=False)]
    for low in range(0, 1 << 32, _KEY_RANGE):
        found = []
        for part, new_slots in zip(parts, moved, strict=True):
            start, end = np.searchsorted(part.keys[table], np.array([low, low + _KEY_RANGE], np.uint64))
            slots = part.slots[table][start:end]
            is_alive = ~part.dead[slots]
            keys = part.keys[table][start:end][is_alive].astype(np.uint64)
            found.append(keys << np.uint64(16) | new_slots[slots[is_alive]].astype(np.uint64))
        # Sorted parts one after the other: numpy's stable sort merges them in time that grows with their length alone.
        yield np.sort(np.concatenate(found), kind="stable")
