"""Which contents count as pictures."""

from __future__ import annotations

import pytest

from common.magic import HEAD_BYTES, is_image
from tests.fakes import pictures


@pytest.mark.parametrize(
    "head",
    [
        pictures.jpeg(1, (16, 16)),
        pictures.png(1, (16, 16)),
        b"GIF89a" + bytes(10),
        b"II*\0",
        b"MM\0*",
        b"BM\x10\0\0\0\0\0\0\0",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x1cftypavif",
    ],
)
def test_every_format_is_recognised(head: bytes) -> None:
    """By its first bytes, whatever follows."""
    assert is_image(head[:HEAD_BYTES])
    assert is_image(head)


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"\xff", b"II", b"%PDF-1.7", b"x\xff\xd8\xff", b"BM of 1926, a text"),
        *(b"RIFF\x10\0\0\0WAVE", b"\0\0\0\x18ftypisom", b"\0\0\0\x1cftypmp42"),
    ],
)
def test_other_files_are_not(head: bytes) -> None:
    """Films, sounds and texts begin alike."""
    assert not is_image(head)
