"""Paths inside a root, as bytes, and opening them without being led outside.

A path below a root is `RelPath`: POSIX bytes, no leading slash, no empty, `.` or `..` part. The root itself is `b""`.
Names need not be UTF-8 and a path may be longer than PATH_MAX, so files are opened part by part from a directory
descriptor, never following a symbolic link on the way: a link swapped in behind our back leads nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NewType

RelPath = NewType("RelPath", bytes)

ROOT = RelPath(b"")
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 32 * 1024
MAX_DEPTH = 512

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def relpath(raw: bytes) -> RelPath:
    """Admits bytes as a path below a root.

    Errors: ValueError naming the rule that is broken; what a peer sends passes through here before anything else sees it.
    """
    if not raw:
        return ROOT
    if len(raw) > MAX_PATH_BYTES:
        raise ValueError(f"path of {len(raw)} bytes: at most {MAX_PATH_BYTES} are taken")
    parts = raw.split(b"/")
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"path of {len(parts)} parts: at most {MAX_DEPTH} are taken")
    for part in parts:
        if part in {b"", b".", b".."}:
            raise ValueError(f"path {show(raw)!r} has the part {show(part)!r}")
        if b"\0" in part or len(part) > MAX_NAME_BYTES:
            raise ValueError(f"path {show(raw[:80])!r}... has a part with a NUL or of more than {MAX_NAME_BYTES} bytes")
    return RelPath(raw)


def join(parent: RelPath, name: bytes) -> RelPath:
    """The path of an entry in a directory below the same root."""
    return RelPath(parent + b"/" + name if parent else name)


def parent(path: RelPath) -> RelPath:
    """The directory that holds a path; the root's is the root."""
    return RelPath(path.rpartition(b"/")[0])


def name(path: RelPath) -> bytes:
    """The last part of a path; empty for the root."""
    return path.rpartition(b"/")[2]


def show(path: bytes) -> str:
    """A path for people and JSON: UTF-8 where it is, backslash escapes where it is not. Not reversible, never parsed."""
    return path.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Text for a terminal, with escapes for what would move the cursor, break the line or turn it: names and peers' words."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def directory(root_fd: int, path: RelPath) -> Iterator[int]:
    """A descriptor of the directory `path` below `root_fd`, closed at the end of the block.

    Errors: OSError (ELOOP or ENOTDIR where a part is a symbolic link).
    """
    fd = os.dup(root_fd)
    try:
        for part in path.split(b"/") if path else ():
            below = os.open(part, _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def open_root(root: str | os.PathLike[str]) -> int:
    """A descriptor of the root directory itself; here, and only here, a symbolic link is followed."""
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_file(root_fd: int, path: RelPath) -> int:
    """Opens a regular file below a root for reading. Never blocks on a FIFO, never follows a link. Errors: OSError."""
    with directory(root_fd, parent(path)) as at:
        return os.open(name(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
