"""Which part a file plays in its group of near-duplicates. Pure.

Every picture stands for itself until near-duplicates are recognised: a group of one, whose representative it is.
"""

from __future__ import annotations

from common.model import Role

_MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",  # TIFF, little endian
    b"MM\x00*",  # TIFF, big endian
)
_ISO_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")


def is_image(head: bytes) -> bool:
    """Whether the first bytes of a content say that it is a picture. A hint: nothing trusts it with the bytes."""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    iso = head[4:8] == b"ftyp" and head[8:12] in _ISO_BRANDS
    return head.startswith(_MAGIC) or webp or iso


def role_of(head: bytes) -> Role:
    """The role of a content by its first bytes (64 are enough)."""
    return Role.REPRESENTATIVE if is_image(head) else Role.NONE
