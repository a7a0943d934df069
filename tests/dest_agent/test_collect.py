"""Sweeping what no recipe names, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.ids import digest_of
from common.metrics import ORPHANS_SWEPT, snapshot
from dest_agent.collect import Claims, orphans, sweep
from dest_agent.store import ObjectKey, ObjectMissing
from tests.contracts.catalogue_contract import NOW_NS, bringing, version
from tests.contracts.store_contract import staged
from tests.fakes.catalogues import MemoryCatalogue
from tests.fakes.stores import MemoryStore

NEEDED = ObjectKey(digest_of(b"content"), "raw")
OTHER_CODING = ObjectKey(digest_of(b"content"), "zstd")
UNKNOWN = ObjectKey(digest_of(b"unknown"), "raw")
YOUNG = ObjectKey(digest_of(b"young"), "raw")


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """Four objects; only the first has a recipe, the last is the youngest."""
    made = MemoryStore()
    for key in (NEEDED, OTHER_CODING, UNKNOWN, YOUNG):
        made.publish(staged(tmp_path), key)
    return made


@pytest.fixture
def catalogue() -> MemoryCatalogue:
    """One version, one recipe."""
    made = MemoryCatalogue()
    made.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
    return made


def test_orphans_older_than_the_grace_are_swept(store: MemoryStore, catalogue: MemoryCatalogue) -> None:
    """A young one belongs to an upload between D2 and D3, or to one that will come again."""
    before = snapshot(ORPHANS_SWEPT).get("", 0)
    assert {found.key for found in orphans(store, catalogue)} == {OTHER_CODING, UNKNOWN, YOUNG}
    assert sweep(store, catalogue, Claims(), before_ns=4) == 2
    assert {found.key for found in store.list()} == {NEEDED, YOUNG}
    assert snapshot(ORPHANS_SWEPT)[""] == before + 2


def test_an_object_that_an_upload_claims_is_not_swept(store: MemoryStore, catalogue: MemoryCatalogue) -> None:
    """It is about to get its recipe, however old its bytes are; two uploads may claim it at once."""
    claims = Claims()
    with claims.claim(UNKNOWN):
        with claims.claim(UNKNOWN):
            pass
        assert sweep(store, catalogue, claims, before_ns=100) == 2
    store.stat(UNKNOWN)
    assert sweep(store, catalogue, claims, before_ns=100) == 1
    with pytest.raises(ObjectMissing):
        store.stat(UNKNOWN)
