"""Two directory trees compared path by path, by code of the tests' own: it must not share a blind spot with the program.

Compared are kind, bytes, permission bits, owner, mtime in nanoseconds, extended attributes (ACLs among them), the target of
a symbolic link, and which names are one file. Directories are entered through descriptors, for a path may be longer than
the kernel takes at once. Sockets and devices are left out, as a backup leaves them out.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

Tree = dict[bytes, "Look"]

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo"}
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What stands at one path. Fields that a kind does not have are empty."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    sha256: str
    target: bytes
    xattrs: tuple[tuple[str, bytes], ...]
    names: frozenset[bytes] = frozenset()
    """Every path of this inode inside the tree, where there are several."""


def differences(left: Path, right: Path) -> list[str]:
    """One line for each path that differs, naming what differs and both values; empty where the trees are the same."""
    one, other = look_at(left), look_at(right)
    found = [f"{os.fsdecode(path)!r}: only in {left}" for path in one.keys() - other.keys()]
    found += [f"{os.fsdecode(path)!r}: only in {right}" for path in other.keys() - one.keys()]
    for path in one.keys() & other.keys():
        a, b = one[path], other[path]
        for name in (field.name for field in fields(Look)):
            if getattr(a, name) != getattr(b, name):
                found.append(f"{os.fsdecode(path)!r}: {name} {getattr(a, name)!r} became {getattr(b, name)!r}")
    return sorted(found)


def look_at(top: Path) -> Tree:
    """Every path below a directory, itself as `b""`, with what stands there."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        seen = {path: (look, inode) for path, look, inode in _below(fd, b"")}
    finally:
        os.close(fd)
    paths_by_inode: dict[tuple[int, int], set[bytes]] = {}
    for path, (look, inode) in seen.items():
        if look.kind != "directory":
            paths_by_inode.setdefault(inode, set()).add(path)
    shared = {inode: frozenset(paths) for inode, paths in paths_by_inode.items() if len(paths) > 1}
    return {path: replace(look, names=shared.get(inode, frozenset())) for path, (look, inode) in seen.items()}


def _below(fd: int, path: bytes) -> Iterator[tuple[bytes, Look, tuple[int, int]]]:
    st = os.fstat(fd)
    yield path, _look(fd, b".", st), (st.st_dev, st.st_ino)
    for name in map(os.fsencode, sorted(os.listdir(fd))):
        st = os.lstat(name, dir_fd=fd)
        at = path + b"/" + name if path else name
        if stat.S_ISDIR(st.st_mode):
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                yield from _below(below, at)
            finally:
                os.close(below)
        elif stat.S_IFMT(st.st_mode) in KINDS:
            yield at, _look(fd, name, st), (st.st_dev, st.st_ino)


def _look(fd: int, name: bytes, st: os.stat_result) -> Look:
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    return Look(
        kind=kind,
        mode=0 if kind == "symlink" else stat.S_IMODE(st.st_mode),
        owner=(st.st_uid, st.st_gid),
        mtime_ns=st.st_mtime_ns,
        size=st.st_size if kind == "file" else 0,
        sha256=_sha256(fd, name) if kind == "file" else "",
        target=os.readlink(name, dir_fd=fd) if kind == "symlink" else b"",
        xattrs=_xattrs(b"/proc/self/fd/%d/%s" % (fd, name)),
    )


def _sha256(fd: int, name: bytes) -> str:
    hashed = hashlib.sha256()
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        while piece := os.read(file, _PIECE_BYTES):
            hashed.update(piece)
    finally:
        os.close(file)
    return hashed.hexdigest()


def _xattrs(at: bytes) -> tuple[tuple[str, bytes], ...]:
    """All attributes but the label that a security module gives every file by itself."""
    names = sorted(name for name in os.listxattr(at, follow_symlinks=False) if name != "security.selinux")
    return tuple((name, os.getxattr(at, name, follow_symlinks=False)) for name in names)
