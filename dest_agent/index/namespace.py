"""The pictures of one namespace by what they look like. Blocking; used by one thread at a time.

must: an answer names only pictures that a source of this namespace sketched and that a version of one of them has.
should: whatever is such a picture is in here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import ContentError
from common.ids import Digest
from common.model import Match
from common.similarity import sketch
from common.similarity.features import Features
from common.similarity.lsh import LshIndex
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue

INSERTED_AT_ONCE = 16
"""Pictures: so long an offer waits for a repair."""
N_CANDIDATES = 10
"""Pictures of most shared descriptions whose geometry is looked at."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A held picture that looks like another one."""

    match: Match
    group: Digest


class NamespaceIndex:
    """See the module. Errors, all methods: DatabaseError, IntegrityError, OSError."""

    def __init__(self, folder: Path, catalogue: Catalogue, sharing: frozenset[str]) -> None:
        """Opens what is in the folder; what is damaged is removed, as if it had never been."""
        self._folder = folder
        self._catalogue = catalogue
        self._sharing = sharing
        self._index = LshIndex.mended(folder)

    def __len__(self) -> int:
        return len(self._index)

    def missing(self) -> list[Digest]:
        """What the catalogue has and the index has not; what only the index has is forgotten."""
        known = set(self._catalogue.every_picture(self._sharing))
        held = set(self._index)
        for stray in held - known:
            self._index.remove(stray)
        return sorted(known - held)

    def insert(self, digests: Sequence[Digest]) -> None:
        """Puts in those of `digests` that are pictures of this namespace."""
        fresh = [digest for digest in digests if digest not in self._index]
        for picture in self._catalogue.pictures(self._sharing, fresh).values():
            features = readable(picture.sketch.features)
            if features is not None:
                self._index.insert(picture.digest, features)

    def look(self, offered: Digest, features: Features, *, k: int) -> list[Alike]:
        """The `k` pictures that look most like the offered one, itself left out: those first of which most points agree."""
        close = [match.picture for match in self._index.query(features, N_CANDIDATES + 1) if match.picture != offered]
        alike = []
        for picture in self._catalogue.pictures(self._sharing, close[:N_CANDIDATES]).values():
            seen = readable(picture.sketch.features)
            if seen is None or seen.description != features.description:
                continue
            laid = sketch.lay(features, seen)
            if laid.inliers >= sketch.MIN_INLIERS:
                match = Match(picture.digest, picture.size, picture.sketch, sd=laid.sd, inliers=laid.inliers)
                alike.append(Alike(match, picture.group))
        return sorted(alike, key=lambda one: (-one.match.inliers, -one.match.sd, one.match.digest))[:k]

    def flush(self) -> None:
        """Makes durable what was put in."""
        self._index.flush()


def rebuilt(catalogue: Catalogue, folder: Path, access: Access) -> Iterator[tuple[str, int]]:
    """Builds the indexes of all namespaces anew; each that is done, with the number of its pictures. Errors: as above."""
    shutil.rmtree(folder, ignore_errors=True)
    for namespace in access.namespaces([source.name for source in catalogue.sources()]):
        index = NamespaceIndex(folder / namespace, catalogue, access.sharing_in(namespace))
        missing = index.missing()
        for at in range(0, len(missing), INSERTED_AT_ONCE):
            index.insert(missing[at : at + INSERTED_AT_ONCE])
        index.flush()
        yield namespace, len(index)


def readable(raw: bytes) -> Features | None:
    """The features of a sketch, None where the bytes are no sketch: a peer may write anything."""
    try:
        return sketch.from_bytes(raw)
    except ContentError:
        return None
