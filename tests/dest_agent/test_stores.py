"""Every object store keeps to the contract; the one on disk is laid out as FORMAT.md says."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from dest_agent.store import NoSpace, ObjectStore, StoreFailed, object_key
from dest_agent.store.files import FileStore
from tests.contracts.store_contract import CONTENT, KEY, StoreContract, read, staged
from tests.fakes.stores import FaultyStore, MemoryStore


class TestMemoryStore(StoreContract):
    """The fake is held to the same contract as the real one."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """Empty."""
        del tmp_path
        return MemoryStore()


class TestFaultyStore(StoreContract):
    """Without a fault it is the store behind it."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """Empty."""
        del tmp_path
        return FaultyStore(MemoryStore())


class TestFileStore(StoreContract):
    """The one in use."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """Empty."""
        return FileStore(tmp_path / "store")

    def test_an_object_lies_in_its_folder_and_is_read_only(self, store: ObjectStore, tmp_path: Path) -> None:
        """The layout of FORMAT.md."""
        store.publish(staged(tmp_path), KEY)
        digest = KEY.digest.hex()
        path = tmp_path / "store" / "objects" / digest[:2] / f"{digest}.raw"
        assert path.read_bytes() == CONTENT
        assert stat.S_IMODE(path.stat().st_mode) == 0o400

    def test_objects_are_there_after_opening_again(self, store: ObjectStore, tmp_path: Path) -> None:
        """The folder is the store; nothing is remembered elsewhere."""
        store.publish(staged(tmp_path), KEY)
        assert read(FileStore(tmp_path / "store"), KEY) == CONTENT

    def test_files_that_are_no_objects_are_not_listed(self, store: ObjectStore, tmp_path: Path) -> None:
        """An operator's note is neither verified nor swept."""
        store.publish(staged(tmp_path), KEY)
        folder = tmp_path / "store" / "objects" / KEY.digest.hex()[:2]
        (folder / "README").write_text("do not touch")
        (folder / f"{KEY.digest.hex()}.raw.tmp").write_text("")
        assert [found.key for found in store.list()] == [KEY]


@pytest.mark.parametrize(("error", "kind"), [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EIO, StoreFailed)])
def test_a_faulty_store_fails_once_as_a_disk_would(error: int, kind: type[Exception], tmp_path: Path) -> None:
    """The fault is proved to have fired, and what it hit is left as it was."""
    store = FaultyStore(MemoryStore(), fail_at=2, error=error)
    store.publish(staged(tmp_path), KEY)
    path = staged(tmp_path)
    with pytest.raises(kind):
        store.publish(path, KEY)
    assert store.fired == 1
    assert path.exists()
    store.publish(path, KEY)


@pytest.mark.parametrize(
    "name", ["", "abc.raw", "AB" * 32 + ".raw", "ab" * 32, "ab" * 32 + ".", "ab" * 32 + ".raw.1", "ab" * 32 + ".a/b"]
)
def test_only_a_digest_and_a_coding_name_an_object(name: str) -> None:
    """Names come from a disk that others may write to."""
    with pytest.raises(ValueError, match=r"name|digest|hexadecimal"):
        object_key(name)
