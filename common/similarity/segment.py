"""A sealed part of the feature index: one file, written once, searched where it lies.

    magic, counts            64 bytes
    digests                  32 bytes for each picture; its place is its slot
    sizes                    u16 for each picture: how many vectors it has
    starts                   for each table u32 for each value of a key's first bits, and one more: where those keys start
    keys                     for each table u32 for each vector, ascending
    slots                    for each table u16 for each vector, beside its key

All little endian. The numbers in the head must give the file's size; what else a disk may do to it can only lead to wrong
candidates, which registration sends away. A crash leaves a temporary file that nobody names.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.durable import publish, sync_file
from common.errors import IntegrityError
from common.ids import DIGEST_BYTES, Digest
from common.similarity.voting import BUCKET_CAP, Found, ShortKeys, Slots

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
    starts: tuple[NDArray[np.uint32], ...]
    """For each table (2 ** bits + 1,): where the keys with these first bits start. None in a segment that is to be merged."""
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

    def find(self, table: int, keys: ShortKeys) -> Found:
        """As `voting.Part`."""
        starts, own = self.starts[table], self.keys[table]
        bucket = (keys.astype(np.uint64) >> np.uint64(32 - _bits_of(starts))).astype(np.intp)
        start = starts[bucket].astype(np.intp)
        length = np.clip(starts[bucket + 1].astype(np.intp) - start, 0, None)
        # Keys that share such a range with one beyond the cap are lost with it: reading on would help a hostile file alone.
        is_listed = length <= 2 * BUCKET_CAP
        listed = np.where(is_listed, length, 0)
        which = np.repeat(np.arange(len(keys)), listed)
        at = np.arange(len(which)) + np.repeat(start - (np.cumsum(listed) - listed), listed)
        at = np.minimum(at, len(own) - 1)
        equal = np.flatnonzero(own[at] == keys[which])
        which = which[equal]
        exact = np.bincount(which, minlength=len(keys))
        return Found(np.where(is_listed, exact, length), which, self.slots[table][at[equal]])


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

    def find(self, table: int, keys: ShortKeys) -> Found:
        """As `voting.Part`."""
        buckets = self._buckets[table]
        found = [buckets.get(key, ()) for key in keys.tolist()]
        lengths = np.array([len(bucket) for bucket in found], np.intp)
        return Found(
            lengths, np.repeat(np.arange(len(keys)), lengths), np.fromiter(itertools.chain.from_iterable(found), np.uint16)
        )

    def sealed(self) -> Segment:
        """The same as a segment in memory, to be written."""
        sizes = np.array([len(keys) for _, keys in self._pictures], np.uint16)
        slots = np.repeat(np.arange(len(sizes)), sizes).astype(np.uint16)
        every = np.concatenate([keys for _, keys in self._pictures])
        orders = [np.argsort(of_table, kind="stable") for of_table in every.T]
        return Segment(
            digests=np.frombuffer(b"".join(picture for picture, _ in self._pictures), np.uint8).reshape(-1, DIGEST_BYTES),
            sizes=sizes,
            starts=(),
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
                _write_table(file, layout, table=table, merged=_merged(parts, table))
            file.truncate(layout.n_bytes)
        sync_file(fd)
    finally:
        os.close(fd)
    publish(temporary, path)


def _write_table(file: BinaryIO, layout: _Layout, *, table: int, merged: Iterator[NDArray[np.uint64]]) -> None:
    """Writes starts, keys and slots of one table."""
    counts = np.zeros((1 << layout.bits) + 1, np.uint32)
    done = 0
    for postings in merged:
        keys = postings >> np.uint64(16)
        file.seek(layout.keys_at + 4 * (table * layout.n_vectors + done))
        file.write(keys.astype("<u4").tobytes())
        file.seek(layout.slots_at + 2 * (table * layout.n_vectors + done))
        file.write(postings.astype("<u2").tobytes())
        done += len(postings)
        values, n_of_value = np.unique(keys >> np.uint64(32 - layout.bits), return_counts=True)
        counts[values + np.uint64(1)] += n_of_value.astype(np.uint32)
    file.seek(layout.starts_at + 4 * table * len(counts))
    file.write(np.cumsum(counts, dtype=np.uint32).astype("<u4").tobytes())


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
    starts = mapped[layout.starts_at : layout.keys_at].view("<u4").reshape(n_tables, (1 << layout.bits) + 1)
    keys = mapped[layout.keys_at : layout.slots_at].view("<u4").reshape(n_tables, n_vectors)
    slots = mapped[layout.slots_at :].view("<u2").reshape(n_tables, n_vectors)
    return Segment(
        digests=mapped[_HEAD.size : digests_end].reshape(n, DIGEST_BYTES),
        sizes=mapped[digests_end : digests_end + 2 * n].view("<u2"),
        starts=tuple(starts),
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
    def bits(self) -> int:
        """Of a key that `starts` goes by: so many that a range holds some four to eight keys."""
        return max(1, (self.n_vectors // 4).bit_length() - 1)

    @property
    def starts_at(self) -> int:
        """Where the starts begin, at a multiple of their size."""
        return -(-(_HEAD.size + (DIGEST_BYTES + 2) * self.n_pictures) // 4) * 4

    @property
    def keys_at(self) -> int:
        """Where the keys begin."""
        return self.starts_at + 4 * self.n_tables * ((1 << self.bits) + 1)

    @property
    def slots_at(self) -> int:
        """Where the slots begin."""
        return self.keys_at + 4 * self.n_tables * self.n_vectors

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.slots_at + 2 * self.n_tables * self.n_vectors


def _bits_of(starts: NDArray[np.uint32]) -> int:
    """The first bits of a key by which starts are told."""
    return (len(starts) - 1).bit_length() - 1


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
