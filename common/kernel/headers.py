"""The marker segments of a JPEG: its frame, and what is needed to read or write each scan (ITU T.81 B).

A file and its skeleton's headers are read by the same walk; the one has entropy-coded bytes behind each scan header,
the other has none.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from common.errors import ContentError
from common.kernel.frame import Frame, Plane

MAX_BLOCKS = 3 * 100_000_000 // 64
"""Of all components: 100 megapixels in three full components, 600 MB of coefficients."""

MAX_SCANS = 128
"""A scan of few bytes may visit every block; encoders make 10, and at most about 30."""

# fmt: off
NATURAL_ORDER = bytes((
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
))
"""Place in the block, row by row, of the coefficients in the order of the file (zigzag)."""
# fmt: on

_ENTROPY_END = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_EOI, _FILL = 0xD9, 0xFF
_STANDALONE = frozenset((0x00, 0x01, _FILL, *range(0xD0, 0xD9)))
_PRECISION, _MOST_COMPONENTS, _MOST_SAMPLES = 8, 4, 4
_NO_CODES = bytes(16)
_REFUSED = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xDE), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCC, 0xCD), "arithmetic"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A component's part in a scan: its place among the planes, its blocks in an MCU, its tables as in DHT."""

    plane: int
    h: int
    v: int
    dc: bytes
    ac: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan: where its entropy-coded bytes are, and how they are coded. `restart` 0: not interrupted."""

    start: int
    end: int
    parts: tuple[Part, ...]
    mcu_rows: int
    mcu_cols: int
    restart: int
    is_progressive: bool
    first: int
    last: int
    high: int
    low: int


@dataclass(frozen=True, slots=True)
class Headers:
    """What the marker segments say."""

    frame: Frame
    scans: tuple[Scan, ...]
    end: int | None
    """Behind the end-of-image marker; None where there is none."""


def read_headers(content: bytes, *, has_entropy: bool) -> Headers:
    """Walks the segments up to the end-of-image marker, or to where nothing more can be read behind a scan.

    Errors: ContentError `unsupported` (another process than Huffman-coded sequential or progressive with 8 bits),
    `damaged`, `too_large` (MAX_BLOCKS).
    """
    if content[:2] != b"\xff\xd8":
        raise ContentError("unsupported", "not a JPEG")
    walk = _Walk(content, has_entropy=has_entropy)
    try:
        for marker, segment in walk.segments():
            if marker in _REFUSED:
                raise ContentError("unsupported", f"a JPEG of the {_REFUSED[marker]} process")
            _READERS.get(marker, _pass)(walk, segment)
    except (IndexError, struct.error) as error:
        raise ContentError("damaged", "a marker segment of the JPEG is too short") from error
    return walk.headers()


@dataclass(frozen=True, slots=True)
class _Component:
    id: int
    h: int
    v: int
    table: int


@dataclass(slots=True)
class _Walk:
    """What has been read so far; `pos` is behind the latest segment."""

    content: bytes
    has_entropy: bool
    pos: int = 2
    restart: int = 0
    is_progressive: bool = False
    width: int = 0
    height: int = 0
    components: list[_Component] = field(default_factory=list)
    divisors: dict[int, tuple[int, ...]] = field(default_factory=dict)
    latched: dict[int, tuple[int, ...]] = field(default_factory=dict)
    codes: dict[int, bytes] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)
    end: int | None = None

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Markers with what belongs to them. Bytes between segments, which libjpeg skips too, are passed over."""
        content = self.content
        while 0 <= (at := content.find(b"\xff", self.pos)) < len(content) - 1:
            marker = content[at + 1]
            self.pos = at + (1 if marker == _FILL else 2)
            if marker == _EOI:
                self.end = self.pos
                return
            if marker in _STANDALONE:
                continue
            length = int.from_bytes(content[self.pos : self.pos + 2])
            segment = content[self.pos + 2 : self.pos + length]
            if len(segment) != length - 2:
                if self.scans:
                    return
                raise ContentError("damaged", "the JPEG ends in its headers")
            self.pos += length
            yield marker, segment

    def headers(self) -> Headers:
        """All that was read, if it is a picture."""
        if not self.scans:
            raise ContentError("damaged", "the JPEG has no scan")
        planes = tuple(
            Plane(
                component.id,
                component.h,
                component.v,
                self.latched[at] if at in self.latched else _table_of(self, component),
                self.mcu_rows * component.v,
                self.mcu_cols * component.h,
            )
            for at, component in enumerate(self.components)
        )
        return Headers(Frame(self.width, self.height, self.is_progressive, planes), tuple(self.scans), self.end)

    @property
    def mcu_rows(self) -> int:
        """MCUs of the frame, down."""
        return _ceiling(self.height, 8 * self.max_v)

    @property
    def mcu_cols(self) -> int:
        """MCUs of the frame, across."""
        return _ceiling(self.width, 8 * self.max_h)

    @property
    def max_h(self) -> int:
        """The largest sampling factor, horizontal."""
        return max(component.h for component in self.components)

    @property
    def max_v(self) -> int:
        """The largest sampling factor, vertical."""
        return max(component.v for component in self.components)


