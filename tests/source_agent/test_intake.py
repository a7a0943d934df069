"""Intake: what is recorded of a path that stands still."""

from __future__ import annotations

import contextlib
import os
import random
import struct
from pathlib import Path

import pytest

from common.errors import ContentError
from common.ids import digest_of
from common.model import Kind, Role
from common.paths import RelPath
from common.wire.versions import MAX_XATTRS
from source_agent.capture import RACY_NS, lasting_signature, signature
from source_agent.intake import Restless
from source_agent.pins import PinMode
from source_agent.rules import Rules
from tests.fakes import pictures
from tests.fakes.watched import watched, with_settings

MTIME_NS = 1_234_567_890_123_456_789
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, who)
    for tag, perm, who in ((1, 6, 2**32 - 1), (2, 4, 1234), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)
"""user::rw- user:1234:r-- group::r-- mask::r-- other::---"""


def test_a_file_is_its_digest_size_and_attributes(tmp_path: Path) -> None:
    """Larger than one reading, every nanosecond of its mtime, its mode and owner by number and name."""
    content = random.Random(1).randbytes(3_000_001)
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(content)
        (tree.folder / "f").chmod(0o4751)
        os.utime(tree.folder / "f", ns=(0, MTIME_NS))
        seen = tree.look(b"f")
        st = os.stat(tree.folder / "f")
        assert (seen.kind, seen.digest, seen.size) == (Kind.FILE, digest_of(content), len(content))
        assert (seen.attributes.mode, seen.attributes.mtime_ns) == (0o4751, MTIME_NS)
        assert (seen.attributes.uid, seen.attributes.gid) == (st.st_uid, st.st_gid)
        assert seen.attributes.user == (tree.folder / "f").owner()
        assert (seen.attributes.hardlink, seen.attributes.sparse, seen.role) == (0, False, Role.NONE)
        assert seen.signature == signature(st)


def test_pictures_are_representatives_of_themselves(tmp_path: Path) -> None:
    """By their bytes, not by their name."""
    with watched(tmp_path) as tree:
        (tree.folder / "picture.txt").write_bytes(pictures.jpeg(1, (32, 32)))
        (tree.folder / "text.jpg").write_bytes(b"no picture")
        assert tree.look(b"picture.txt").role is Role.REPRESENTATIVE
        assert tree.look(b"text.jpg").role is Role.NONE


def test_an_empty_file_has_the_digest_of_nothing(tmp_path: Path) -> None:
    """It is a content like any other."""
    with watched(tmp_path) as tree:
        (tree.folder / "empty").touch()
        assert (tree.look(b"empty").digest, tree.look(b"empty").size) == (digest_of(b""), 0)


def test_links_pipes_and_directories_have_no_content(tmp_path: Path) -> None:
    """A link keeps its words, whether they lead anywhere or not; a pipe does not block."""
    with watched(tmp_path) as tree:
        os.symlink(b"/no\xffwhere", os.fsencode(tree.folder) + b"/link")
        os.mkfifo(tree.folder / "fifo", 0o640)
        (tree.folder / "d").mkdir(0o711)
        link, fifo, directory, root = (tree.look(name) for name in (b"link", b"fifo", b"d", b""))
        assert (link.kind, link.attributes.target, link.digest, link.size) == (Kind.SYMLINK, b"/no\xffwhere", None, 0)
        assert (fifo.kind, fifo.attributes.mode & 0o700) == (Kind.FIFO, 0o600)
        assert (directory.kind, directory.attributes.mode) == (Kind.DIRECTORY, 0o711)
        assert (root.kind, root.path) == (Kind.DIRECTORY, b"")


def test_names_of_one_inode_share_a_key_and_others_do_not(tmp_path: Path) -> None:
    """Files, links and pipes; a file with one name has none."""
    with watched(tmp_path) as tree:
        for name in ("a", "x"):
            (tree.folder / name).write_bytes(b"same")
        os.symlink("a", tree.folder / "s")
        os.link(tree.folder / "a", tree.folder / "b")
        os.link(tree.folder / "s", tree.folder / "t", follow_symlinks=False)
        key = {name: tree.look(name).attributes.hardlink for name in (b"a", b"b", b"x", b"s", b"t")}
        assert key[b"a"] == key[b"b"] != 0
        assert key[b"s"] == key[b"t"] != 0
        assert key[b"s"] != key[b"a"]
        assert key[b"x"] == 0


