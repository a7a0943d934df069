"""The cache of what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client.verbs.identify import default_cache
from common.ids import digest_of
from common.looks import Looks

ONE = digest_of(b"one")


def test_what_was_kept_is_there_the_next_time(tmp_path: Path) -> None:
    """Under its content and kind alone."""
    with Looks(tmp_path / "deep" / "looks.db") as cache:
        cache.keep(ONE, "glance", b"seen")
        assert cache.get(ONE, "glance") == b"seen"
    with Looks(tmp_path / "deep" / "looks.db") as cache:
        assert cache.get(ONE, "glance") == b"seen"
        assert cache.get(ONE, "see") is None
        assert cache.get(digest_of(b"two"), "glance") is None
        assert cache.problem == ""


def test_an_interruption_keeps_what_was_seen_before(tmp_path: Path) -> None:
    """A Ctrl-C leaves the context by an exception."""
    cache = Looks(tmp_path / "looks.db")
    cache.keep(ONE, "see", b"work")
    cache.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with Looks(tmp_path / "looks.db") as cache:
        assert cache.get(ONE, "see") == b"work"


@pytest.mark.parametrize("spoil", ["damaged", "a folder", "under a file"])
def test_a_cache_that_cannot_be_used_stops_nobody(tmp_path: Path, spoil: str) -> None:
    """The run is only not resumable, and says so."""
    path = tmp_path / "looks.db"
    if spoil == "damaged":
        path.write_bytes(b"no database " * 1000)
    elif spoil == "a folder":
        path.mkdir()
    else:
        path.touch()
        path = path / "looks.db"
    with Looks(path) as cache:
        assert cache.problem
        cache.keep(ONE, "glance", b"seen")
        cache.commit()
        assert cache.get(ONE, "glance") == b"seen"


def test_a_cache_that_grew_too_large_begins_anew(tmp_path: Path) -> None:
    """It is a cache: what is gone is seen again."""
    with Looks(tmp_path / "looks.db") as cache:
        cache.keep(ONE, "glance", bytes(100_000))
    with Looks(tmp_path / "looks.db", max_bytes=50_000) as cache:
        assert cache.get(ONE, "glance") is None


def test_the_cache_stands_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The XDG directory, unless it is relative, which the standard forbids."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/ada")
    assert default_cache() == Path("/var/tmp/ada/smarter/looks.db")
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert default_cache() == Path("/home/ada/.cache/smarter/looks.db")
