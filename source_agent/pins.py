"""Private copies of contents that wait for delivery, so that what happens to the file meanwhile does not matter.

A pin is a reflink where the file system can (free, and the default), or a copy where the policy asks for one; never a
hard link, which would change with the file. Pins are named by digest: one serves every version of a content.

A crash before the journal knows of a pin (S2) leaves a file that `sweep` removes at the next start.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from common.durable import crash_point, make_directory, publish, remove, sync_file
from common.ids import Digest

_FICLONE = 0x40049409
_COPY_BYTES = 1 << 30


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
        # A name of its own for each thread: two paths with one content may be pinned at the same moment.
        temporary = self._directory / f"{digest.hex()}.{threading.get_ident()}.tmp"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if not _clone(source_fd, fd):
                self._no_reflink.add(device)
                if mode is PinMode.REFLINK:
                    remove(temporary)
                    return False
                _copy(source_fd, fd)
            sync_file(fd)
            publish(temporary, self.path(digest))
        except OSError:
            remove(temporary)
            raise
        finally:
            os.close(fd)
        crash_point("S2")
        return True

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
