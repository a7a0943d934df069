"""What a file is meant to be, by its first bytes: a hint, which nobody trusts with the bytes."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 16
"""Enough of a file for `is_image`."""
JPEG: Final = b"\xff\xd8\xff"
PNG: Final = b"\x89PNG\r\n\x1a\n"
BMP: Final = b"BM"
TIFFS: Final = (b"II*\0", b"MM\0*")
RASTERS: Final = (PNG, BMP, *TIFFS)
_PREFIXES = (JPEG, PNG, b"GIF87a", b"GIF89a", *TIFFS)
_ISO_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"})


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is meant to be a picture."""
    if head.startswith(_PREFIXES):
        return True
    if head.startswith(BMP):
        return head[6:10] == bytes(4)  # reserved; a text that begins with these letters has others
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    return head[4:8] == b"ftyp" and head[8:12] in _ISO_BRANDS
