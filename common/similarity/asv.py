"""The affinity-aware summary vector: "surely new" or "maybe similar" for a picture, from a few hundred bits for each one known.

A picture has `L` compound p-stable keys of its layout vector (`keys`, `vector`) and, where its camera wrote them, one exact
key of time and camera. Inserting sets their bits. A query asks for the keys of the picture in its eight forms, with the
neighbouring buckets that it almost fell into, and for the exact key; any one that is set answers "maybe".

A hint only: a miss never ends the search, it sends the picture on to its features. Derived from what the journal knows:
`save` leaves the old file or the new one after a crash, and a file that cannot be read is rebuilt by inserting again.

Paper: [S §III-C1]; departs: there a query must find all of L single projections set, which at a thousand pictures is so for
nine of ten strangers; here any one of L keys of 20 projections each. That rule is kept in `rivals`, to be measured against.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blake3 import blake3

from common.durable import write_file
from common.errors import IntegrityError
from common.ids import DIGEST_BYTES, Digest
from common.similarity.bits import FilterStack
from common.similarity.dihedral import Floats
from common.similarity.keys import KeyFamily, Keys
from common.similarity.vector import DIMENSIONS, forms_of_vector

FAMILY = KeyFamily("asv 1", DIMENSIONS, projections=20, tables=8, width=70.0)
N_PROBES = 2
"""Neighbouring buckets asked besides a vector's own."""
N_LOOKUPS = 8 * FAMILY.tables * (1 + N_PROBES) + 1
"""Keys of one query."""
_MAGIC = b"smarter asv 1\n"
_HEAD = struct.Struct("<Q")


@dataclass(frozen=True)
class Glance:
    """What is seen of a picture without its features."""

    digest: Digest
    vector: Floats
    """Shape: (20,) float32."""
    moment: bytes = b""
    """Time and camera as its EXIF has them; empty where it has not."""


def inserted_keys(glance: Glance) -> Keys:
    """The keys under which a picture is remembered. Shape: (L,) or (L + 1,) uint64."""
    return np.concatenate([FAMILY.keys(glance.vector[None])[0], _exact(glance.moment)])


def asked_keys(glance: Glance) -> Keys:
    """The keys under which its like may be remembered: of eight forms, with probes. Shape: (at most N_LOOKUPS,) uint64."""
    keys = FAMILY.probes(forms_of_vector(glance.vector), N_PROBES)
    return np.unique(np.concatenate([keys.ravel(), _exact(glance.moment)]))


def _exact(moment: bytes) -> Keys:
    """Time and camera as a key; none where they are unknown, which nothing resembles."""
    return np.frombuffer(blake3(moment).digest(length=8) if moment else b"", "<u8").astype(np.uint64)


class Asv:
    """The summary vector of some pictures. Not thread-safe."""

    def __init__(self, filters: FilterStack, *, n_pictures: int = 0) -> None:
        self._filters = filters
        self.n_pictures = n_pictures

    @classmethod
    def sized(cls, expected: int, false_positive_rate: float = 1e-3) -> Asv:
        """An empty vector for `expected` pictures, in which `false_positive_rate` of strangers find a bit set by chance.

        Above that number it grows by itself, and keeps to the rate. What only looks alike comes on top.
        """
        return cls(FilterStack.sized(expected * (FAMILY.tables + 1), false_positive_rate / N_LOOKUPS))

    @property
    def n_bits(self) -> int:
        """The length of the vector, all layers."""
        return self._filters.n_bits

    def insert(self, glance: Glance) -> None:
        """Remembers a picture."""
        self._filters.add(inserted_keys(glance))
        self.n_pictures += 1

    def may_hold(self, glance: Glance) -> bool:
        """Whether a picture like this one may have been inserted; False says that none whose keys meet was."""
        return bool(self._filters.holds(asked_keys(glance)).any())

    def to_bytes(self) -> bytes:
        """The vector as stored and sent: magic, counts, layers, and the digest of it all."""
        body = _MAGIC + _HEAD.pack(self.n_pictures) + self._filters.to_bytes()
        return body + blake3(body).digest()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Asv:
        """The vector that `to_bytes` wrote. Errors: IntegrityError where a byte is wrong or missing."""
        body = stored[:-DIGEST_BYTES]
        if not body.startswith(_MAGIC) or blake3(body).digest() != stored[-DIGEST_BYTES:]:
            raise IntegrityError("a summary vector is damaged or of another version: rebuild it")
        try:
            (n_pictures,) = _HEAD.unpack_from(body, len(_MAGIC))
            filters = FilterStack.from_bytes(memoryview(body)[len(_MAGIC) + _HEAD.size :])
        except (ValueError, struct.error) as error:
            raise IntegrityError(f"a summary vector cannot be read: {error}") from error
        return cls(filters, n_pictures=n_pictures)

    def save(self, path: Path) -> None:
        """Writes the vector; a crash leaves the file as it was or as it should be."""
        write_file(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Asv:
        """Reads what `save` wrote. Errors: IntegrityError; FileNotFoundError."""
        return cls.from_bytes(path.read_bytes())
