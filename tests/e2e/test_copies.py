"""Exact copies cost no content byte, wherever they stand and whatever became of the first one."""

from __future__ import annotations

import shutil
from typing import Any

from tests.fakes import pictures
from tests.fakes.compare import differences
from tests.fakes.sites import sites
from tests.fakes.trees import write_library


def content_bytes(once: Any) -> int:
    """What a run sent of contents, in whatever form."""
    return sum(n for kind, n in once["sent_bytes"].items() if kind not in {"offers", "other"})


def test_copied_moved_and_returning_contents_send_no_content_byte() -> None:
    """Copies, renames, and a file that goes back to what it was (A, B, A): versions, and not one byte of content."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        assert content_bytes(at.once()) > 0
        photo = at.library / "2026/photo-1.jpg"
        first = photo.read_bytes()
        shutil.copytree(at.library / "2026", at.library / "copy of 2026")
        (at.library / "2026/photo-2.jpg").rename(at.library / "moved.jpg")
        copied = at.once()
        assert content_bytes(copied) == 0
        assert copied["exact_duplicates"] > 10
        assert differences(at.library, at.restore()) == []
        photo.write_bytes(pictures.jpeg(99))
        assert content_bytes(at.once()) > 0
        photo.write_bytes(first)
        returned = at.once()
        assert content_bytes(returned) == 0
        assert returned["exact_duplicates"] == 1
        assert len(at.ls("--all-versions", "--path", "/2026/photo-1.jpg")) == 3
        assert differences(at.library, at.restore()) == []


def test_an_unchanged_library_sends_nothing() -> None:
    """A second run has nothing to say, and the third neither."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        at.once()
        at.once()  # files that were as young as the clock's tick are read again once
        again = at.once()
        assert again["versions"] == 0
        assert content_bytes(again) == 0
        assert again["sent_bytes"]["offers"] == 0
        assert again["files"] > 30


def test_many_copies_pinned_at_the_same_moment_all_arrive() -> None:
    """Several threads pin one content at once and none takes another's file away."""
    with sites(policy={"pin": "copy"}) as at:
        photo = pictures.jpeg(5, (64, 64))
        for n in range(120):
            (at.library / f"copy-{n:03}.jpg").write_bytes(photo)
        at.dest()
        once = at.once()
        assert once["versions"] == 121
        assert once["representatives"] == 1
        assert once["unreadable"] == []
        assert differences(at.library, at.restore()) == []
