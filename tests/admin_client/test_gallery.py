"""Which files are pictures, and which cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

from admin_client.gallery import Gallery, digest_file, survey
from common import paths
from common.ids import digest_of
from tests.fakes import pictures


def surveyed(root: Path) -> Gallery:
    """What stands below a directory."""
    fd = paths.open_root(root)
    try:
        return survey(fd)
    finally:
        os.close(fd)


def test_pictures_are_known_by_their_bytes_or_by_their_name(tmp_path: Path) -> None:
    """A photo without a suffix is one; a file that calls itself one is named later as unreadable."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "photo").write_bytes(pictures.jpeg(1, (32, 32)))
    (tmp_path / "empty.JPG").touch()
    (tmp_path / "notes.txt").write_text("BMW is no bitmap")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.jpg").symlink_to("a/b/photo")
    found = surveyed(tmp_path)
    assert [path for path, _ in found.images] == [b"a/b/photo", b"empty.JPG"]
    assert found.n_files == 3
    assert found.unreadable == []


def test_a_folder_that_vanished_ends_nothing(tmp_path: Path) -> None:
    """Between opening and listing, others work on the same disk."""
    (tmp_path / "seen.png").write_bytes(pictures.png(1, (32, 32)))
    fd = paths.open_root(tmp_path)
    (tmp_path / "seen.png").unlink()
    tmp_path.rmdir()
    try:
        assert survey(fd).images == []
    finally:
        os.close(fd)


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """Wherever its descriptor stands."""
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        os.lseek(fd, 1000, os.SEEK_SET)
        assert digest_file(fd) == digest_of(content)
    finally:
        os.close(fd)
