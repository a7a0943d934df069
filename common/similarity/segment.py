"""A sealed part of the feature index: one file, written once, searched where it lies.

    magic, counts   64 bytes
    digests         32 bytes for each picture, ascending; its place is its slot
    sizes           u16 for each picture: how many vectors it has
    starts          for each table u32 for each value of a key's first bits, and one more: where those postings start
    postings        for each table u32 for each vector: the rest of its key, at most 16 bits, above its slot; ascending

All little endian. The numbers in the head must give the file's size; what else a disk may do to it can only lead to wrong
candidates, which registration sends away. A crash leaves a temporary file that nobody names.

A range of postings with equal first bits is some sixteen to thirty long, so a look-up reads two places of the file: at
100,000 pictures that is several times as fast as a binary search.

Half of the tables stay mapped, where they are long: what a look-up has read of the others is unmapped again. Its pages stay
in the system's cache as long as there is room, and the process holds less than 2 kB a picture; each page costs a fault then.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from common.durable import publish, sync_file
from common.errors import IntegrityError
from common.ids import DIGEST_BYTES, Digest
from common.similarity.voting import BUCKET_CAP, Found, ShortKeys

MAX_PICTURES = 1 << 16
"""Of one segment: slots are 16 bits."""
_KEY_BITS = 32
_SLOT_BITS = 16
_SLOT_MASK = np.uint32((1 << _SLOT_BITS) - 1)
_MAGIC = b"smarter lsh 2\n\0\0"
_HEAD = struct.Struct("<16sIIQ32x")
_KEY_RANGE = 1 << 28
"""Keys are merged so many values at a time, so that merging needs little memory."""
_POSTINGS_PER_START = 16
"""At least, in a segment of more than a million: more need more time for a look-up, fewer need more bytes for the starts."""
_SHORT_TABLE_BYTES = 1 << 22
"""A table that is not longer always stays mapped."""

Codes = NDArray[np.uint64]
"""A key and its slot in one number: `key << 16 | slot`."""


class Mergeable(Protocol):
    """What a segment can be written from."""

    @property
    def digests(self) -> NDArray[np.uint8]:
        """(n_pictures, 32)."""

    @property
    def sizes(self) -> NDArray[np.uint16]:
        """(n_pictures,): vectors of each."""

    @property
    def dead(self) -> NDArray[np.bool_]:
        """(n_pictures,): those that were removed."""

    def codes(self, table: int, *, low: int, high: int) -> Codes:
        """The postings of a table with low <= key < high, ascending. Errors: IntegrityError where they cannot be."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Pictures by the keys of their vectors, as a file has them. Its arrays are views of the file."""

    mapped: mmap.mmap
    digests: NDArray[np.uint8]
    """(n_pictures, 32), ascending."""
    sizes: NDArray[np.uint16]
    """(n_pictures,): vectors of each."""
    starts: NDArray[np.uint32]
    """(n_tables, 2 ** bits + 1)."""
    postings: NDArray[np.uint32]
    """(n_tables, n_vectors)."""
    dead: NDArray[np.bool_]
    """(n_pictures,): those that were removed; in memory, and the only thing that changes."""

    def __len__(self) -> int:
        return len(self.digests)

    def digest(self, slot: int) -> Digest:
        """The picture at a slot."""
        return Digest(self.digests[slot].tobytes())

    def slot(self, picture: Digest) -> int | None:
        """Where a picture is that was not removed; None where it is not."""
        names = _names(self.digests)
        at = int(np.searchsorted(names, np.frombuffer(picture, names.dtype))[0])
        return at if at < len(self) and self.digest(at) == picture and not self.dead[at] else None

    def find(self, table: int, keys: ShortKeys) -> Found:
        """As `voting.Part`."""
        starts, postings = self.starts[table], self.postings[table]
        rest_bits = _KEY_BITS - self._bits
        bucket = keys >> np.uint32(rest_bits)
        start = starts[bucket].astype(np.intp)
        length = np.maximum(starts[bucket + np.uint32(1)].astype(np.intp) - start, 0)
        # Keys that share such a range with one beyond the cap are lost with it: reading on would help a hostile file alone.
        is_listed = length <= 2 * BUCKET_CAP
        listed = np.where(is_listed, length, 0)
        which = np.repeat(np.arange(len(keys)), listed)
        at = np.arange(len(which)) + np.repeat(start - (np.cumsum(listed) - listed), listed)
        read = postings[np.minimum(at, len(postings) - 1)]
        rest = keys & np.uint32((1 << rest_bits) - 1)
        equal = np.flatnonzero(read >> np.uint32(_SLOT_BITS) == rest[which])
        which = which[equal]
        exact = np.bincount(which, minlength=len(keys))
        if postings.nbytes > _SHORT_TABLE_BYTES and table >= len(self.postings) // 2:
            self._unmap(postings)
        return Found(np.where(is_listed, exact, length), which, (read[equal] & _SLOT_MASK).astype(np.uint16))

    def _unmap(self, view: NDArray[np.uint32]) -> None:
        """Lets go of the whole pages of a part of the file."""
        begin = view.ctypes.data - np.frombuffer(self.mapped, np.uint8).ctypes.data
        first, end = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE, (begin + view.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
        self.mapped.madvise(mmap.MADV_DONTNEED, first, end - first)

    def codes(self, table: int, *, low: int, high: int) -> Codes:
        """As `Mergeable`."""
        rest_bits = _KEY_BITS - self._bits
        ends = self.starts[table, low >> rest_bits : (high >> rest_bits) + 1].astype(np.intp)
        if (np.diff(ends) < 0).any() or ends[-1] > self.postings.shape[1]:
            raise IntegrityError("a segment's starts are damaged")
        first = np.repeat(np.arange(low >> rest_bits, high >> rest_bits, dtype=np.uint64), np.diff(ends))
        return first << np.uint64(rest_bits + _SLOT_BITS) | self.postings[table, ends[0] : ends[-1]]

    @property
    def _bits(self) -> int:
        """Of a key, that `starts` goes by."""
        return int(self.starts.shape[1] - 1).bit_length() - 1


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
        which = np.repeat(np.arange(len(keys)), lengths)
        return Found(lengths, which, np.fromiter(itertools.chain.from_iterable(found), np.uint16, len(which)))

    def sealed(self) -> Mergeable:
        """The same, to be written."""
        return _Sealed(self._pictures, self.dead[: len(self)].copy())


class _Sealed:
    """Pictures in memory in the order of their keys."""

    def __init__(self, pictures: Sequence[tuple[Digest, ShortKeys]], dead: NDArray[np.bool_]) -> None:
        self.digests = np.frombuffer(b"".join(picture for picture, _ in pictures), np.uint8).reshape(-1, DIGEST_BYTES)
        self.sizes = np.array([len(keys) for _, keys in pictures], np.uint16)
        self.dead = dead
        slots = np.repeat(np.arange(len(self.sizes)), self.sizes).astype(np.uint64)
        keys = np.concatenate([keys for _, keys in pictures]).astype(np.uint64)
        self._codes = np.sort(keys.T << np.uint64(_SLOT_BITS) | slots, axis=1)

    def codes(self, table: int, *, low: int, high: int) -> Codes:
        """As `Mergeable`."""
        codes = self._codes[table]
        start, end = np.searchsorted(codes, np.array([low << _SLOT_BITS, high << _SLOT_BITS], np.uint64))
        return np.asarray(codes[start:end], np.uint64)


def write(path: Path, parts: Sequence[Mergeable], *, n_tables: int) -> None:
    """Writes one segment of several parts, without the pictures that are dead, and makes it durable under its name.

    Errors:  ValueError for more than MAX_PICTURES; IntegrityError where a part turns out to be damaged.
    """
    alive = [np.flatnonzero(~part.dead) for part in parts]
    digests = np.concatenate([part.digests[slots] for part, slots in zip(parts, alive, strict=True)])
    sizes = np.concatenate([part.sizes[slots] for part, slots in zip(parts, alive, strict=True)])
    order = np.argsort(_names(digests), kind="stable")
    if len(digests) > MAX_PICTURES:
        raise ValueError(f"{len(digests)} pictures do not fit into a segment")
    new_slots = _new_slots(parts, alive, order)
    layout = _Layout(len(digests), n_tables=n_tables, n_vectors=int(sizes.sum()))
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(layout.head())
            file.write(digests[order].tobytes())
            file.write(sizes[order].astype("<u2").tobytes())
            for table in range(layout.n_tables):
                _write_table(file, layout, table=table, merged=_merged(parts, table, new_slots=new_slots))
            file.truncate(layout.n_bytes)
        sync_file(fd)
    finally:
        os.close(fd)
    publish(temporary, path)


def _write_table(file: BinaryIO, layout: _Layout, *, table: int, merged: Iterator[Codes]) -> None:
    """Writes starts and postings of one table."""
    rest_bits = _KEY_BITS - layout.bits
    starts = np.zeros((1 << layout.bits) + 1, np.uint32)
    file.seek(layout.postings_at + 4 * table * layout.n_vectors)
    for codes in merged:
        file.write((codes & np.uint64((1 << (rest_bits + _SLOT_BITS)) - 1)).astype("<u4").tobytes())
        values, n_of_value = np.unique(codes >> np.uint64(rest_bits + _SLOT_BITS), return_counts=True)
        starts[values + np.uint64(1)] += n_of_value.astype(np.uint32)
    if starts.sum() != layout.n_vectors:
        raise IntegrityError("a segment's postings are not as many as its pictures have")
    file.seek(layout.starts_at + 4 * table * len(starts))
    file.write(np.cumsum(starts, dtype=np.uint32).astype("<u4").tobytes())


def opened(path: Path) -> Segment:
    """A segment whose arrays are read from its file when they are used.

    Errors:  IntegrityError unless the file has the head and the size of a segment; FileNotFoundError.
    """
    with path.open("rb") as file:
        raw = file.read(_HEAD.size)
        if len(raw) < _HEAD.size or not raw.startswith(_MAGIC):
            raise IntegrityError(f"{path.name} is no segment of this version")
        layout = _Layout.of(raw)
        if os.fstat(file.fileno()).st_size != layout.n_bytes:
            raise IntegrityError(f"{path.name} has not the size that its head tells")
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # Look-ups go here and there: reading ahead would read the whole file for a few of them.
    whole.madvise(mmap.MADV_RANDOM)
    mapped = np.frombuffer(whole, np.uint8)
    n, n_tables = layout.n_pictures, layout.n_tables
    digests_end = _HEAD.size + DIGEST_BYTES * n
    return Segment(
        mapped=whole,
        digests=mapped[_HEAD.size : digests_end].reshape(n, DIGEST_BYTES),
        sizes=mapped[digests_end : digests_end + 2 * n].view("<u2"),
        starts=mapped[layout.starts_at : layout.postings_at].view("<u4").reshape(n_tables, -1),
        postings=mapped[layout.postings_at :].view("<u4").reshape(n_tables, layout.n_vectors),
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
        """Of a key that `starts` goes by: at least those that do not fit beside a slot, better so many that ranges are short."""
        return max(_KEY_BITS - _SLOT_BITS, (self.n_vectors // _POSTINGS_PER_START).bit_length() - 1)

    @property
    def starts_at(self) -> int:
        """Where the starts begin, at a multiple of their size."""
        return -(-(_HEAD.size + (DIGEST_BYTES + 2) * self.n_pictures) // 4) * 4

    @property
    def postings_at(self) -> int:
        """Where the postings begin."""
        return self.starts_at + 4 * self.n_tables * ((1 << self.bits) + 1)

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.postings_at + 4 * self.n_tables * self.n_vectors


def _names(digests: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Digests so that they compare; those that end in zeros too, since all are of one length. Shapes: (n, 32) -> (n,)."""
    return np.ascontiguousarray(digests).view(f"S{DIGEST_BYTES}").reshape(-1)


def _new_slots(
    parts: Sequence[Mergeable], alive: Sequence[NDArray[np.intp]], order: NDArray[np.intp]
) -> list[NDArray[np.uint64]]:
    """For each part, the slot in the new segment of each slot; 0 for the dead. `order` sorts all that live."""
    ranks = np.empty(len(order), np.uint64)
    ranks[order] = np.arange(len(order), dtype=np.uint64)
    found = []
    for part, slots in zip(parts, alive, strict=True):
        moved = np.zeros(len(part.sizes), np.uint64)
        moved[slots], ranks = ranks[: len(slots)], ranks[len(slots) :]
        found.append(moved)
    return found


def _merged(parts: Sequence[Mergeable], table: int, *, new_slots: Sequence[NDArray[np.uint64]]) -> Iterator[Codes]:
    """The postings of one table of all parts, renumbered, ascending, a range of keys at a time."""
    for low in range(0, 1 << _KEY_BITS, _KEY_RANGE):
        found = []
        for part, moved in zip(parts, new_slots, strict=True):
            codes = part.codes(table, low=low, high=low + _KEY_RANGE)
            slots = (codes & np.uint64(_SLOT_MASK)).astype(np.intp)
            if len(slots) and slots.max() >= len(moved):
                raise IntegrityError("a segment's postings are damaged")
            keys = codes >> np.uint64(_SLOT_BITS) << np.uint64(_SLOT_BITS)
            found.append((keys | moved[slots])[~part.dead[slots]])
        yield np.sort(np.concatenate(found))
