"""Objects as read-only files: `objects/ab/cd/<digest>.<coding>`, two levels of 256 folders.

Publishing is a rename inside one file system, so `staging/` lies beside `objects/` under the same path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from common.durable import make_directory, publish, remove
from dest_agent.store import ObjectKey, ObjectMissing, StoredObject, disk_errors, object_key


class FileStore:
    """The local object store. Threads: safe; no state but the path."""

    def __init__(self, path: Path) -> None:
        """Makes `path/objects` if absent. Errors: NoSpace, StoreFailed."""
        self._objects = path / "objects"
        with disk_errors(f"store {path}"):
            make_directory(self._objects)

    def publish(self, staged: Path, key: ObjectKey) -> int:
        """See ObjectStore."""
        final = self._path(key)
        with disk_errors(f"object {key}"):
            make_directory(final.parent)
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
            for outer in sorted(os.listdir(self._objects)):
                for inner in sorted(os.listdir(self._objects / outer)):
                    yield from self._folder(self._objects / outer / inner)

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
        return self._objects / digest[:2] / digest[2:4] / str(key)
