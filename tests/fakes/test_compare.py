"""The comparison of trees is a measuring instrument: it finds each kind of difference, names it, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.compare import differences
from tests.fakes.trees import write_library


def _truncate(tree: Path) -> None:
    os.truncate(tree / "notes.txt", 10)


def _flip(tree: Path) -> None:
    path = tree / "notes.txt"
    st, content = path.stat(), path.read_bytes()
    path.write_bytes(b"A" + content[1:])
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def _kind(tree: Path) -> None:
    (tree / "notes.txt").unlink()
    (tree / "notes.txt").mkdir()


def _split_names(tree: Path) -> None:
    path = tree / "same file.jpg"
    shutil.copy2(path, tree / "copy")
    path.unlink()
    (tree / "copy").rename(path)


def _retarget(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")


SPOILS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a byte": (_flip, "'notes.txt': sha256"),
    "a size": (_truncate, "'notes.txt': size"),
    "a kind": (_kind, "'notes.txt': kind"),
    "a mode": (lambda tree: (tree / "notes.txt").chmod(0o4711), "'notes.txt': mode"),
    "an mtime by a nanosecond": (lambda tree: os.utime(tree / "notes.txt", ns=(0, 5)), "'notes.txt': mtime_ns"),
    "a directory's mtime": (lambda tree: os.utime(tree / "empty", ns=(0, 5)), "'empty': mtime_ns"),
    "an attribute": (lambda tree: os.setxattr(tree / "notes.txt", "user.colour", b"red"), "'notes.txt': xattrs"),
    "a link's target": (_retarget, "'link': target"),
    "a link's mtime": (lambda tree: os.utime(tree / "link", ns=(0, 5), follow_symlinks=False), "'link': mtime_ns"),
    "names of one file": (_split_names, "'same file.jpg': names"),
    "a file too few": (lambda tree: (tree / "notes.txt").unlink(), "'notes.txt': only in"),
    "a file too many": (lambda tree: (tree / "more").touch(), "'more': only in"),
    "an odd name": (lambda tree: os.unlink(os.fsencode(tree) + b"/not-utf8-\xff\xfe"), "only in"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small library."""
    folder = tmp_path_factory.mktemp("compare") / "library"
    write_library(folder)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, ns=(10**18, 10**18 + 1), follow_symlinks=False)
    return folder


def copy_of(library: Path, to: Path) -> Path:
    """The same tree once more, by another program than those under test."""
    os.system(f"cp -a '{library}' '{to}'")  # noqa: S605 - both paths are ours
    return to


def test_equal_trees_have_no_difference(library: Path, tmp_path: Path) -> None:
    """Nothing is found where nothing is."""
    assert differences(library, copy_of(library, tmp_path / "copy")) == []


@pytest.mark.parametrize("what", SPOILS)
def test_each_kind_of_difference_is_found_and_named(library: Path, tmp_path: Path, what: str) -> None:
    """The path and the field stand in the line."""
    tree = copy_of(library, tmp_path / "copy")
    spoil, named = SPOILS[what]
    spoil(tree)
    assert any(named in line for line in differences(library, tree)), differences(library, tree)
