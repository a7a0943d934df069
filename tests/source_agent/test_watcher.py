"""The watcher on real inotify: what the kernel tells, and what becomes of the watches when directories move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.paths import RelPath
from source_agent.watcher import Changes, Watcher

ROOT_ID = 1


@dataclass
class Watching:
    """A watcher with the folder that it watches."""

    folder: Path
    watcher: Watcher

    def enter(self, path: str = "", *, root: int = ROOT_ID, folder: Path | None = None) -> None:
        """Watches a directory as the scanner would."""
        fd = os.open((folder or self.folder) / path, os.O_RDONLY)
        self.watcher.enter(root, RelPath(path.encode()), fd)
        os.close(fd)

    def told(self) -> Changes:
        """Everything since the last time."""
        return self.watcher.read()


def touched(changes: Changes) -> set[bytes]:
    """Paths of the one root."""
    return {path for _, path in changes.touched}


@contextmanager
def watching(folder: Path) -> Iterator[Watching]:
    """A watcher on a folder and all in it."""
    watcher = Watcher()
    made = Watching(folder, watcher)
    try:
        for path in (folder, *sorted(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
            made.enter("" if path == folder else str(path.relative_to(folder)))
        yield made
    finally:
        watcher.close()


def test_a_finished_file_is_told(tmp_path: Path) -> None:
    """With its directory, whose mtime has changed."""
    with watching(tmp_path) as watch:
        (tmp_path / "f").write_bytes(b"x")
        assert touched(watch.told()) == {b"f", b""}
        assert watch.told() == Changes(), "once"


def test_a_changed_file_is_told_when_its_writer_closes_it(tmp_path: Path) -> None:
    """Not with each write."""
    (tmp_path / "f").write_bytes(b"x")
    with watching(tmp_path) as watch, open(tmp_path / "f", "ab", buffering=0) as file:
        file.write(b"y")
        assert touched(watch.told()) == set()
        file.close()
        assert touched(watch.told()) == {b"f"}


@pytest.mark.parametrize("deed", ["chmod", "utime", "setxattr"])
def test_a_change_of_attributes_is_told(tmp_path: Path, deed: str) -> None:
    """They are versions too."""
    (tmp_path / "f").write_bytes(b"x")
    with watching(tmp_path) as watch:
        match deed:
            case "chmod":
                (tmp_path / "f").chmod(0o600)
            case "utime":
                os.utime(tmp_path / "f", (0, 0))
            case "setxattr":
                os.setxattr(tmp_path / "f", "user.x", b"")
        assert b"f" in touched(watch.told())


def test_deletion_and_renaming_are_told_under_both_names(tmp_path: Path) -> None:
    """Within the root, out of it and into it."""
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    for name in ("gone", "old", "leaves"):
        (inside / name).write_bytes(b"x")
    (outside / "comes").write_bytes(b"x")
    with watching(inside) as watch:
        (inside / "gone").unlink()
        (inside / "old").rename(inside / "new")
        (inside / "leaves").rename(outside / "left")
        (outside / "comes").rename(inside / "came")
        assert touched(watch.told()) == {b"", b"gone", b"old", b"new", b"leaves", b"came"}


def test_names_that_are_no_text_are_told_as_they_are(tmp_path: Path) -> None:
    """Byte for byte."""
    with watching(tmp_path) as watch:
        for name in (b"\xff\xfe", b"new\nline", b"n" * 255):
            fd = os.open(os.fsencode(tmp_path) + b"/" + name, os.O_WRONLY | os.O_CREAT)
            os.close(fd)
        assert touched(watch.told()) == {b"", b"\xff\xfe", b"new\nline", b"n" * 255}


def test_a_new_directory_has_arrived_and_is_watched_from_its_entering_on(tmp_path: Path) -> None:
    """What was made in it before is the scan's to find."""
    with watching(tmp_path) as watch:
        (tmp_path / "d/e").mkdir(parents=True)
        (tmp_path / "d/e/early").write_bytes(b"x")
        changes = watch.told()
        assert changes.arrived == {(ROOT_ID, b"d")}
        watch.enter("d")
        watch.enter("d/e")
        (tmp_path / "d/e/late").write_bytes(b"x")
        assert touched(watch.told()) == {b"d/e", b"d/e/late"}