def _ceiling(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def _table_of(walk: _Walk, component: _Component) -> tuple[int, ...]:
    if component.table not in walk.divisors:
        raise ContentError("damaged", "a component of the JPEG has no quantisation table")
    return walk.divisors[component.table]


def _pass(_walk: _Walk, _segment: bytes) -> None:
    """A segment that says nothing of coefficients."""


def _read_quantisation(walk: _Walk, segment: bytes) -> None:
    at = 0
    while at < len(segment):
        form = ">64H" if segment[at] >> 4 else ">64B"
        zigzag = struct.unpack_from(form, segment, at + 1)
        if 0 in zigzag:
            raise ContentError("unsupported", "a quantisation table of the JPEG divides by 0")
        divisors = [0] * 64
        for place, divisor in zip(NATURAL_ORDER, zigzag, strict=True):
            divisors[place] = divisor
        walk.divisors[segment[at] & 15] = tuple(divisors)
        at += 1 + struct.calcsize(form)


def _read_codes(walk: _Walk, segment: bytes) -> None:
    at = 0
    while at < len(segment):
        n_symbols = sum(segment[at + 1 : at + 17])
        table = segment[at + 1 : at + 17 + n_symbols]
        if len(table) != 16 + n_symbols:
            raise ContentError("damaged", "a Huffman table of the JPEG is cut off")
        walk.codes[segment[at]] = table
        at += 17 + n_symbols


def _read_restart(walk: _Walk, segment: bytes) -> None:
    (walk.restart,) = struct.unpack_from(">H", segment)


def _read_frame(walk: _Walk, segment: bytes, *, is_progressive: bool) -> None:
    precision, height, width, n = struct.unpack_from(">BHHB", segment)
    if walk.components:
        raise ContentError("unsupported", "a JPEG of several frames")
    if precision != _PRECISION:
        raise ContentError("unsupported", f"a JPEG of {precision} bits")
    if not height or not width:
        raise ContentError("unsupported", "a JPEG that tells its size later, or has none")
    if not 1 <= n <= _MOST_COMPONENTS:
        raise ContentError("unsupported", f"a JPEG of {n} components")
    walk.width, walk.height, walk.is_progressive = width, height, is_progressive
    for at in range(6, 6 + 3 * n, 3):
        component = _Component(segment[at], segment[at + 1] >> 4, segment[at + 1] & 15, segment[at + 2])
        if not (1 <= component.h <= _MOST_SAMPLES and 1 <= component.v <= _MOST_SAMPLES):
            raise ContentError("damaged", "a component of the JPEG has an impossible sampling factor")
        walk.components.append(component)
    n_blocks = walk.mcu_rows * walk.mcu_cols * sum(component.h * component.v for component in walk.components)
    if n_blocks > MAX_BLOCKS:
        raise ContentError("too_large", f"a JPEG of {width}x{height}, {n_blocks} blocks")
    if walk.has_entropy and n_blocks > 8 * len(walk.content):  # the shortest code is one bit
        raise ContentError("damaged", "the JPEG is too short for its size in pixels")


def _read_scan(walk: _Walk, segment: bytes) -> None:
    n = segment[0]
    first, last, approximation = struct.unpack_from("3B", segment, 1 + 2 * n)
    ids = [component.id for component in walk.components]
    chosen = [ids.index(segment[at]) for at in range(1, 1 + 2 * n, 2) if segment[at] in ids]
    if not chosen or len(set(chosen)) != n:
        raise ContentError("damaged", "a scan of the JPEG has components that the frame does not")
    if len(walk.scans) == MAX_SCANS:
        raise ContentError("unsupported", f"a JPEG of more than {MAX_SCANS} scans")
    for at in chosen:
        walk.latched.setdefault(at, _table_of(walk, walk.components[at]))
    rows, cols = walk.mcu_rows, walk.mcu_cols
    if n == 1:
        alone = walk.components[chosen[0]]
        rows = _ceiling(_ceiling(walk.height * alone.v, walk.max_v), 8)
        cols = _ceiling(_ceiling(walk.width * alone.h, walk.max_h), 8)
    parts = tuple(
        Part(
            at,
            1 if n == 1 else walk.components[at].h,
            1 if n == 1 else walk.components[at].v,
            walk.codes.get(tables >> 4, _NO_CODES),
            walk.codes.get(0x10 | tables & 15, _NO_CODES),
        )
        for at, tables in zip(chosen, segment[2 : 2 + 2 * n : 2], strict=True)
    )
    start = walk.pos
    if walk.has_entropy:
        found = _ENTROPY_END.search(walk.content, start)
        walk.pos = found.start() if found else len(walk.content)
    high, low = approximation >> 4, approximation & 15
    walk.scans.append(Scan(start, walk.pos, parts, rows, cols, walk.restart, walk.is_progressive, first, last, high, low))


def _read_sequential_frame(walk: _Walk, segment: bytes) -> None:
    _read_frame(walk, segment, is_progressive=False)


def _read_progressive_frame(walk: _Walk, segment: bytes) -> None:
    _read_frame(walk, segment, is_progressive=True)


_READERS: dict[int, Callable[[_Walk, bytes], None]] = {
    0xC0: _read_sequential_frame,
    0xC1: _read_sequential_frame,
    0xC2: _read_progressive_frame,
    0xC4: _read_codes,
    0xDA: _read_scan,
    0xDB: _read_quantisation,
    0xDD: _read_restart,
}
