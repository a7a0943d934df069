"""Names of things: digests of contents, identities of versions, names of agents and policies.

Everything here comes from a peer or a disk at some time, so each has one function that admits it and refuses the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from blake3 import blake3

Digest = NewType("Digest", bytes)
"""BLAKE3-256 of a content's exact bytes: 32 bytes."""

DIGEST_BYTES = 32
_FOLDER_BYTES = 255
"""The longest name that a folder can have."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


def digest_of(content: bytes) -> Digest:
    """The digest of bytes in memory."""
    return Digest(blake3(content).digest())


def digest_from(raw: bytes) -> Digest:
    """Admits bytes as a digest. Errors: ValueError unless there are exactly 32."""
    if len(raw) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(raw)}")
    return Digest(raw)


def agent_name(text: str) -> str:
    """Admits the name of an agent: it names files and certificates, so lower case letters, digits, `.`, `_`, `-`.

    Errors: ValueError.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: use 1 to 63 of a-z, 0-9, '.', '_', '-', with a letter or digit at each end")
    return text


def label(text: str, *, max_chars: int = 128) -> str:
    """Admits the name of a policy or root: printable, no slash, not a dot name, since a restore makes folders of it.

    Errors: ValueError.
    """
    is_short = 0 < len(text) <= max_chars
    if not is_short or "/" in text or text in {".", ".."} or not text.isprintable() or len(text.encode()) > _FOLDER_BYTES:
        raise ValueError(f"{text!r} is not a label: use 1 to {max_chars} printable characters without '/'")
    return text


@dataclass(frozen=True, slots=True, order=True)
class VersionId:
    """The identity of a version: the source that saw it and its journal sequence. The idempotence key of the protocol."""

    agent: str
    seq: int

    def __str__(self) -> str:
        return f"{self.agent}:{self.seq}"
