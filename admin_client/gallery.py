"""The pictures below a directory: found by what their first bytes say, named by their digest.

Symbolic links are not followed, other file systems are. A file that calls itself a picture and is none counts as one, so that
it is named as unreadable and not passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from blake3 import blake3

from common import magic, paths
from common.ids import Digest
from common.paths import ROOT, RelPath

SUFFIXES = (
    *(b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".gif", b".bmp", b".dib", b".tif", b".tiff", b".webp"),
    *(b".avif", b".heic", b".heif"),
)
_PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class Gallery:
    """What stands below a directory. Paths are relative to it, in the order of their bytes."""

    n_files: int = 0
    images: list[tuple[RelPath, int]] = field(default_factory=list)
    """Path and size in bytes."""
    unreadable: list[tuple[RelPath, str]] = field(default_factory=list)
    """Files and directories that could not be opened, and why."""


def survey(root_fd: int) -> Gallery:
    """Lists the pictures below an open directory, reading the first bytes of every regular file. Errors: none of one file."""
    found = Gallery()
    for path, entry in _regular_files(root_fd, found):
        found.n_files += 1
        try:
            fd = paths.open_file(root_fd, path)
            try:
                is_picture = magic.is_image(os.pread(fd, magic.HEAD_BYTES, 0)) or path.lower().endswith(SUFFIXES)
            finally:
                os.close(fd)
        except OSError as error:
            found.unreadable.append((path, error.strerror or str(error)))
            continue
        if is_picture:
            found.images.append((path, entry.st_size))
    found.images.sort()
    found.unreadable.sort()
    return found


def digest_file(fd: int) -> Digest:
    """The digest of an open file, read from its start. Errors: OSError."""
    hasher, at = blake3(), 0
    while piece := os.pread(fd, _PIECE_BYTES, at):
        hasher.update(piece)
        at += len(piece)
    return Digest(hasher.digest())


def _regular_files(root_fd: int, found: Gallery) -> Iterator[tuple[RelPath, os.stat_result]]:
    # A stack, not recursion: folders may be nested deeper than Python's frames, and only one is open at a time.
    pending = [ROOT]
    while pending:
        folder = pending.pop()
        try:
            with paths.directory(root_fd, folder) as fd, os.scandir(fd) as entries:
                for entry in entries:
                    path = paths.join(folder, os.fsencode(entry.name))
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(path)
                    elif stat.S_ISREG(status.st_mode):
                        yield path, status
        except OSError as error:
            found.unreadable.append((folder, error.strerror or str(error)))
