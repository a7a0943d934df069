"""One content on its way into a restored file: temporary name, proof, attributes, fsync, and only then its own name.

Steps, and what a crash leaves:
1. bytes are written under `.smarter-<random>.part` in the same directory   a part file, swept by the next restore there
2. the digest is compared, attributes are set, the file is synced (R1)      the same
3. the name is given: linked where nothing may be overwritten, else renamed  the complete file; perhaps its part name too
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from contextlib import suppress

from blake3 import blake3

from admin_client.fidelity import Owners, apply_attributes
from common import durable
from common.errors import IntegrityError
from common.model import Version
from common.paths import name, show

PART_NAME = re.compile(rb"\.smarter-[0-9a-f]{16}\.part")
_BLOCK_BYTES = 4096
_ZEROS = bytes(_BLOCK_BYTES)
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def part_name() -> bytes:
    """A temporary name that nothing else has and that `PART_NAME` knows again."""
    return f".smarter-{secrets.token_hex(8)}.part".encode()


def give_name(part: bytes, final: bytes, *, dir_fd: int, overwrite: bool) -> None:
    """Moves a complete part to its name within a directory.

    Without `overwrite` the name must be free, and stays so until this very step: a file that appears meanwhile is kept.
    The name is durable once the directory is synced, which whoever places many files does once at the end.
    Errors: FileExistsError; OSError.
    """
    if overwrite:
        durable.publish_at(part, final, dir_fd=dir_fd)
        return
    try:
        os.link(part, final, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or exists(final, dir_fd=dir_fd):
            raise
        durable.publish_at(part, final, dir_fd=dir_fd)
    else:
        os.unlink(part, dir_fd=dir_fd)


def exists(entry: bytes, *, dir_fd: int) -> bool:
    """Whether anything, a dangling symbolic link too, has this name in a directory."""
    try:
        os.lstat(entry, dir_fd=dir_fd)
    except FileNotFoundError:
        return False
    return True


class Incoming:
    """A file being received. Written by one thread, finished by another; `finish` or `discard` ends it."""

    def __init__(self, version: Version, *, dir_fd: int) -> None:
        """Makes the part file in the directory, whose descriptor is duplicated. Errors: OSError."""
        self._version = version
        self._part = part_name()
        self._hash = blake3()
        self._n_bytes = 0
        self._dir_fd = os.dup(dir_fd)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._part, flags, 0o600, dir_fd=self._dir_fd)
        except BaseException:
            os.close(self._dir_fd)
            raise

    def write(self, piece: bytes) -> None:
        """Takes the next bytes. Errors: OSError; IntegrityError where there are more than the version has."""
        start = self._n_bytes
        self._n_bytes += len(piece)
        if self._n_bytes > self._version.size:
            raise IntegrityError(f"{show(self._version.path)}: more than its {self._version.size} bytes arrived")
        self._hash.update(piece)
        if not self._version.attributes.sparse:
            self._write_at(start, piece)
        elif piece.count(0) != len(piece):
            for offset, run in _runs(start, piece):
                self._write_at(offset, run)

    def finish(self, *, overwrite: bool, owners: Owners) -> list[str]:
        """Proves, dresses, syncs and names the file; gives the notes of `apply_attributes`.

        Errors: IntegrityError where the digest differs, FileExistsError, OSError; no file is left then.
        """
        try:
            self.prove()
            if self._version.attributes.sparse:
                os.ftruncate(self._fd, self._n_bytes)
            notes = apply_attributes(self._fd, self._version.attributes, owners=owners)
            durable.sync_file(self._fd)
            durable.crash_point("R1")
            give_name(self._part, name(self._version.path), dir_fd=self._dir_fd, overwrite=overwrite)
        except BaseException:
            self.discard()
            raise
        self._close()
        return notes

    def discard(self) -> None:
        """Takes the part file away."""
        with suppress(FileNotFoundError):
            os.unlink(self._part, dir_fd=self._dir_fd)
        self._close()

    def prove(self) -> None:
        """Errors: IntegrityError where what was written is not the version's content."""
        if self._n_bytes != self._version.size or self._hash.digest() != self._version.digest:
            raise IntegrityError(f"{show(self._version.path)}: the restored bytes do not have the digest that names them")

    def _write_at(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view = view[written:]
            offset += written

    def _close(self) -> None:
        os.close(self._fd)
        os.close(self._dir_fd)


def _runs(start: int, piece: bytes) -> list[tuple[int, bytes]]:
    """The parts of a piece that are not whole zero blocks, as (offset in the file, bytes), neighbours joined."""
    runs: list[tuple[int, bytes]] = []
    begin = at = 0
    while at < len(piece):
        end = min(len(piece), at + _BLOCK_BYTES - (start + at) % _BLOCK_BYTES)
        if piece[at:end] == _ZEROS[: end - at]:
            if begin < at:
                runs.append((start + begin, piece[begin:at]))
            begin = end
        at = end
    if begin < at:
        runs.append((start + begin, piece[begin:at]))
    return runs
