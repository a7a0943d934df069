"""The skeleton of a JPEG: all that its bytes need beside the coefficients, as bytes.

    magic "SJ", version 1 · CRC-32 of what follows, 4 bytes · number of scans
    for each scan its traits:
        flags: 1 pads with ones, 2 lists its runs
        number of oddities, each: interval, counted from the one before · pad bits · length of the ending · the ending
        with flag 2: number of runs · length of the zlib stream · runs, 16 bits each, little-endian, in a zlib stream
    the headers: the file without its entropy-coded bytes, trailing bytes included

Numbers are unsigned LEB128. The headers stay as they are, so that whoever stores them may compress them with others.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError
from common.kernel.headers import MAX_BLOCKS, MAX_SCANS

Runs = NDArray[np.uint16]

RESTARTS = tuple(bytes((0xFF, 0xD0 + i)) for i in range(8))
"""The restart markers, in turn."""

MAX_ODDITIES = 1 << 16
"""Of a scan. Real files have none or a few, or one kind of padding throughout."""

_MAGIC = b"SJ\x01"
_START = len(_MAGIC) + 4
_PADS_WITH_ONES, _LISTS_RUNS = 1, 2
_DIGIT, _MORE, _MOST_DIGITS = 127, 128, 9


@dataclass(frozen=True, slots=True)
class Oddity:
    """An interval between restart markers that does not end as usual."""

    interval: int
    pad: int
    """The bits that fill its last byte."""
    ending: bytes
    """What follows, restart marker included."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What an encoder chose where the standard leaves the choice, in one scan."""

    pads_with_ones: bool
    oddities: tuple[Oddity, ...]
    runs: Runs | None
    """Lengths of the runs of ended blocks in a progressive scan; None: libjpeg's rule."""


def pack(traits: list[Traits], headers: bytes) -> bytes:
    """A skeleton."""
    packed = bytearray(_number(len(traits)))
    for scan in traits:
        packed += _number(_PADS_WITH_ONES * scan.pads_with_ones | _LISTS_RUNS * (scan.runs is not None))
        packed += _number(len(scan.oddities))
        before = 0
        for oddity in scan.oddities:
            packed += _number(oddity.interval - before) + _number(oddity.pad) + _number(len(oddity.ending)) + oddity.ending
            before = oddity.interval
        if scan.runs is not None:
            runs = zlib.compress(scan.runs.astype("<u2").tobytes(), 9)
            packed += _number(len(scan.runs)) + _number(len(runs)) + runs
    return sealed(bytes(packed) + headers)


def sealed(packed: bytes) -> bytes:
    """A skeleton of what is behind its checksum."""
    return _MAGIC + zlib.crc32(packed).to_bytes(4, "little") + packed


def unsealed(skeleton: bytes) -> bytes:
    """What is behind the checksum, which whoever proves the file in another way need not keep."""
    return skeleton[_START:]


def unpack(skeleton: bytes) -> tuple[list[Traits], bytes]:
    """The traits of each scan, and the headers. Errors: ContentError `damaged`, `unsupported` (a version to come)."""
    if skeleton[:2] != _MAGIC[:2] or len(skeleton) < _START:
        raise ContentError("damaged", "not the skeleton of a JPEG")
    if skeleton[2:3] != _MAGIC[2:]:
        raise ContentError("unsupported", f"a skeleton of version {skeleton[2]}")
    if zlib.crc32(memoryview(skeleton)[_START:]) != int.from_bytes(skeleton[len(_MAGIC) : _START], "little"):
        raise ContentError("damaged", "the skeleton's checksum is wrong")
    cursor = _Cursor(skeleton, _START)
    n_scans = cursor.number(most=MAX_SCANS)
    traits = [_traits(cursor) for _ in range(n_scans)]
    return traits, skeleton[cursor.pos :]


@dataclass(slots=True)
class _Cursor:
    content: bytes
    pos: int

    def number(self, *, most: int) -> int:
        value = 0
        for place, byte in enumerate(self.content[self.pos : self.pos + _MOST_DIGITS]):
            value |= (byte & _DIGIT) << 7 * place
            if byte <= _DIGIT and value <= most:
                self.pos += place + 1
                return value
            if byte <= _DIGIT:
                break
        raise ContentError("damaged", "a number in the skeleton is out of range")

    def bytes(self, length: int) -> bytes:
        self.pos += length
        return self.content[self.pos - length : self.pos]


def _traits(cursor: _Cursor) -> Traits:
    flags = cursor.number(most=_PADS_WITH_ONES | _LISTS_RUNS)
    oddities: list[Oddity] = []
    interval = 0
    for _ in range(cursor.number(most=MAX_ODDITIES)):
        interval += cursor.number(most=MAX_BLOCKS)
        pad = cursor.number(most=127)
        oddities.append(Oddity(interval, pad, cursor.bytes(cursor.number(most=len(cursor.content)))))
    return Traits(bool(flags & _PADS_WITH_ONES), tuple(oddities), _runs(cursor) if flags & _LISTS_RUNS else None)


def _runs(cursor: _Cursor) -> Runs:
    n_bytes = 2 * cursor.number(most=MAX_BLOCKS)
    try:
        runs = zlib.decompressobj().decompress(cursor.bytes(cursor.number(most=len(cursor.content))), n_bytes + 1)
    except zlib.error as error:
        raise ContentError("damaged", f"the skeleton's runs: {error}") from error
    if len(runs) != n_bytes:
        raise ContentError("damaged", "the skeleton has another number of runs than it says")
    return np.frombuffer(runs, "<u2").astype(np.uint16)


def _number(value: int) -> bytes:
    digits = bytearray()
    while value > _DIGIT:
        digits.append(value & _DIGIT | _MORE)
        value >>= 7
    digits.append(value)
    return bytes(digits)
