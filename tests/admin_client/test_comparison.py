"""The comparison that the demonstration trusts sees every kind of difference."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from admin_client.comparison import differences


def _tree(top: Path) -> Path:
    (top / "d").mkdir(parents=True)
    (top / "d" / "f").write_text("content")
    (top / "d" / "g").hardlink_to(top / "d" / "f")
    (top / "l").symlink_to("d")
    for path in (top / "d" / "f", top / "l", top / "d", top):
        os.utime(path, ns=(1, 2), follow_symlinks=False)
    return top


def test_equal_trees_have_no_differences(tmp_path: Path) -> None:
    """Made alike, found alike."""
    assert differences(_tree(tmp_path / "one"), _tree(tmp_path / "other")) == []


def _relink(top: Path) -> None:
    (top / "l").unlink()
    (top / "l").symlink_to("e")
    os.utime(top / "l", ns=(1, 2), follow_symlinks=False)
    os.utime(top, ns=(1, 2))


def _split(top: Path) -> None:
    (top / "d" / "g").unlink()
    (top / "d" / "g").write_text("content")
    os.utime(top / "d" / "g", ns=(1, 2))
    os.utime(top / "d", ns=(1, 2))


def _rewrite(top: Path) -> None:
    (top / "d" / "f").write_text("CONTENT")
    os.utime(top / "d" / "f", ns=(1, 2))


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_rewrite, ["d/f: digest", "d/g: digest"]),
        (_relink, ["l: target"]),
        (_split, ["d/f: hard links", "d/g: hard links"]),
        (lambda top: (top / "d").chmod(0o711), ["d: mode"]),
        (lambda top: os.utime(top / "l", ns=(1, 3), follow_symlinks=False), ["l: mtime_ns"]),
        (lambda top: os.utime(top, ns=(1, 3)), [": mtime_ns"]),
    ],
)
def test_each_change_is_seen(tmp_path: Path, change: Callable[[Path], None], seen: list[str]) -> None:
    """One change, and exactly its lines."""
    one, other = _tree(tmp_path / "one"), _tree(tmp_path / "other")
    change(other)
    assert differences(one, other) == seen


def test_paths_of_one_side_alone_are_named(tmp_path: Path) -> None:
    """Missing and additional ones."""
    one, other = _tree(tmp_path / "one"), _tree(tmp_path / "other")
    (other / "l").rename(other / "m")
    os.utime(other, ns=(1, 2))
    assert differences(one, other) == [f"l: only in {one}", f"m: only in {other}"]
