"""Reading what stands at a path besides its content: attributes for the version, and the signature a rescan compares.

Everything is read through a directory descriptor, so that neither a very long path nor a link swapped in matters.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
from functools import lru_cache

from blake3 import blake3

from common.model import Attributes, Kind
from common.wire.versions import MAX_OWNER_CHARS, MAX_XATTR_VALUE_BYTES, MAX_XATTRS, MAX_XATTRS_BYTES

KIND_BY_TYPE = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK, stat.S_IFIFO: Kind.FIFO}
SKIPPED_TYPES = {stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}

RACY_NS = 50_000_000
"""A file touched this shortly before it was read may be touched again in the same clock tick, unseen by its times."""

_SIGNATURE = struct.Struct("<HQQQQIIQ")
_BITS_64 = (1 << 64) - 1
_MOST_NS = (1 << 63) - 1


def signature(st: os.stat_result) -> bytes:
    """What of a stat result changes whenever the path's content or attributes do. Bytes, compared for equality only.

    The device counts only for hard links, whose group it names: it may change with every mount.
    """
    device = st.st_dev if _has_names(st) else 0
    # A file system's times may lie beyond the year 2262, which 64 bits of nanoseconds do not reach: their low bits are kept.
    mtime, ctime = st.st_mtime_ns & _BITS_64, st.st_ctime_ns & _BITS_64
    fields = (stat.S_IFMT(st.st_mode) >> 12, st.st_size, mtime, ctime, st.st_ino, st.st_uid, st.st_gid, device)
    return _SIGNATURE.pack(*fields) + struct.pack("<H", stat.S_IMODE(st.st_mode))


def lasting_signature(st: os.stat_result, *, now_ns: int) -> bytes:
    """The signature, or nothing where the file is so fresh that a later change might not show: it is read again then."""
    return b"" if -RACY_NS < now_ns - st.st_ctime_ns < RACY_NS else signature(st)


def attributes(st: os.stat_result, *, xattrs: tuple[tuple[bytes, bytes], ...] = (), target: bytes = b"") -> Attributes:
    """The attributes of a path from its stat result. An mtime outside the years 1677 to 2262 becomes the nearest inside."""
    named = _has_names(st)
    return Attributes(
        mode=stat.S_IMODE(st.st_mode),
        uid=st.st_uid,
        gid=st.st_gid,
        user=_user(st.st_uid),
        group=_group(st.st_gid),
        mtime_ns=min(max(st.st_mtime_ns, -_MOST_NS), _MOST_NS),
        xattrs=xattrs,
        target=target,
        hardlink=_inode_key(st.st_dev, st.st_ino) if named else 0,
        sparse=stat.S_ISREG(st.st_mode) and st.st_blocks * 512 < st.st_size,
    )


def xattrs_of(target: int | bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes of an open file, or of the path itself without following a link; ACLs are among them.

    An attribute that vanishes or may not be read is left out; a file system without any gives none.
    Errors: OSError for everything else; ValueError where there are more, or larger ones, than the protocol carries.
    """
    follow = isinstance(target, int)
    try:
        names = os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EPERM}:
            return ()
        raise
    found = []
    for name in sorted(map(os.fsencode, names)):
        try:
            value = os.getxattr(target, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno in {errno.ENODATA, errno.EPERM, errno.EACCES}:
                continue
            raise
        if len(value) > MAX_XATTR_VALUE_BYTES:
            raise ValueError(f"extended attribute {os.fsdecode(name)} has {len(value)} bytes")
        found.append((name, value))
    total = sum(len(name) + len(value) for name, value in found)
    if len(found) > MAX_XATTRS or total > MAX_XATTRS_BYTES:
        raise ValueError(f"{len(found)} extended attributes of {total} bytes")
    return tuple(found)


def _has_names(st: os.stat_result) -> bool:
    return st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode)


def _inode_key(device: int, inode: int) -> int:
    key = int.from_bytes(blake3(struct.pack("<QQ", device, inode)).digest(8), "little")
    return key or 1


@lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    try:
        return _sendable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return ""


@lru_cache(maxsize=1024)
def _group(gid: int) -> str:
    try:
        return _sendable(grp.getgrgid(gid).gr_name)
    except KeyError:
        return ""


def _sendable(name: str) -> str:
    """A name as it is, or nothing where no message can carry it: the number then stands alone."""
    return name if len(name) <= MAX_OWNER_CHARS and name.isprintable() else ""
