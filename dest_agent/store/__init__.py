"""The object store: the destination's bytes, each object named by the content it decodes to and the coding it is in.

The whole contract is this file; every implementation passes `tests/contracts/store_contract.py`. A store knows nothing
of sources, versions or recipes, proves nothing, and fails plainly: retrying is the business of whoever called.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.errors import IntegrityError, TransientError
from common.ids import Digest, digest_from

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class NoSpace(TransientError):
    """The disk or the quota is full: a refusal that the source waits out."""


class StoreFailed(TransientError):
    """The disk failed otherwise, as with EIO: nothing is known about what was asked."""


class ObjectMissing(IntegrityError):
    """An object that a recipe names is not there."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """The name of an object: the digest of the content and the coding of the bytes."""

    digest: Digest
    coding: str

    def __str__(self) -> str:
        return f"{self.digest.hex()}.{self.coding}"


def object_key(name: str) -> ObjectKey:
    """Admits a file name as an object's name. Errors: ValueError."""
    digest, dot, coding = name.partition(".")
    if not dot or not coding.isalnum() or digest != digest.lower():
        raise ValueError(f"{name!r} is not the name of an object")
    return ObjectKey(digest_from(bytes.fromhex(digest)), coding)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store itself knows of an object."""

    key: ObjectKey
    n_bytes: int
    published_ns: int
    """Wall-clock time at which the bytes were staged or published; only its age means anything."""


class ObjectStore(Protocol):
    """Objects under names. Threads: every method may be called from any thread. Errors, all methods: NoSpace, StoreFailed."""

    def publish(self, staged: Path, key: ObjectKey) -> int:
        """Makes a synced file the object `key` and gives its size; afterwards it survives a power cut and `staged` is gone.

        An object of the same key gives way, so that what stays is what was just proved. Readers of the old one keep it.
        A crash before the end leaves `staged`, the old object or the new one, never a part.
        """

    def open(self, key: ObjectKey) -> int:
        """A descriptor for reading at position 0; the caller closes it. Errors: ObjectMissing."""

    def stat(self, key: ObjectKey) -> StoredObject:
        """Size and age of an object. Errors: ObjectMissing."""

    def delete(self, key: ObjectKey) -> None:
        """Removes an object if it is there. Open descriptors keep reading."""

    def list(self) -> Iterator[StoredObject]:
        """The objects there, in no order and bounded memory; one published or deleted meanwhile may be left out.

        Files that are no objects are left out too.
        """

    def free_bytes(self) -> int:
        """What may still be written."""


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Maps the operating system's refusals, once for everything here that touches the disk.

    Errors: NoSpace for a full disk or quota, StoreFailed otherwise, each naming `what`.
    """
    try:
        yield
    except OSError as error:
        raise (NoSpace if error.errno in _FULL else StoreFailed)(f"{what}: {error.strerror or error}") from error
