"""Objects as read-only files: `objects/ab/<digest>.<coding>`, 256 folders that are made once.

A folder made for an object costs two more syncs than the object; ten million objects are forty thousand names a folder,
which every file system of today looks up without a scan. Publishing is a rename inside one file system, so `staging/`
lies beside `objects/` under the same path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from common.durable import make_directory, publish, remove, sync_directory
from dest_agent.store import ObjectKey, ObjectMissing, StoredObject, disk_errors, object_key


class FileStore:
    """The local object store. Threads: safe; no state but the path."""

    def __init__(self, path: Path) -> None:
        """Makes `path/objects` if absent. Errors: NoSpace, StoreFailed."""
        self._objects = path / "objects"
        with disk_errors(f"store {path}"):
            make_directory(self._objects)
            for number in range(256):
                (self._objects / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
            sync_directory(self._objects)

    def publish(self, staged: Path, key: ObjectKey) -> int:
        """See ObjectStore."""
        final = self._path(key)
        with disk_errors(f"object {key}"):
            os.chmod(staged, 0o400)
            n_bytes = staged.stat().st_size
            publish(staged, final)
        return n_bytes

    def open(self, key: ObjectKey) -> int:
        """See ObjectStore."""
        with disk_errors(f"object {key}"):
            try:
                return os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                raise ObjectMissing(f"object {key} is not in the store") from None

    def stat(self, key: ObjectKey) -> StoredObject:
        """See ObjectStore."""
        with disk_errors(f"object {key}"):
            try:
                status = self._path(key).stat()
            except FileNotFoundError:
                raise ObjectMissing(f"object {key} is not in the store") from None
        return StoredObject(key, status.st_size, status.st_mtime_ns)

    def delete(self, key: ObjectKey) -> None:
        """See ObjectStore."""
        with disk_errors(f"object {key}"):
            remove(self._path(key))

    def list(self) -> Iterator[StoredObject]:
        """See ObjectStore; in memory is one folder's listing at a time."""
        with disk_errors("listing the store"):
            for folder in sorted(os.listdir(self._objects)):
                yield from self._folder(self._objects / folder)

    def free_bytes(self) -> int:
        """See ObjectStore; what root alone may use does not count."""
        with disk_errors("free space of the store"):
            status = os.statvfs(self._objects)
        return status.f_bavail * status.f_frsize

    def _folder(self, folder: Path) -> Iterator[StoredObject]:
        for name in sorted(os.listdir(folder)):
            try:
                key = object_key(name)
                status = os.stat(folder / name)
            except (ValueError, FileNotFoundError):
                continue
            yield StoredObject(key, status.st_size, status.st_mtime_ns)

    def _path(self, key: ObjectKey) -> Path:
        digest = key.digest.hex()
        return self._objects / digest[:2] / str(key)
