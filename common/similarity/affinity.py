"""Which pictures an affinity key belongs to: what is looked up when the summary vector has answered "maybe".

In memory, small, and derived from the layout vectors: 12 bytes for each of a picture's keys. Keys of pictures are kept as
sorted runs that merge as they grow, the newest ones in a table until there are enough for a run.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from common.ids import Digest
from common.similarity.asv import Glance, asked_keys, inserted_keys
from common.similarity.keys import Keys

RUN_KEYS = 4096
"""So many keys in the table become a run."""
BUCKET_CAP = 200
"""A key that more pictures share says nothing: blank pages, black frames, a camera without a clock."""


class AffinityIndex:
    """Pictures by the keys of their summary vector. Not thread-safe."""

    def __init__(self) -> None:
        self._slots: dict[Digest, int] = {}
        self._digests: list[Digest | None] = []
        self._fresh: dict[int, list[int]] = defaultdict(list)
        self._n_fresh = 0
        self._runs: list[tuple[Keys, NDArray[np.uint32]]] = []

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, picture: Digest) -> bool:
        return picture in self._slots

    def insert(self, glance: Glance) -> None:
        """Remembers a picture; one that is known already stays as it is."""
        if glance.digest in self._slots:
            return
        slot = len(self._digests)
        self._slots[glance.digest] = slot
        self._digests.append(glance.digest)
        for key in inserted_keys(glance).tolist():
            self._fresh[key].append(slot)
            self._n_fresh += 1
        if self._n_fresh >= RUN_KEYS:
            self._seal()

    def remove(self, picture: Digest) -> None:
        """Forgets a picture, if it is known; its keys stay, and lead nowhere."""
        slot = self._slots.pop(picture, None)
        if slot is not None:
            self._digests[slot] = None

    def candidates(self, glance: Glance) -> list[Digest]:
        """The pictures that share a key with this one, those that share most first, then in the order of their insertion."""
        asked = asked_keys(glance)
        length = np.array([len(self._fresh.get(key, ())) for key in asked.tolist()])
        ranges = [(np.searchsorted(keys, asked, "left"), np.searchsorted(keys, asked, "right")) for keys, _ in self._runs]
        for start, end in ranges:
            length += end - start
        is_telling = (length > 0) & (length <= BUCKET_CAP)
        found = [np.array(self._fresh.get(key, ()), np.uint32) for key in asked[is_telling].tolist()]
        for (_, slots), (start, end) in zip(self._runs, ranges, strict=True):
            found += [slots[a:b] for a, b in zip(start[is_telling].tolist(), end[is_telling].tolist(), strict=True)]
        if not found:
            return []
        slots, votes = np.unique(np.concatenate(found), return_counts=True)
        ranked = (self._digests[slot] for slot in slots[np.lexsort((slots, -votes))].tolist())
        return [digest for digest in ranked if digest is not None and digest != glance.digest]

    def _seal(self) -> None:
        """Makes a run of the table, and one of the youngest runs as long as they are not much longer than it."""
        counts = [len(slots) for slots in self._fresh.values()]
        keys = np.repeat(np.fromiter(self._fresh, np.uint64, len(self._fresh)), counts)
        slots = np.array([slot for of_key in self._fresh.values() for slot in of_key], np.uint32)
        self._fresh.clear()
        self._n_fresh = 0
        while self._runs and len(self._runs[-1][0]) <= 2 * len(keys):
            older = self._runs.pop()
            keys, slots = np.concatenate([older[0], keys]), np.concatenate([older[1], slots])
        order = np.argsort(keys, kind="stable")
        self._runs.append((keys[order], slots[order]))
