"""Private copies of contents that wait for delivery, so that what happens to the file meanwhile does not matter.

A pin is a reflink where the file system can (free, and the default), or a copy where the policy asks for one; never a
hard link, which would change with the file. Pins are named by digest: one serves every version of a content.

A crash before the journal knows of a pin (S2) leaves a file that `sweep` removes at the next start.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from blake3 import blake3

from common.durable import crash_point, make_directory, publish, remove, sync_file
from common.errors import ContentError
from common.ids import Digest

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FICLONE = 0x40049409
_COPY_BYTES = 1 << 30
_READ_BYTES = 1 << 20
KEEP_FREE_BYTES = 256 << 20
"""Of the disk: what would need them is not pinned later than at intake."""


class PinMode(StrEnum):
    """How far a policy goes to keep bytes readable until they are delivered."""

    REFLINK = "reflink"
    COPY = "copy"
    OFF = "off"


class Pins:
    """A directory of pinned contents. Threads: each call is independent."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory if it is absent."""
        make_directory(directory)
        self._directory = directory
        self._no_reflink: set[int] = set()

    def path(self, digest: Digest) -> Path:
        """Where a pinned content is."""
        return self._directory / digest.hex()

    def holds(self, digest: Digest) -> bool:
        """Whether a content is pinned."""
        return self.path(digest).exists()

    def pin(self, source_fd: int, digest: Digest, mode: PinMode) -> bool:
        """Keeps the bytes of an open file under a digest. True where they are kept, durably, when it returns (S2).

        False where the mode is off, or is reflink and the file system has none. The caller checks afterwards that the
        file did not change meanwhile. Errors: OSError, a full disk among them.
        """
        device = os.fstat(source_fd).st_dev
        if mode is PinMode.OFF or (mode is PinMode.REFLINK and device in self._no_reflink):
            return False
        if self.holds(digest):
            return True
        return self._keep(source_fd, digest, copies=mode is PinMode.COPY)

    def _keep(self, source_fd: int, digest: Digest, *, copies: bool, proves: bool = False) -> bool:
        # A name of its own for each thread: two paths with one content may be pinned at the same moment.
        temporary = self._directory / f"{digest.hex()}.{threading.get_ident()}.tmp"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if not _clone(source_fd, fd):
                self._no_reflink.add(os.fstat(source_fd).st_dev)
                if not copies:
                    remove(temporary)
                    return False
                _copy(source_fd, fd)
            if proves:
                _prove(fd, digest)
            sync_file(fd)
            publish(temporary, self.path(digest))
        except (OSError, ContentError):
            remove(temporary)
            raise
        finally:
            os.close(fd)
        crash_point("S2")
        return True

    def pin_later(self, source_fd: int, digest: Digest) -> bool:
        """Pins what was taken in without, whatever its policy's mode, and proves it: a live file may have changed since (S2).

        False where there is no room for it. Errors: ContentError `changed`; OSError.
        """
        if self.holds(digest):
            return True
        room = os.statvfs(self._directory)
        if room.f_bavail * room.f_frsize < os.fstat(source_fd).st_size + KEEP_FREE_BYTES:
            return False
        try:
            return self._keep(source_fd, digest, copies=True, proves=True)
        except OSError as error:
            if error.errno in _FULL:
                return False
            raise

    def unpin(self, digest: Digest) -> None:
        """Lets a content go (S5); one that is not pinned is no error."""
        remove(self.path(digest))
        crash_point("S5")

    def sweep(self, keep: Collection[Digest]) -> int:
        """Removes every pin but those, and what a crash left half made; gives how many went."""
        names = {digest.hex() for digest in keep}
        stray = [path for path in self._directory.iterdir() if path.name not in names]
        for path in stray:
            remove(path)
        return len(stray)


def _clone(source_fd: int, target_fd: int) -> bool:
    try:
        fcntl.ioctl(target_fd, _FICLONE, source_fd)
    except OSError:
        return False
    return True


def _copy(source_fd: int, target_fd: int) -> None:
    offset = 0
    while n := os.sendfile(target_fd, source_fd, offset, _COPY_BYTES):  # copy_file_range refuses to leave a file system
        offset += n


def _prove(fd: int, digest: Digest) -> None:
    """Errors: ContentError `changed`."""
    hasher, at = blake3(), 0
    while piece := os.pread(fd, _READ_BYTES, at):
        hasher.update(piece)
        at += len(piece)
    if hasher.digest() != digest:
        raise ContentError("changed", "the file is not what it was when it was taken in")
