"""What every object store keeps to. Inherit as `TestX` and give `store`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.ids import digest_of
from dest_agent.store import ObjectKey, ObjectMissing, ObjectStore

CONTENT = b"the bytes of a picture" * 1000
KEY = ObjectKey(digest_of(CONTENT), "raw")


def staged(folder: Path, content: bytes = CONTENT) -> Path:
    """A file as staging leaves it, on the store's own file system."""
    path = folder / "staged"
    path.write_bytes(content)
    return path


def read(store: ObjectStore, key: ObjectKey) -> bytes:
    """All bytes of an object."""
    with os.fdopen(store.open(key), "rb") as file:
        return file.read()


class StoreContract:
    """Inherit as `TestX` and give `store`."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """The store under test, empty, on the file system of `tmp_path`."""
        raise NotImplementedError

    def test_what_is_published_is_read_back_and_the_staged_file_is_gone(self, store: ObjectStore, tmp_path: Path) -> None:
        """The store owns the bytes from here on."""
        path = staged(tmp_path)
        assert store.publish(path, KEY) == len(CONTENT)
        assert read(store, KEY) == CONTENT
        assert not path.exists()

    def test_a_descriptor_starts_at_the_first_byte_each_time(self, store: ObjectStore, tmp_path: Path) -> None:
        """Readers do not disturb each other."""
        store.publish(staged(tmp_path), KEY)
        first, second = store.open(KEY), store.open(KEY)
        try:
            assert os.read(first, 5) == os.read(second, 5) == CONTENT[:5]
        finally:
            os.close(first)
            os.close(second)

    def test_a_missing_object_is_named(self, store: ObjectStore) -> None:
        """A recipe that points nowhere must be heard of."""
        with pytest.raises(ObjectMissing, match=str(KEY)):
            store.open(KEY)
        with pytest.raises(ObjectMissing, match=str(KEY)):
            store.stat(KEY)

    def test_an_object_published_again_is_what_was_just_proved(self, store: ObjectStore, tmp_path: Path) -> None:
        """A damaged object heals; whoever reads the old one goes on reading it."""
        store.publish(staged(tmp_path, b"damaged"), KEY)
        before = store.open(KEY)
        store.publish(staged(tmp_path), KEY)
        try:
            assert os.read(before, 100) == b"damaged"
        finally:
            os.close(before)
        assert read(store, KEY) == CONTENT

    def test_a_deleted_object_is_gone_and_may_be_deleted_again(self, store: ObjectStore, tmp_path: Path) -> None:
        """Sweeping twice is harmless."""
        store.publish(staged(tmp_path), KEY)
        store.delete(KEY)
        store.delete(KEY)
        with pytest.raises(ObjectMissing):
            store.open(KEY)

    def test_the_listing_has_every_object_with_its_size(self, store: ObjectStore, tmp_path: Path) -> None:
        """Codings of one content are objects of their own."""
        keys = {ObjectKey(digest_of(bytes([n])), coding) for n in range(40) for coding in ("raw", "zstd")}
        for key in keys:
            store.publish(staged(tmp_path, b"12345"), key)
        listed = list(store.list())
        assert {found.key for found in listed} == keys
        assert len(listed) == len(keys)
        assert {found.n_bytes for found in listed} == {5}
        assert store.stat(listed[0].key) == listed[0]

    def test_an_empty_object_is_an_object(self, store: ObjectStore, tmp_path: Path) -> None:
        """Empty files are backed up too."""
        key = ObjectKey(digest_of(b""), "raw")
        assert store.publish(staged(tmp_path, b""), key) == 0
        assert read(store, key) == b""

    def test_there_is_free_space(self, store: ObjectStore) -> None:
        """Of the disk that the tests run on."""
        assert store.free_bytes() > 0
