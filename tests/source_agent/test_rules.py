"""Which paths a policy takes: gitignore's grammar, as git reads it."""

from __future__ import annotations

import pytest

from common.paths import ROOT, RelPath
from source_agent.rules import Rules


def takes(rules: Rules, path: str | bytes) -> bool:
    """Whether a path passes with all its parents; a trailing slash means a directory."""
    raw = path.encode() if isinstance(path, str) else path
    return rules.takes_whole_path(RelPath(raw.rstrip(b"/")), is_directory=raw.endswith(b"/"))


def test_without_patterns_everything_passes() -> None:
    """Also what is no UTF-8."""
    rules = Rules()
    assert takes(rules, "a/b.jpg")
    assert takes(rules, b"\xff\xfe/\x80")


@pytest.mark.parametrize(
    ("exclude", "path", "taken"),
    [
        (["*.tmp"], "deep/down/x.tmp", False),
        (["*.tmp"], "x.tmp.jpg", True),
        (["/cache/"], "cache/a", False),
        (["/cache/"], "photos/cache/a", True),
        (["/cache/"], "cache", True),  # a file of that name is no directory
        (["cache/"], "photos/cache/a/b", False),
        (["a/**/z"], "a/b/c/z", False),
        (["a/**/z"], "a/z", False),
        (["*.raw", "!keep.raw"], "x/keep.raw", True),
        (["*.raw", "!keep.raw"], "x/other.raw", False),
        (["/x/", "!/x/keep"], "x/keep", False),  # below an excluded directory nothing is taken back
        (["[0-9]*"], "7up", False),
        (["\\#odd"], "#odd", False),
    ],
)
def test_exclusion_is_gitignores(exclude: list[str], path: str, taken: bool) -> None:
    """Each row is what git would do."""
    assert takes(Rules(exclude=exclude), path) is taken


def test_with_include_only_matching_files_pass_and_every_directory_is_entered() -> None:
    """Else no file deeper down would ever be seen."""
    rules = Rules(include=["*.jpg"])
    assert takes(rules, "a/b/c.jpg")
    assert not takes(rules, "a/b/c.png")
    assert takes(rules, "a/b/")


def test_exclusion_wins_over_inclusion() -> None:
    """Files and directories."""
    rules = Rules(include=["*.jpg"], exclude=["private/", "x*.jpg"])
    assert not takes(rules, "private/a.jpg")
    assert not takes(rules, "x1.jpg")
    assert takes(rules, "y1.jpg")


def test_the_root_itself_always_passes() -> None:
    """Its attributes belong to the backup whatever the patterns say."""
    assert Rules(include=["*.jpg"], exclude=["*"]).takes(ROOT, is_directory=True)


def test_names_that_are_not_utf8_are_matched_without_error() -> None:
    """Their odd bytes match wildcards."""
    assert not takes(Rules(exclude=["*.jpg"]), b"\xff\xfe.jpg")
    assert takes(Rules(exclude=["*.jpg"]), b"\xff.jpg\x80")


def test_a_newline_in_a_name_is_part_of_the_name() -> None:
    """Patterns are matched against the whole name."""
    assert not takes(Rules(exclude=["*.jpg"]), b"a\nb.jpg")
