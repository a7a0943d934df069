"""The scanner: what differs from the journal, found by stat alone."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from common.paths import MAX_DEPTH, RelPath
from source_agent.rules import Rules
from source_agent.scanner import RootUnavailable, Scanner, Seen
from tests.fakes.watched import watched

NOBODY = 65534


def test_everything_is_new_at_first_and_nothing_afterwards(tmp_path: Path) -> None:
    """Directories before what they hold; a second scan of the same tree is silent."""
    with watched(tmp_path) as tree:
        (tree.folder / "d/e").mkdir(parents=True)
        (tree.folder / "d/e/x").write_bytes(b"x")
        (tree.folder / "a").write_bytes(b"a")
        os.symlink("nowhere", tree.folder / "link")
        os.mkfifo(tree.folder / "fifo")
        seen = Seen()
        assert tree.scan(seen=seen) == [b"", b"a", b"d", b"fifo", b"link", b"d/e", b"d/e/x"]
        assert (seen.files, seen.logical_bytes) == (2, 2)
        assert len(tree.catch_up()) == 7
        assert tree.scan() == []


def test_every_kind_of_change_is_seen(tmp_path: Path) -> None:
    """Content of the same size, mode, owner, mtime set back (ctime tells), replacement by rename, and another kind."""
    with watched(tmp_path) as tree:
        for name in ("content", "mode", "kept", "replaced", "kind", "same"):
            (tree.folder / name).write_bytes(b"old")
        (tree.folder / "new").write_bytes(b"old")
        old = os.stat(tree.folder / "kept")
        tree.catch_up()
        (tree.folder / "content").write_bytes(b"now")
        (tree.folder / "mode").chmod(0o600)
        (tree.folder / "kept").write_bytes(b"now")
        os.utime(tree.folder / "kept", ns=(old.st_atime_ns, old.st_mtime_ns))
        os.rename(tree.folder / "new", tree.folder / "replaced")
        (tree.folder / "kind").unlink()
        (tree.folder / "kind").mkdir()
        assert tree.scan() == [b"", b"content", b"kept", b"kind", b"mode", b"replaced", b"new"]


def test_a_tree_that_is_gone_is_gone_with_all_that_was_in_it(tmp_path: Path) -> None:
    """At any depth; its neighbours of a like name stay."""
    with watched(tmp_path) as tree:
        (tree.folder / "d/e").mkdir(parents=True)
        for name in ("d/x", "d/e/y", "d.jpg", "d-"):
            (tree.folder / name).write_bytes(b"x")
        tree.catch_up()
        os.rename(tree.folder / "d", tmp_path / "elsewhere")
        assert sorted(tree.scan()) == [b"", b"d", b"d/e", b"d/e/y", b"d/x"]
        tree.catch_up()
        assert tree.standing() == {b"d.jpg", b"d-"}


@pytest.mark.parametrize("instead", ["link", "file"])
def test_a_directory_replaced_by_something_else_leaves_nothing_behind(tmp_path: Path, instead: str) -> None:
    """The folder that was moved to another disk, with a link in its place."""
    with watched(tmp_path) as tree:
        (tree.folder / "d/e").mkdir(parents=True)
        (tree.folder / "d/e/y").write_bytes(b"y")
        tree.catch_up()
        os.rename(tree.folder / "d", tmp_path / "elsewhere")
        if instead == "link":
            os.symlink(tmp_path / "elsewhere", tree.folder / "d")
        else:
            (tree.folder / "d").write_bytes(b"now a file")
        gone = {d.version.path: d.version.kind for d in tree.catch_up()}
        assert tree.standing() == {b"d"}
        assert gone[RelPath(b"d/e")] == gone[RelPath(b"d/e/y")] == "absent"
        assert tree.scan() == []


def test_a_subtree_is_scanned_alone(tmp_path: Path) -> None:
    """A new directory does not cost a look at the whole library."""
    with watched(tmp_path) as tree:
        (tree.folder / "d").mkdir()
        (tree.folder / "d/x").write_bytes(b"x")
        (tree.folder / "beside").write_bytes(b"x")
        assert tree.scan(below=b"d") == [b"d/x"]
        assert tree.scan(below=b"vanished") == [b"vanished"]


def test_excluded_paths_are_not_entered_and_what_was_kept_of_them_is_gone(tmp_path: Path) -> None:
    """A rule that is added later takes effect at the next scan."""
    with watched(tmp_path) as tree:
        (tree.folder / "cache").mkdir()
        for name in ("cache/x", "a.tmp", "a.jpg"):
            (tree.folder / name).write_bytes(b"x")
        tree.catch_up()
        tree.root = replace(tree.root, rules=Rules(exclude=["/cache/", "*.tmp"]))
        seen = Seen()
        assert sorted(tree.scan(seen=seen)) == [b"a.tmp", b"cache", b"cache/x"]
        assert seen.files == 1


def test_sockets_and_devices_are_named_and_skipped(tmp_path: Path) -> None:
    """What stood there before is gone all the same."""
    with watched(tmp_path) as tree, socket.socket(socket.AF_UNIX) as listening:
        (tree.folder / "socket").write_bytes(b"a file at first")
        tree.catch_up()
        (tree.folder / "socket").unlink()
        listening.bind(str(tree.folder / "socket"))
        kinds = [(b"socket", "socket")]
        with suppress(PermissionError):  # devices are made by root alone; the socket is enough of a special file
            os.mknod(tree.folder / "char", 0o020600, os.makedev(1, 3))
            os.mknod(tree.folder / "block", 0o060600, os.makedev(7, 99))
            kinds = [(b"block", "block device"), (b"char", "character device"), *kinds]
        seen = Seen()
        assert tree.scan(seen=seen) == [b"", b"socket"]
        assert [(bytes(path), kind) for path, kind in seen.skipped] == kinds


def test_names_that_are_no_text_are_names(tmp_path: Path) -> None:
    """Bytes in, the same bytes out: not UTF-8, newline, 255 bytes, and the ones a shell would stumble over."""
    with watched(tmp_path) as tree:
        names = sorted(
            [b"\xff\xfe", b"new\nline", b"n" * 255, b"-rf", b"*", b" ", "ü".encode(), "ü".encode("latin-1"), b"\\", b"..."]
        )
        for name in names:
            (Path(os.fsdecode(os.fsencode(tree.folder) + b"/" + name))).write_bytes(b"x")
        assert tree.scan() == [b"", *names]
        tree.catch_up()
        assert tree.scan() == []
        assert tree.standing() == set(names)


def test_paths_beyond_every_limit_are_found_and_the_too_deep_ones_named(tmp_path: Path) -> None:
    """Longer than PATH_MAX is taken; nested deeper than the protocol carries is set aside with the reason, not dropped."""
    depth = 605
    with watched(tmp_path) as tree:
        at = os.open(tree.folder, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir("directory", dir_fd=at)
            below = os.open("directory", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
        os.close(at)
        found = tree.scan()
        assert len(found) == 1 + depth + 1
        assert len(found[-1]) > os.pathconf("/", "PC_PATH_MAX")
        taken = tree.take(*found)
        deepest = max(len(d.version.path.split(b"/")) for d in taken.deliveries)
        assert deepest == MAX_DEPTH
        assert len(tree.journal.unreadable()) == depth + 1 - MAX_DEPTH
    subprocess.run(["rm", "-r", tree.folder], check=True)  # deeper than the test runner's own cleaning goes


def test_a_directory_that_may_not_be_read_is_named_and_its_contents_are_not_gone() -> None:
    """Neither for want of the right to list it, nor of the right to enter it."""
    with tempfile.TemporaryDirectory() as place, watched(Path(place)) as tree:
        Path(place).chmod(0o755)
        closed, unlisted = tree.folder / "closed", tree.folder / "unlisted"
        for directory in (closed, unlisted):
            directory.mkdir()
            (directory / "x").write_bytes(b"x")
        tree.catch_up()
        with without_rights(Path(place)):
            closed.chmod(0o600)
            unlisted.chmod(0o300)
            tree.catch_up()
            assert tree.standing() == {b"closed", b"closed/x", b"unlisted", b"unlisted/x"}
            complaints = {bytes(path): reason for _, path, reason in tree.journal.unreadable()}
            assert complaints == {b"closed": "Permission denied", b"unlisted": "Permission denied"}
            assert set(tree.scan()) == {b"closed", b"unlisted"}
            closed.chmod(0o700)
            unlisted.chmod(0o700)
            tree.catch_up()
        assert tree.journal.unreadable() == []


def test_a_file_that_could_not_be_read_is_tried_again_at_each_scan(tmp_path: Path) -> None:
    """It may be readable now, or gone: a complaint about a file that is no more must not stand for ever."""
    with watched(tmp_path) as tree:
        (tree.folder / "a").write_bytes(b"a")
        tree.catch_up()
        for name in (b"a", b"never-seen"):
            tree.journal.note_unreadable(tree.root.id, RelPath(name), "Input/output error")
        assert tree.scan() == [b"a", b"never-seen"]
        tree.catch_up()
        assert tree.journal.unreadable() == []


def test_a_root_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """Nothing below it counts as gone."""
    with watched(tmp_path) as tree:
        (tree.folder / "a").write_bytes(b"a")
        tree.catch_up()
        os.rename(tree.folder, tmp_path / "away")
        with pytest.raises(RootUnavailable, match="library"):
            tree.scan()
        assert tree.take(b"a").deliveries == []
        assert tree.standing() == {b"a"}


def test_a_root_that_looks_unmounted_is_left_alone(tmp_path: Path) -> None:
    """Empty and on another device: the disk is not there, its files are not deleted."""
    with watched(tmp_path) as tree:
        (tree.folder / "a").write_bytes(b"a")
        tree.catch_up()
        (tree.folder / "a").unlink()
        tree.journal.remember_device(tree.root.id, os.stat(tree.folder).st_dev + 1)
        with pytest.raises(RootUnavailable, match="is it mounted"):
            tree.scan()
        assert tree.take(b"a").deliveries == []
        assert all(reason.endswith("is it mounted?") for _, _, reason in tree.journal.unreadable())


def test_a_root_on_another_device_that_is_not_empty_is_scanned(tmp_path: Path) -> None:
    """The library was moved to a new disk; the device is remembered from then on."""
    with watched(tmp_path) as tree:
        (tree.folder / "a").write_bytes(b"a")
        tree.catch_up()
        tree.journal.remember_device(tree.root.id, os.stat(tree.folder).st_dev + 1)
        assert tree.scan() == []
        assert tree.journal.device(tree.root.id) == os.stat(tree.folder).st_dev


def test_a_root_that_was_emptied_on_its_own_device_is_empty(tmp_path: Path) -> None:
    """Somebody deleted everything; the destination's history keeps it."""
    with watched(tmp_path) as tree:
        (tree.folder / "a").write_bytes(b"a")
        tree.catch_up()
        (tree.folder / "a").unlink()
        assert tree.scan() == [b"", b"a"]


def test_each_directory_is_told_before_it_is_listed(tmp_path: Path) -> None:
    """So that a watch set then misses nothing: what is made at that moment is in the listing."""
    with watched(tmp_path) as tree:
        (tree.folder / "d").mkdir()
        told: list[bytes] = []

        def entered(path: RelPath, fd: int) -> None:
            told.append(path)
            os.close(os.open("made-now", os.O_WRONLY | os.O_CREAT, dir_fd=fd))

        found = list(Scanner(tree.root, tree.journal).changes(Seen(), entered=entered))
        assert told == [b"", b"d"]
        assert {b"made-now", b"d/made-now"} <= set(found)


def test_a_path_is_never_followed_through_a_link(tmp_path: Path) -> None:
    """A link to a directory is a link."""
    with watched(tmp_path) as tree:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"x")
        os.symlink(outside, tree.folder / "link")
        assert tree.scan() == [b"", b"link"]
        assert tree.take(b"link/secret").deliveries == []


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """The block runs as the owner of the folder, who is not root."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):  # the agent's own state too
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
