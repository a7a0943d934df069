"""Whether two trees are the same: every path, every byte, and every attribute that a restore promises.

Sockets and devices are left out on both sides, as a backup leaves them out. Owners count where this user may set them.
Directories are entered through descriptors, so that a path may be longer than PATH_MAX.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from common.paths import ROOT, directory, join, open_root, show

_SKIPPED = {stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK}
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is compared of one path; fields that a kind does not have are empty."""

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    target: bytes
    xattrs: tuple[tuple[str, bytes], ...]
    digest: bytes


def differences(left: Path, right: Path) -> list[str]:
    """One line for each path that differs, with what differs; empty where the trees are the same. Errors: OSError."""
    seen_left, names_left = _tree(left)
    seen_right, names_right = _tree(right)
    found = [f"{show(path)}: only in {left}" for path in seen_left.keys() - seen_right.keys()]
    found += [f"{show(path)}: only in {right}" for path in seen_right.keys() - seen_left.keys()]
    for path in seen_left.keys() & seen_right.keys():
        one, other = seen_left[path], seen_right[path]
        differing = [field for field in _Seen.__slots__ if getattr(one, field) != getattr(other, field)]
        if names_left.get(path) != names_right.get(path):
            differing.append("hard links")
        if differing:
            found.append(f"{show(path)}: {', '.join(differing)}")
    return sorted(found)


def _tree(top: Path) -> tuple[dict[bytes, _Seen], dict[bytes, frozenset[bytes]]]:
    """Every path of a tree, and for each file of several names all of them."""
    seen: dict[bytes, _Seen] = {}
    by_inode: dict[tuple[int, int], set[bytes]] = {}
    for path, st, one in _walk(top):
        seen[path] = one
        if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
            by_inode.setdefault((st.st_dev, st.st_ino), set()).add(path)
    return seen, {path: frozenset(names) for names in by_inode.values() for path in names if len(names) > 1}


def _walk(top: Path) -> Iterator[tuple[bytes, os.stat_result, _Seen]]:
    """Every path with its stat result, the top itself as the empty path."""
    top_fd = open_root(top)
    pending = [ROOT]
    try:
        while pending:
            path = pending.pop()
            with directory(top_fd, path) as fd:
                st = os.fstat(fd)
                yield path, st, _look(fd, b".", st)
                for name in map(os.fsencode, os.listdir(fd)):
                    st = os.lstat(name, dir_fd=fd)
                    if stat.S_ISDIR(st.st_mode):
                        pending.append(join(path, name))
                    elif stat.S_IFMT(st.st_mode) not in _SKIPPED:
                        yield join(path, name), st, _look(fd, name, st)
    finally:
        os.close(top_fd)


def _look(fd: int, name: bytes, st: os.stat_result) -> _Seen:
    at = b"/proc/self/fd/%d/%s" % (fd, name)
    is_file = stat.S_ISREG(st.st_mode)
    is_link = stat.S_ISLNK(st.st_mode)
    is_ours = os.geteuid() in {0, st.st_uid}
    return _Seen(
        kind=stat.S_IFMT(st.st_mode),
        mode=0 if is_link else stat.S_IMODE(st.st_mode),
        owner=(st.st_uid, st.st_gid) if is_ours else (os.geteuid(), os.getegid()),
        mtime_ns=st.st_mtime_ns,
        size=st.st_size if is_file else 0,
        target=os.readlink(name, dir_fd=fd) if is_link else b"",
        xattrs=_xattrs(at),
        digest=_digest(fd, name) if is_file else b"",
    )


def _xattrs(at: bytes) -> tuple[tuple[str, bytes], ...]:
    """Attributes of users and ACLs; what a security module adds by itself is not the user's."""
    try:
        names = os.listxattr(at, follow_symlinks=False)
    except OSError:
        return ()
    kept = sorted(name for name in names if name.startswith(("user.", "system.posix_acl")))
    return tuple((name, os.getxattr(at, name, follow_symlinks=False)) for name in kept)


def _digest(fd: int, name: bytes) -> bytes:
    hashed = blake3()
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        while piece := os.read(file, _PIECE_BYTES):
            hashed.update(piece)
    finally:
        os.close(file)
    return hashed.digest()
