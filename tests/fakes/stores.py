"""Object stores for tests: one in memory, and one that fails when it is told to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dest_agent.store import ObjectKey, ObjectMissing, ObjectStore, StoredObject, disk_errors


class MemoryStore:
    """Objects in a dict. Ages are counted: each publication is one nanosecond later than the one before."""

    def __init__(self) -> None:
        """Starts empty."""
        self._objects: dict[ObjectKey, tuple[bytes, int]] = {}
        self._n_published = 0
        self.free = 1 << 40

    def publish(self, staged: Path, key: ObjectKey) -> int:
        """See ObjectStore."""
        content = staged.read_bytes()
        staged.unlink()
        self._n_published += 1
        self._objects[key] = (content, self._n_published)
        return len(content)

    def open(self, key: ObjectKey) -> int:
        """See ObjectStore."""
        fd = os.memfd_create("object")
        os.write(fd, self._at(key)[0])
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def stat(self, key: ObjectKey) -> StoredObject:
        """See ObjectStore."""
        content, published_ns = self._at(key)
        return StoredObject(key, len(content), published_ns)

    def delete(self, key: ObjectKey) -> None:
        """See ObjectStore."""
        self._objects.pop(key, None)

    def list(self) -> Iterator[StoredObject]:
        """See ObjectStore."""
        yield from [self.stat(key) for key in self._objects]

    def free_bytes(self) -> int:
        """See ObjectStore; tests set `free`."""
        return self.free

    def _at(self, key: ObjectKey) -> tuple[bytes, int]:
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectMissing(f"object {key} is not in the store") from None


@dataclass(slots=True)
class FaultyStore:
    """A store whose n-th call from now fails as a disk would; `fired` proves that it did."""

    inner: ObjectStore
    fail_at: int = 0
    """1: the next call; 0: none."""
    error: int = errno.EIO
    fired: int = field(default=0, init=False)

    def publish(self, staged: Path, key: ObjectKey) -> int:
        """See ObjectStore."""
        self._count()
        return self.inner.publish(staged, key)

    def open(self, key: ObjectKey) -> int:
        """See ObjectStore."""
        self._count()
        return self.inner.open(key)

    def stat(self, key: ObjectKey) -> StoredObject:
        """See ObjectStore."""
        self._count()
        return self.inner.stat(key)

    def delete(self, key: ObjectKey) -> None:
        """See ObjectStore."""
        self._count()
        self.inner.delete(key)

    def list(self) -> Iterator[StoredObject]:
        """See ObjectStore."""
        self._count()
        return self.inner.list()

    def free_bytes(self) -> int:
        """See ObjectStore; never fails, so that tests can count on when the others do."""
        return self.inner.free_bytes()

    def _count(self) -> None:
        if self.fail_at:
            self.fail_at -= 1
            if not self.fail_at:
                self.fired += 1
                with disk_errors("the faulty store"):
                    raise OSError(self.error, os.strerror(self.error))
