"""One tree with everything that a file system can hold: backed up, restored, and equal in bytes and attributes."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_copies import content_bytes
from tests.fakes.compare import differences
from tests.fakes.sites import Sites, sites

MIB = 1 << 20
AS_ROOT = os.geteuid() == 0
BEFORE_1970_NS = -5 * 10**9 - 123_456_789
FAR_FUTURE_NS = 7_258_118_400 * 10**9 + 1
"""The year 2200."""


def posix_acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel keeps it: (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


USER_OBJ, USER, GROUP_OBJ, MASK, OTHER, NO_ID = 0x01, 0x02, 0x04, 0x10, 0x20, 0xFFFFFFFF
ACL = posix_acl((USER_OBJ, 6, NO_ID), (USER, 4, 1234), (GROUP_OBJ, 4, NO_ID), (MASK, 6, NO_ID), (OTHER, 0, NO_ID))


def modes(top: Path) -> None:
    """Permission bits of all kinds, a folder that nobody may write to among them."""
    for mode in (0o000, 0o400, 0o644, 0o777, 0o1644, 0o2755, 0o4755, 0o6711):
        (top / f"mode-{mode:04o}").write_bytes(b"%o" % mode)
        (top / f"mode-{mode:04o}").chmod(mode if AS_ROOT else mode | 0o400)
    for mode in (0o500, 0o1777, 0o2770):
        (top / f"dir-{mode:04o}").mkdir()
        (top / f"dir-{mode:04o}/inside").write_bytes(b"inside")
        (top / f"dir-{mode:04o}").chmod(mode)


def owners(top: Path) -> None:
    """Owners that have a name here and owners that have none."""
    for uid, gid in ((1, 1), (54321, 65432), (0, 7)):
        path = top / f"owned-{uid}-{gid}"
        path.write_bytes(b"whose?")
        if AS_ROOT:
            os.chown(path, uid, gid)
            path.chmod(0o4750)
    (top / "owned link").symlink_to("nowhere")
    if AS_ROOT:
        os.chown(top / "owned link", 54321, 3, follow_symlinks=False)


def times(top: Path) -> None:
    """Nanoseconds, before 1970, and long after all of us."""
    for name, ns in (("past", BEFORE_1970_NS), ("future", FAR_FUTURE_NS), ("nanosecond", 10**18 + 1), ("epoch", 0)):
        (top / name).write_bytes(name.encode())
        os.utime(top / name, ns=(ns, ns))
        (top / f"dir-{name}").mkdir()
        os.utime(top / f"dir-{name}", ns=(ns, ns))
        (top / f"link-{name}").symlink_to(name)
        os.utime(top / f"link-{name}", ns=(ns, ns), follow_symlinks=False)


def attributes(top: Path) -> None:
    """Extended attributes and ACLs, on files and folders."""
    for name in ("file", "folder"):
        path = top / name
        path.mkdir() if name == "folder" else path.write_bytes(b"attributed")
        os.setxattr(path, "user.colour", b"red")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.bytes", bytes(range(256)))
        os.setxattr(path, "user.large", b"x" * 2000)
        os.setxattr(path, "system.posix_acl_access", ACL)
    os.setxattr(top / "folder", "system.posix_acl_default", ACL)
    (top / "folder/heir").write_bytes(b"has the folder's default ACL")
    os.removexattr(top / "folder/heir", "system.posix_acl_access")
    with contextlib.suppress(PermissionError):
        os.setxattr(top / "file", "trusted.note", b"for root alone")


def links(top: Path) -> None:
    """Symbolic links that lead anywhere or nowhere, and files of several names in several folders."""
    (top / "a").mkdir()
    (top / "b/c").mkdir(parents=True)
    for name, target in (("dangling", "no/such/file"), ("absolute", "/etc/passwd"), ("up", "../../.."), ("self", "self")):
        (top / name).symlink_to(target)
    os.symlink(b"not-utf8-\xff", os.fsencode(top) + b"/odd target")
    (top / "long target").symlink_to("x" * 4000)
    (top / "to folder").symlink_to("a")
    (top / "a/one").write_bytes(b"one file")
    os.link(top / "a/one", top / "b/two")
    os.link(top / "a/one", top / "b/c/three")
    os.link(top / "dangling", top / "b/the same link", follow_symlinks=False)
    (top / "a/same bytes").write_bytes(b"one file")


def kinds(top: Path) -> None:
    """Empty things, pipes, and what only sits there."""
    (top / "empty file").touch()
    (top / "empty folder").mkdir()
    os.mkfifo(top / "fifo", 0o640)
    (top / "fifo").chmod(0o622)


def holes(top: Path) -> None:
    """Files that are mostly nothing."""
    with (top / "sparse").open("wb") as file:
        file.truncate(64 * MIB)
        for at in (0, 20 * MIB + 5, 64 * MIB - 100):
            file.seek(at)
            file.write(b"something")
    with (top / "only a hole").open("wb") as file:
        file.truncate(8 * MIB)


def names(top: Path) -> None:
    """Names that programs trip over, and a path that the kernel takes only in pieces."""
    odd = (
        b"-rf",
        b"--",
        b"new\nline",
        b"back\\slash",
        b"not-utf8-\xff\xfe\x80",
        b" ",
        b"~",
        b"$HOME",
        b"*?[x]",
        b"\x01\x7f",
        b"...",
    )
    for name in (*odd, b"n" * 255, "é".encode() * 127, "e\u0301".encode()):
        with open(os.fsencode(top) + b"/" + name, "wb") as file:
            file.write(name)
    fd = os.open(top, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(b"d" * 250, dir_fd=fd)
        below = os.open(b"d" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    file_fd = os.open(b"at the bottom", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd)
    os.write(file_fd, b"five thousand bytes down")
    os.close(file_fd)
    os.close(fd)


ASPECTS: tuple[Callable[[Path], None], ...] = (modes, owners, times, attributes, links, kinds, holes, names)


def write_everything(top: Path) -> None:
    """Each aspect in a folder of its own."""
    for aspect in ASPECTS:
        folder = top / aspect.__name__
        folder.mkdir()
        aspect(folder)


def sent_nothing(at: Sites) -> bool:
    """Whether another run has nothing to deliver."""
    return bool(at.once()["versions"] == 0)


@pytest.mark.slow
def test_everything_that_a_file_system_holds_comes_back_as_it_was() -> None:
    """Every byte and attribute; what is neither file nor folder nor link nor pipe is named and skipped."""
    with sites() as at:
        write_everything(at.library)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(at.library / "kinds/socket"))
            at.dest()
            once = at.once()
        assert once["unreadable"] == []
        assert once["refused"] == []
        assert [skipped for skipped in once["skipped"] if skipped["kind"] == "socket"] == [
            {"path": "kinds/socket", "kind": "socket"}
        ]
        assert content_bytes(once) < MIB, "holes are sent as bytes"
        restored = at.restore()
        assert differences(at.library, restored) == []
        for name in ("sparse", "only a hole"):
            st = (restored / "holes" / name).stat()
            assert st.st_blocks * 512 <= MIB, f"{name}: {st.st_blocks * 512} bytes on disk"
        assert stat.S_ISFIFO((restored / "kinds/fifo").lstat().st_mode)
        assert at.verify()["problems"] == []
        assert sent_nothing(at) or sent_nothing(at)


def test_a_restore_over_a_restore_changes_nothing_and_overwrites_nothing() -> None:
    """What is there already stays; what stands in the way is refused by name, unless told."""
    with sites() as at:
        for name in ("one", "two", "three"):
            (at.library / name).write_text(name)
        at.dest()
        at.once()
        to = at.restore()
        at.restore(to=to)
        assert differences(at.library, to) == []
        (to / "two").write_text("mine")
        at.restore(to=to, code=3)
        assert (to / "two").read_text() == "mine"
        at.restore("--overwrite", to=to)
        assert differences(at.library, to) == []
