"""Giving a restored path its attributes, in the one order in which none undoes another.

Owner first, since a change of owner clears set-id bits and capabilities; then mode; then extended attributes, ACLs
among them; times last. What this user may not set (an owner, a `security.*` attribute) or this file system cannot hold
is noted and counted, not an error: the bytes are what a restore is for.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from functools import lru_cache

from common.model import Attributes

OWNER_NOT_SET = "owner_not_set"
SET_ID_DROPPED = "set_id_dropped"
XATTR_NOT_SET = "xattr_not_set"

_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")
_SET_ID = ((stat.S_ISUID, 0), (stat.S_ISGID, 1))


class Owners:
    """Turns the names and numbers of owner and group into this machine's numbers."""

    def __init__(self, *, numeric_ids: bool = False) -> None:
        """With `numeric_ids` the names are not looked at, as a restore into the image of another machine wants it."""
        self._numeric_ids = numeric_ids

    def ids(self, attributes: Attributes) -> tuple[int, int]:
        """User and group number: by name where this machine knows the name, else the number as it was."""
        if self._numeric_ids:
            return attributes.uid, attributes.gid
        return _uid(attributes.user, attributes.uid), _gid(attributes.group, attributes.gid)


def apply_attributes(target: int | bytes, attributes: Attributes, *, owners: Owners) -> list[str]:
    """Sets owner, mode, extended attributes and mtime of an open file or directory; gives the notes on what was not set.

    `target` is a descriptor, or `descriptor_path` of one opened with O_PATH for what cannot be opened otherwise.
    Errors: OSError where even mode or times cannot be set.
    """
    st = os.stat(target)
    wanted = owners.ids(attributes)
    owned = _chown(target, st, wanted=wanted)
    notes = [] if all(owned) else [OWNER_NOT_SET]
    if not stat.S_ISLNK(st.st_mode):
        mode = attributes.mode
        for bit, which in _SET_ID:
            # A set-id file in other hands than it was meant for would lend those hands to everyone.
            if mode & bit and not owned[which] and not stat.S_ISDIR(st.st_mode):
                mode &= ~bit
                notes.append(SET_ID_DROPPED)
        os.chmod(target, mode)
    if not _set_xattrs(target, attributes.xattrs):
        notes.append(XATTR_NOT_SET)
    os.utime(target, ns=(st.st_atime_ns, attributes.mtime_ns))
    return notes


def descriptor_path(fd: int) -> bytes:
    """A path that means exactly the file behind a descriptor, symbolic links themselves among them; never followed on."""
    return b"/proc/self/fd/%d" % fd


def _chown(target: int | bytes, st: os.stat_result, *, wanted: tuple[int, int]) -> tuple[bool, bool]:
    """Whether user and group are as wanted now. One is tried without the other, as a member may give to its groups."""
    if (st.st_uid, st.st_gid) == wanted:
        return True, True
    try:
        os.chown(target, *wanted)
    except OSError:
        done = [st.st_uid == wanted[0], st.st_gid == wanted[1]]
        if not done[1]:
            try:
                os.chown(target, -1, wanted[1])
                done[1] = True
            except OSError:
                pass
        return done[0], done[1]
    return True, True


def _set_xattrs(target: int | bytes, wanted: tuple[tuple[bytes, bytes], ...]) -> bool:
    """Whether every attribute was set. ACLs that the directory passed on by its default ACL are taken away again."""
    complete = True
    names = {name for name, _ in wanted}
    try:
        inherited = [name for name in map(os.fsencode, os.listxattr(target)) if name in _ACLS and name not in names]
        for name in inherited:
            os.removexattr(target, name)
    except OSError:
        complete = not wanted
    for name, value in wanted:
        try:
            os.setxattr(target, name, value)
        except OSError:
            complete = False
    return complete


def _number(lookup: Callable[[str], int], name: str, number: int) -> int:
    if not name:
        return number
    try:
        return lookup(name)
    except (KeyError, ValueError):
        return number


@lru_cache(maxsize=1024)
def _uid(name: str, number: int) -> int:
    return _number(lambda n: pwd.getpwnam(n).pw_uid, name, number)


@lru_cache(maxsize=1024)
def _gid(name: str, number: int) -> int:
    return _number(lambda n: grp.getgrnam(n).gr_gid, name, number)