def test_a_file_with_holes_is_sparse(tmp_path: Path) -> None:
    """And is restored with holes."""
    with watched(tmp_path) as tree:
        (tree.folder / "sparse").touch()
        os.truncate(tree.folder / "sparse", 10_000_000)
        seen = tree.look(b"sparse")
        assert seen.attributes.sparse
        assert seen.digest == digest_of(bytes(10_000_000))


def test_extended_attributes_and_acls_are_kept_sorted(tmp_path: Path) -> None:
    """Of files and directories, empty values and odd bytes too."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        (tree.folder / "d").mkdir()
        for name in ("f", "d"):
            os.setxattr(tree.folder / name, "user.z", b"\0\xff")
            os.setxattr(tree.folder / name, "user.a", b"")
            os.setxattr(tree.folder / name, "system.posix_acl_access", ACL)
            kept = tree.look(name.encode()).attributes.xattrs
            assert kept == ((b"system.posix_acl_access", ACL), (b"user.a", b""), (b"user.z", b"\0\xff"))


def test_attributes_of_a_link_are_its_own(tmp_path: Path) -> None:
    """Not those of the file it leads to. Only trusted attributes can stand on a link, and only root sets them."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        os.setxattr(tree.folder / "f", "user.a", b"of the file")
        os.symlink("f", tree.folder / "link")
        expected: tuple[tuple[bytes, bytes], ...] = ()
        with contextlib.suppress(PermissionError):  # without the right, the link has none, which is the other half of the test
            os.setxattr(tree.folder / "link", "trusted.a", b"of the link", follow_symlinks=False)
            expected = ((b"trusted.a", b"of the link"),)
        assert tree.look(b"link").attributes.xattrs == expected


