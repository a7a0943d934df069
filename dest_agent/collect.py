"""Sweeping objects that no recipe names: what a crash between D2 and D3 left, or a second source's other coding.

An upload of the same content may publish the same object again while it is swept. So an upload *claims* a key before it
publishes and until it has committed, and the sweep asks for the recipe and deletes while no claim can be made:

    must: an object is deleted only when no recipe names it and no upload is about to make one that does.

What a delta is over has a recipe of its own, which stays as long as the delta's: so its object does.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from common.metrics import ORPHANS_SWEPT
from dest_agent.catalogue import Catalogue
from dest_agent.recipes import object_of
from dest_agent.store import ObjectKey, ObjectStore, StoredObject

_PAGE = 500


class Claims:
    """The keys of objects that uploads are about to commit. Threads: safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_by_key: Counter[ObjectKey] = Counter()

    @contextmanager
    def claim(self, key: ObjectKey) -> Iterator[None]:
        """Keeps the sweep from an object, from before it is published until it is committed."""
        with self._lock:
            self._n_by_key[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_by_key[key] -= 1
                if not self._n_by_key[key]:
                    del self._n_by_key[key]

    @contextmanager
    def held_off(self) -> Iterator[frozenset[ObjectKey]]:
        """What is claimed; nothing more can be until the block ends, so it must be short."""
        with self._lock:
            yield frozenset(self._n_by_key)


def orphans(store: ObjectStore, catalogue: Catalogue) -> Iterator[StoredObject]:
    """The objects that no recipe names, at the time each was looked at; new uploads' among them. Errors: as the two."""
    listing = store.list()
    while page := list(islice(listing, _PAGE)):
        needed = _needed(catalogue, page)
        yield from (found for found in page if found.key not in needed)


def sweep(store: ObjectStore, catalogue: Catalogue, claims: Claims, *, before_ns: int) -> int:
    """Deletes orphans published before a time, and says how many. Blocks: for a thread. Errors: as the store and catalogue."""
    n_swept = 0
    for found in orphans(store, catalogue):
        if found.published_ns >= before_ns:
            continue
        with claims.held_off() as claimed:
            if found.key not in claimed and found.key not in _needed(catalogue, [found]):
                store.delete(found.key)
                n_swept += 1
    ORPHANS_SWEPT.inc(n_swept)
    return n_swept


def _needed(catalogue: Catalogue, page: list[StoredObject]) -> set[ObjectKey]:
    contents = catalogue.contents([found.key.digest for found in page])
    return {object_of(c.digest, c.recipe) for c in contents.values()}