def test_a_directory_moved_within_the_root_leaves_and_arrives(tmp_path: Path) -> None:
    """Its watches end with its old name and begin with its new one, at any depth."""
    (tmp_path / "a/b").mkdir(parents=True)
    with watching(tmp_path) as watch:
        (tmp_path / "a").rename(tmp_path / "z")
        changes = watch.told()
        assert (changes.left, changes.arrived) == ({(ROOT_ID, b"a")}, {(ROOT_ID, b"z")})
        (tmp_path / "z/b/unseen").write_bytes(b"x")
        assert watch.told() == Changes(), "the scan of what arrived will find it"
        watch.enter("z")
        watch.enter("z/b")
        (tmp_path / "z/b/f").write_bytes(b"x")
        assert touched(watch.told()) == {b"z/b", b"z/b/f"}


def test_a_directory_moved_out_of_the_root_is_watched_no_more(tmp_path: Path) -> None:
    """What happens elsewhere is not ours to tell; its neighbour of a like name stays watched."""
    folder = tmp_path / "library"
    (folder / "d/e").mkdir(parents=True)
    (folder / "d-").mkdir()
    with watching(folder) as watch:
        (folder / "d").rename(tmp_path / "elsewhere")
        assert watch.told().left == {(ROOT_ID, b"d")}
        (tmp_path / "elsewhere/e/f").write_bytes(b"x")
        (folder / "d-/f").write_bytes(b"x")
        assert touched(watch.told()) == {b"d-", b"d-/f"}


def test_a_directory_moved_in_has_arrived(tmp_path: Path) -> None:
    """With all that is in it."""
    folder = tmp_path / "library"
    folder.mkdir()
    (tmp_path / "elsewhere/e").mkdir(parents=True)
    with watching(folder) as watch:
        (tmp_path / "elsewhere").rename(folder / "d")
        assert watch.told().arrived == {(ROOT_ID, b"d")}


def test_a_deleted_tree_is_told_path_by_path(tmp_path: Path) -> None:
    """And its watches are forgotten."""
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_bytes(b"x")
    with watching(tmp_path) as watch:
        (tmp_path / "d/e/f").unlink()
        (tmp_path / "d/e").rmdir()
        (tmp_path / "d").rmdir()
        assert touched(watch.told()) == {b"", b"d", b"d/e", b"d/e/f"}
        assert watch.told() == Changes()
        assert len(watch.watcher._places_by_watch) == len(watch.watcher._watch_by_place) == 1


def test_one_directory_in_two_roots_is_told_for_both(tmp_path: Path) -> None:
    """Two policies may watch the same pictures."""
    (tmp_path / "d").mkdir()
    with watching(tmp_path) as watch:
        watch.enter(root=2, folder=tmp_path / "d")
        (tmp_path / "d/f").write_bytes(b"x")
        assert watch.told().touched == {(1, b"d"), (1, b"d/f"), (2, b""), (2, b"f")}


def test_a_directory_whose_move_was_not_told_is_told_under_its_new_name(tmp_path: Path) -> None:
    """The overflow lost the move; the rescan entered the directory where it is now."""
    (tmp_path / "a/b").mkdir(parents=True)
    with watching(tmp_path) as watch:
        (tmp_path / "a/b").rename(tmp_path / "b")
        watch.watcher._inotify.read(timeout=0)  # the overflow
        watch.enter("b")
        (tmp_path / "a").rename(tmp_path / "c")
        watch.told()
        (tmp_path / "b/f").write_bytes(b"x")
        assert {b"b", b"b/f"} <= touched(watch.told()), "ending the watches below `a` has not ended this one"


def test_a_flood_beyond_the_kernels_queue_is_told_as_an_overflow(tmp_path: Path) -> None:
    """A real one: more events than fs.inotify.max_queued_events, unread. Then everything is told again."""
    longest = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    with watching(tmp_path) as watch:
        for _ in range(longest // 2 + 10):  # equal events in a row are told as one, so they alternate
            os.utime(tmp_path / "a")
            os.utime(tmp_path / "b")
        overflowed = False
        while (changes := watch.told()) != Changes():
            overflowed |= changes.overflowed
        assert overflowed
        (tmp_path / "after").touch()
        after = watch.told()
        assert (b"after" in touched(after), after.overflowed) == (True, False)


def test_a_directory_beyond_the_limit_of_watches_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rescan finds what happens in it; the agent goes on."""
    with watching(tmp_path) as watch:

        def no_more(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(watch.watcher._inotify, "add_watch", no_more)
        watch.enter()
        assert watch.watcher.unwatched == 1