def test_more_attributes_than_the_protocol_carries_are_a_named_problem(tmp_path: Path) -> None:
    """Never a part of them."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        try:
            for n in range(MAX_XATTRS + 1):
                os.setxattr(tree.folder / "f", f"user.{n}", b"")
        except OSError:  # ext4 has room for a few dozen only; then the limit cannot be reached, which is as good
            assert len(tree.look(b"f").attributes.xattrs) < MAX_XATTRS
            return
        with pytest.raises(ContentError, match="extended attributes"):
            tree.look(b"f")


def test_a_name_of_255_bytes_below_a_path_beyond_path_max_is_read(tmp_path: Path) -> None:
    """Directory by directory."""
    name = b"n" * 255
    with watched(tmp_path) as tree:
        at = os.open(tree.folder, os.O_RDONLY)
        for _ in range(20):
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=at)
        os.write(fd, b"deep")
        os.close(fd)
        os.symlink("x", b"link", dir_fd=at)
        os.close(at)
        path = b"/".join([name] * 21)
        assert tree.look(path).digest == digest_of(b"deep")
        assert tree.look(path.rpartition(b"/")[0] + b"/link").kind is Kind.SYMLINK


def test_what_is_gone_or_excluded_or_a_socket_is_absent(tmp_path: Path) -> None:
    """So is what stands below a link or a file."""
    with watched(tmp_path, rules=Rules(exclude=["*.tmp", "/cache/"])) as tree:
        (tree.folder / "cache").mkdir()
        for name in ("a.tmp", "cache/x", "file"):
            (tree.folder / name).write_bytes(b"x")
        os.symlink("/etc", tree.folder / "link")
        for path in (b"gone", b"a.tmp", b"cache", b"cache/x", b"link/passwd", b"file/x", b"gone/x"):
            assert tree.look(path).kind is Kind.ABSENT, path


@pytest.mark.parametrize("path", [b"../x", b"/etc/passwd", b"a//b", b"a/./b", b"n" * 256])
def test_a_path_that_is_none_is_refused(tmp_path: Path, path: bytes) -> None:
    """Nothing outside the root is looked at, whoever marked it dirty."""
    with watched(tmp_path) as tree, pytest.raises(ContentError):
        tree.look(path)


def test_a_file_larger_than_the_policy_takes_is_named(tmp_path: Path) -> None:
    """Refused, not dropped."""
    with watched(tmp_path, change=with_settings(max_file_bytes=10)) as tree:
        (tree.folder / "large").write_bytes(bytes(11))
        (tree.folder / "fits").write_bytes(bytes(10))
        taken = tree.take(b"large", b"fits")
        assert [d.version.path for d in taken.deliveries] == [b"fits"]
        assert [(path, reason) for _, path, reason in tree.journal.unreadable()] == [
            (RelPath(b"large"), "11 bytes: the policy takes at most 10")
        ]


def test_a_daemon_waits_until_a_file_rests_and_a_single_run_does_not(tmp_path: Path) -> None:
    """Half a second by default; directories and links are never restless."""
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        (tree.folder / "d").mkdir()
        os.utime(tree.folder / "f", ns=(0, tree.clock.now_ns()))
        taken = tree.take(b"f", b"d", at_rest_only=True)
        assert (taken.restless, [d.version.path for d in taken.deliveries]) == ([(tree.root.id, b"f")], [b"d"])
        tree.clock.advance(0.6)
        assert [d.version.path for d in tree.take(b"f", at_rest_only=True).deliveries] == [b"f"]
        (tree.folder / "g").write_bytes(b"x")
        os.utime(tree.folder / "g", ns=(0, tree.clock.now_ns()))
        assert tree.take(b"g").deliveries


def test_a_signature_taken_in_the_tick_of_a_change_is_blank(tmp_path: Path) -> None:
    """A change in the same tick would not show, so the file is looked at again; an older or a newer one is trusted."""
    (tmp_path / "f").write_bytes(b"x")
    st = os.stat(tmp_path / "f")
    assert lasting_signature(st, now_ns=st.st_ctime_ns) == b""
    assert lasting_signature(st, now_ns=st.st_ctime_ns - RACY_NS + 1) == b""
    assert lasting_signature(st, now_ns=st.st_ctime_ns + RACY_NS) == signature(st)
    assert lasting_signature(st, now_ns=st.st_ctime_ns - RACY_NS) == signature(st)


def test_a_hundred_files_are_taken_in_one_go_and_one_bad_one_stops_none(tmp_path: Path) -> None:
    """Each outcome is its own."""
    with watched(tmp_path, change=with_settings(max_file_bytes=5)) as tree:
        for n in range(100):
            (tree.folder / f"{n:03}").write_bytes(b"%d" % n if n != 50 else bytes(6))
        assert len(tree.catch_up()) == 100, "99 files and the root"
        assert [path for _, path, _ in tree.journal.unreadable()] == [b"050"]


def test_a_path_of_a_root_that_is_no_longer_watched_is_left_out(tmp_path: Path) -> None:
    """It stays dirty for the day that the root comes back."""
    with watched(tmp_path) as tree:
        other = tree.journal.root("films", "library")
        tree.journal.mark_dirty([(other.id, RelPath(b"x"))])
        assert tree.intake.take(tree.journal.dirty(), at_rest_only=False).deliveries == []
        assert tree.journal.n_dirty() == 1


def test_a_pinned_content_is_kept_when_its_file_goes(tmp_path: Path) -> None:
    """With `pin: copy` on any file system."""
    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        (tree.folder / "f").write_bytes(b"precious")
        (made,) = tree.take(b"f").deliveries
        (tree.folder / "f").unlink()
        assert made.pinned
        assert tree.pins.path(digest_of(b"precious")).read_bytes() == b"precious"


def test_a_pin_that_fails_is_no_deletion(tmp_path: Path) -> None:
    """The state directory lost its folder of pins: the file stands all the same."""
    with watched(tmp_path, change=with_settings(pin=PinMode.COPY)) as tree:
        (tree.folder / "f").write_bytes(b"x")
        tree.catch_up()
        (tree.folder / "f").write_bytes(b"y")
        os.rename(tmp_path / "pins", tmp_path / "lost")
        tree.catch_up()
        assert tree.standing() == {b"f"}
        assert len(tree.journal.unreadable()) == 1


def test_a_file_that_is_written_to_is_restless(tmp_path: Path) -> None:
    """Not unreadable: it is looked at again."""
    assert issubclass(Restless, ContentError)
    with watched(tmp_path) as tree:
        (tree.folder / "f").write_bytes(b"x")
        os.utime(tree.folder / "f", ns=(0, tree.clock.now_ns()))
        with pytest.raises(Restless):
            tree.look(b"f", at_rest_only=True)
