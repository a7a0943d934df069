"""The only module that makes bytes durable: temp, fsync, rename, fsync of the directory; and the named crash points.

After `replace` or `publish` returns, the bytes survive a power cut under their final name; before, nothing is under that name.

A crash point is a name at a boundary where a power cut leaves a state of its own. It does nothing, except in the kill
tests, which set `crash_hook` before they start an agent and kill the process there.

    source  S1 dirty paths marked      S2 bytes pinned        S3 version and delivery journalled
            S4 receipt journalled      S5 bytes unpinned       G1 group and role journalled
            E1 delta durable           E2 delta journalled
    dest    D1 staged bytes durable    D2 object published    D3 catalogue committed
            D4 receipt sent            D5 staging cleared
    restore R1 file complete under its temporary name, not yet under its own
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

CRASH_POINTS = ("S1", "S2", "S3", "G1", "E1", "E2", "S4", "S5", "D1", "D2", "D3", "D4", "D5", "R1")

crash_hook: Callable[[str], None] | None = None


def crash_point(point: str) -> None:
    """Names a boundary; does nothing unless a kill test listens."""
    if crash_hook is not None:
        crash_hook(point)


def sync_file(fd: int) -> None:
    """Makes the bytes and size of an open file durable."""
    os.fsync(fd)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Makes the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Makes a directory, its parents too, and makes their names durable; an existing one is left as it is."""
    if path.is_dir():
        return
    make_directory(path.parent, mode=mode)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    sync_directory(path.parent)


def publish(temporary: Path, final: Path) -> None:
    """Moves a file whose bytes are synced to its final name and makes the name durable. Replaces what is there."""
    os.replace(temporary, final)
    sync_directory(final.parent)


def publish_at(temporary: bytes, final: bytes, *, dir_fd: int) -> None:
    """`publish` within one open directory."""
    os.replace(temporary, final, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    os.fsync(dir_fd)


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Writes a small file so that after a crash the old bytes or the new are there, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(content)
        sync_file(fd)
    finally:
        os.close(fd)
    publish(temporary, path)


def remove(path: Path) -> None:
    """Removes a file if it is there; not made durable, since a file that comes back after a crash is only in the way."""
    path.unlink(missing_ok=True)
