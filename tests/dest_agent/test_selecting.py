"""Globs: the language of gitignore, in time that no glob and no name can stretch."""

from __future__ import annotations

import random

import pytest
from pathspec import GitIgnoreSpec

from common.paths import relpath
from dest_agent.catalogue.selecting import matching

ALPHABET = ("a", "b", "*", "*", "**", "/", "/", "?", "[ab]", "[a-b]", ".", "a*")


def _differs_by_design(glob: str, *, theirs: bool) -> bool:
    """Empty parts, and `x/*`, which takes a folder's own folders with all that is in them: what a walk that prunes does."""
    return "//" in glob or glob == "/" or "***" in glob or (glob.endswith("/*") and not theirs)


@pytest.mark.parametrize("seed", range(4))
def test_a_glob_means_what_it_means_in_a_gitignore(seed: int) -> None:
    """Compared with the library that reads the source's excludes, on ten thousand pairs."""
    chance = random.Random(seed)
    for _ in range(2500):
        glob = "".join(chance.choices(ALPHABET, k=chance.randrange(1, 7)))
        path = "/".join(
            "".join(chance.choices("ab.", (3, 3, 1), k=chance.randrange(1, 4))) for _ in range(chance.randrange(1, 5))
        )
        is_directory = chance.random() < 0.4
        if {".", ".."} & set(path.split("/")):
            continue
        theirs = GitIgnoreSpec.from_lines([glob]).match_file(path + "/" * is_directory)
        if not _differs_by_design(glob, theirs=theirs):
            assert matching(glob)(relpath(path.encode()), is_directory) == theirs, (glob, path, is_directory)


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("[!a]", b"b", True),
        ("[!a]", b"a", False),
        ("[^a]x", b"bx", True),
        ("a[!b]c", b"a/c", False),
        ("[]]", b"]", True),
        ("[a", b"[a", True),
        ("[&&--~~||[]", b"~", True),
        (r"\*", b"*", True),
        (r"\*", b"x", False),
        (r"\!x", b"!x", True),
        (r"\#x", b"#x", True),
        ("*.jpg ", b"a.jpg", True),
        ("new?line", b"new\nline", True),
        ("*", b"\xff\xfe", True),
        ("?", "\N{PILE OF POO}".encode(), True),
        ("a.c", b"abc", False),
        ("2024/**/raw", b"2024/raw/x", True),
        ("2024/*", b"2024/may/x", True),
    ],
)
def test_rare_globs(glob: str, path: bytes, fits: bool) -> None:
    """Sets, escapes, and names that are not what they seem."""
    assert matching(glob)(relpath(path), False) is fits


@pytest.mark.parametrize("glob", ["!x", "#x", "/", "//", " ", "[z-a]"])
def test_what_is_no_glob_is_refused(glob: str) -> None:
    """In words, before anything is listed."""
    with pytest.raises(ValueError, match="glob"):
        matching(glob)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 100 + "*b", b"a" * 255),
        ("*?" * 100 + "b", b"a" * 255),
        ("**/" * 200 + "b", b"a/" * 500 + b"a"),
        ("**/a/" * 800 + "b", b"a/" * 500 + b"a"),
        ("*a*/" * 100 + "b", (b"a" * 255 + b"/") * 120 + b"a"),
        ("**/*a*a*/" * 50 + "b", (b"a" * 255 + b"/") * 120 + b"a"),
    ],
)
def test_no_glob_and_name_together_take_long(glob: str, path: bytes) -> None:
    """One source lists with a glob that another's names were made for; the agent of all of them must not stand still."""
    for _ in range(10):
        assert not matching(glob)(relpath(path), False)
