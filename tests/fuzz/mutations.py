"""How bytes are spoilt: a few changes of the kinds that damage, bad luck and ill will make."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random

_MOST_CHANGES = 4
_HEAD_BYTES = 700
"""Most of what is decided by a file is decided at its beginning."""
_TELLING_BYTES = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 192, 216, 217, 218, 254, 255)
_TELLING_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_BYTES = 1 << 20
_PNG = b"\x89PNG\r\n\x1a\n"

Change = Callable[[bytearray, Random, Sequence[bytes]], None]


def spoilt(raw: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The bytes with a few changes; pieces of others may come in."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        rng.choice(CHANGES)(changed, rng, others)
    made = bytes(changed[:_MOST_BYTES])
    return mended(made) if made.startswith(_PNG) and rng.random() < 0.7 else made


def mended(png: bytes) -> bytes:
    """A PNG whose checksums are right again: else nobody looks behind them."""
    out, at = [png[:8]], 8
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        if at + 12 + length > len(png):
            break
        body = png[at + 4 : at + 8 + length]
        out.append(png[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join([*out, png[at:]])


def _place(raw: bytearray, rng: Random) -> int:
    """Somewhere: in the head, behind a marker, or anywhere."""
    match rng.randrange(4):
        case 0 | 1:
            return rng.randrange(min(len(raw), _HEAD_BYTES) + 1)
        case 2:
            marker = raw.find(b"\xff", rng.randrange(len(raw) + 1))
            return min(len(raw), marker + rng.randrange(1, 24))
        case _:
            return rng.randrange(len(raw) + 1)


def _flip(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    if at < len(raw):
        raw[at] ^= 1 << rng.randrange(8)


def _set(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    raw[at : at + 1] = bytes([rng.choice(_TELLING_BYTES)])


def _number(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    """A number of two or four bytes that is large, small, or off by a little."""
    width, order = rng.choice([2, 4]), rng.choice(["big", "little"])
    at = _place(raw, rng)
    old = int.from_bytes(raw[at : at + width], order)  # type: ignore[arg-type] # one of the two
    new = rng.choice([rng.choice(_TELLING_NUMBERS), old + rng.randint(-9, 9), old * 2, -old])
    raw[at : at + width] = (new % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type] # likewise


def _noise(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    new = rng.randbytes(rng.randint(1, 16))
    raw[at : at + len(new)] = new


def _cut_out(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    del raw[at : at + rng.choice([1, 2, 8, 64, 512])]


def _cut_off(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    del raw[rng.randrange(len(raw) + 1) :]


def _insert(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    raw[at:at] = rng.choice([rng.randbytes(rng.randint(1, 16)), bytes(rng.choice([1, 4, 300])), b"\xff" * rng.choice([1, 9])])


def _repeat(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(raw, rng)
    raw[at:at] = raw[at : at + rng.choice([1, 4, 20, 80, 600])] * rng.choice([1, 1, 2, 50])


def _move(raw: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    """A piece of it to somewhere else."""
    at = _place(raw, rng)
    piece = raw[at : at + rng.choice([2, 8, 69, 200])]
    to = _place(raw, rng)
    raw[to : to + len(piece)] = piece


def _splice(raw: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """A piece of another one, at its place or at any."""
    other = rng.choice(others)
    at = rng.randrange(len(other) + 1)
    piece = other[at : at + rng.choice([4, 32, 256, 1 << 16])]
    to = at if rng.random() < 0.5 else _place(raw, rng)
    raw[to : to + len(piece)] = piece


CHANGES: tuple[Change, ...] = (_flip, _flip, _set, _set, _number, _noise, _cut_out, _cut_off, _insert, _repeat, _move, _splice)
