"""Whole numbers in as few bytes as they need: seven bits a byte, low ones first, 128 says that another byte follows."""

from __future__ import annotations

from common.errors import ContentError

_MAX_BYTES = 9
_MORE = 128


def to_varint(value: int) -> bytes:
    """A number that is not negative."""
    out = bytearray()
    while value >= _MORE:
        out.append(value % _MORE | _MORE)
        value //= _MORE
    out.append(value)
    return bytes(out)


def read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends. Errors: IndexError; ContentError `damaged` of one that never ends."""
    value = 0
    for n in range(_MAX_BYTES):
        value |= raw[at + n] % _MORE << 7 * n
        if raw[at + n] < _MORE:
            return value, at + n + 1
    raise ContentError("damaged", "a number that makes no sense")
