"""How a delta looks on disk and on the wire: what it is, what it needs, and what must come out.

    magic      3 bytes "SMD", and the container's version, 1
    method     u8 length and so many ASCII letters
    target     BLAKE3-256, then the size in bytes as a varint (seven bits a byte, low ones first)
    base       u8 1 and its BLAKE3-256, or u8 0 where none is needed
    body       the rest, the method's own

The target's digest proves all of it: whatever is damaged, no other bytes than the target ever come out. There is no digest of the
base's pixels here, as not every method looks at them; those that do keep four bytes of one in their body, so that another
decoder is noticed before it has worked for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.errors import ContentError
from common.ids import DIGEST_BYTES, Digest
from common.varints import read_varint, to_varint

MAGIC: Final = b"SMD\x01"


@dataclass(frozen=True, slots=True)
class Container:
    """One delta."""

    method: str
    target: Digest
    size: int
    base: Digest | None
    body: bytes


def to_bytes(container: Container) -> bytes:
    """A delta as it is kept."""
    name = container.method.encode("ascii")
    base = b"\0" if container.base is None else b"\1" + container.base
    return b"".join([MAGIC, bytes([len(name)]), name, container.target, to_varint(container.size), base, container.body])


def from_bytes(raw: bytes) -> Container:
    """What `to_bytes` wrote. Errors: ContentError `damaged` for anything else, `unsupported` for a later version."""
    if raw[:3] != MAGIC[:3]:
        raise ContentError("damaged", "bytes that are no delta")
    if raw[:4] != MAGIC:
        raise ContentError("unsupported", "a delta of a later version than this program knows")
    try:
        name_end = 5 + raw[4]
        method = raw[5:name_end].decode("ascii")
        size, at = read_varint(raw, name_end + DIGEST_BYTES)
        has_base = {0: False, 1: True}[raw[at]]
        body_at = at + 1 + DIGEST_BYTES * has_base
        if len(raw) < body_at:
            raise ContentError("damaged", "a delta that ends early")
        base = Digest(raw[at + 1 : body_at]) if has_base else None
        return Container(method, Digest(raw[name_end : name_end + DIGEST_BYTES]), size, base, raw[body_at:])
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ContentError("damaged", "a delta that ends early, or whose head makes no sense") from error
