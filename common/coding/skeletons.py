"""All of a JPEG but the coefficients of its picture, in few bytes; what every way to code a JPEG has in common.

A body is a bare Zstandard frame over what is known, the coefficients of the embedded pictures, and those of the picture:

    sheet       in the frame: how many pictures are embedded, of each
                    its pieces: how many, of each the bytes since the one before and its own
                    its origin: 0, or twice the way in which it is expected from the picture itself (`thumbnails.WAYS`),
                        or one more than twice the number of an earlier picture that has its very coefficients
                    the bytes that its coefficients take, those of its own sheet, and that
                how many Huffman tables are left out since libjpeg would make them of the coefficients, of each the bytes since
                    the one before and its own
                then the skeleton, without checksum, pieces and tables
    coded       the coefficients of the embedded pictures, each before those that are embedded in it
    the rest    is the caller's: the coefficients of the picture

Numbers are varints. What is known is what headers customarily say (`customary`), and a base's skeleton where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from common.coding.customary import customary
from common.coding.embedded import MOST_PICTURES, MOST_PIECES, Span, find
from common.coding.over import compress, decompress_first
from common.errors import ContentError
from common.kernel import jpeg, mixing
from common.kernel.frame import Frame
from common.kernel.jpeg import Blocks, Parsed, are_equal
from common.kernel.optimal import optimal_tables
from common.kernel.skeleton import sealed, unsealed
from common.kernel.thumbnails import Source
from common.varints import read_varint, to_varint

_MOST_DEPTH: Final = 2
_MOST_BLOCKS_IN_A_BYTE: Final = 8
"""Of a file: the shortest code is one bit."""
_MOST_TABLES: Final = 255
_COUNTS: Final = 16
"""What a Huffman table begins with."""
_MOST_SYMBOLS: Final = 255
_SLACK_BYTES: Final = 1 << 16
_ANY_SIZE: Final = 1 << 40

Hole = tuple[int, int]
"""Something left out of a text: the bytes of the text since the one before, and its own."""


def to_body(parsed: Parsed, known: bytes, coded: bytes) -> bytes:
    """A JPEG: its skeleton over a known one, before its coefficients as they were coded. Errors: ContentError `memory`."""
    writer = _Writer(known, Source(parsed.planes, parsed.frame))
    sheet = writer.sheet(parsed, depth=_MOST_DEPTH)
    return b"".join((compress(sheet, customary() + known), *writer.streams, coded))


def from_body(body: bytes, known: bytes, *, size: int) -> Told:
    """What `to_body` made of a JPEG of `size` bytes. Errors: ContentError `damaged`, `too_long`, `memory`."""
    raw, rest = decompress_first(body, customary() + known, most=2 * size + _SLACK_BYTES)
    sheet = _read_sheet(raw, size=size, depth=_MOST_DEPTH)
    streams, at = [], 0
    for picture in sheet.all_pictures():
        streams.append(rest[at : at + picture.n_coded])
        at += picture.n_coded
    return Told(sheet.frame, rest[at:], sheet, streams)


@dataclass(frozen=True, slots=True)
class Told:
    """A body whose coefficients are still to be decoded."""

    frame: Frame
    coded: bytes
    """The coefficients of the picture."""
    _sheet: _Sheet
    _streams: Sequence[bytes]

    def file(self, planes: Sequence[Blocks]) -> bytes:
        """The JPEG, given its coefficients. Errors: ContentError `damaged`."""
        return _Reader(iter(self._streams), Source(planes, self.frame)).file(self._sheet, planes)


# writing


class _Writer:
    """The sheets of a picture and those embedded in it, and meanwhile the streams of their coefficients."""

    def __init__(self, known: bytes, source: Source) -> None:
        self._known, self._source = known, source
        self._written: list[Parsed] = []
        self.streams: list[bytes] = []

    def sheet(self, parsed: Parsed, *, depth: int) -> bytes:
        """The sheet of a picture."""
        text = unsealed(parsed.skeleton)
        before = len(self.streams)
        pictures, kept = self._without_pictures(text, depth=depth)
        tables, rest = self._without_tables(parsed, kept)
        for sheet in (pictures + tables + rest, pictures + to_varint(0) + kept):
            if _is_read_as(sheet, parsed, kept, depth=depth):
                return sheet
        # What was taken for a picture has a part in the headers.
        del self.streams[before:], self._written[before:]
        return 2 * to_varint(0) + text

    def _without_pictures(self, text: bytes, *, depth: int) -> tuple[bytes, bytes]:
        """What is told of the embedded pictures, and the text without them."""
        told: list[bytes] = []
        spans: list[Span] = []
        n = 0
        for picture in find(text, self._known) if depth else ():
            try:
                origin, coded = self._coded(picture.parsed)
            except ContentError:
                continue  # it stays where it is
            n += 1
            self.streams.append(coded)
            self._written.append(picture.parsed)
            own = self.sheet(picture.parsed, depth=depth - 1)
            told += (to_varint(len(picture.spans)), _holes(picture.spans, spans[-1][1] if spans else 0))
            told += (to_varint(origin), to_varint(len(coded)), to_varint(len(own)), own)
            spans += picture.spans
        return b"".join((to_varint(n), *told)), _cut(text, spans)

    def _without_tables(self, parsed: Parsed, text: bytes) -> tuple[bytes, bytes]:
        """Likewise of the tables that libjpeg would make, if they are in nothing that is known."""
        spans: list[Span] = []
        for table, best in optimal_tables(parsed.skeleton, parsed.planes, but=customary() + self._known):
            at = text.find(table)
            if table == best and at >= 0 and len(table) <= _COUNTS + _MOST_SYMBOLS:
                spans.append((at, at + len(table)))
        spans = sorted(spans)[:_MOST_TABLES]
        if any(end > start for (_, end), (start, _) in pairwise(spans)):
            spans = []
        return to_varint(len(spans)) + _holes(spans, 0), _cut(text, spans)

    def _coded(self, picture: Parsed) -> tuple[int, bytes]:
        """The origin that leaves least to code, and that."""
        for n, other in enumerate(self._written):
            if are_equal(picture, other):
                return 2 * n + 1, b""
        found = [(0, mixing.encode(picture.planes, picture.frame))]
        way = self._source.nearest(picture.planes, picture.frame)
        if way is not None:
            found.append((2 * way, mixing.encode(picture.planes, picture.frame, self._source.expected(way, picture.frame))))
        return min(found, key=lambda one: len(one[1]))


def _holes(spans: Sequence[Span], at: int) -> bytes:
    """Spans of a text as they are told, from a place on."""
    told: list[bytes] = []
    for start, end in spans:
        told += (to_varint(start - at), to_varint(end - start))
        at = end
    return b"".join(told)


def _cut(text: bytes, spans: Sequence[Span]) -> bytes:
    """The text without the spans."""
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(text)]
    return b"".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _is_read_as(sheet: bytes, parsed: Parsed, text: bytes, *, depth: int) -> bool:
    """Whether a reader finds the frame, and the text with its tables."""
    try:
        read = _read_sheet(sheet, size=_ANY_SIZE, depth=depth)
        return read.frame == parsed.frame and read.with_tables(parsed.planes) == text
    except ContentError:
        return False


# reading


@dataclass(frozen=True, slots=True)
class _Picture:
    """An embedded picture, in one piece or several."""

    pieces: Sequence[Hole]
    origin: int
    n_coded: int
    sheet: _Sheet


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A skeleton without its embedded pictures and the tables that can be made, and these."""

    frame: Frame
    pictures: Sequence[_Picture]
    tables: Sequence[Hole]
    text: bytes

    def with_tables(self, planes: Sequence[Blocks]) -> bytes:
        """The text with the tables made of the coefficients. Errors: ContentError `damaged`."""
        if not self.tables:
            return self.text
        made = dict(optimal_tables(_provisional(self.pictures, self.tables, self.text), planes))
        return _filled([[hole] for hole in self.tables], self.text, [made.get(n, b"") for n in _placeholders(self.tables)])

    def all_pictures(self) -> Iterator[_Picture]:
        """Each before those that are embedded in it."""
        for picture in self.pictures:
            yield picture
            yield from picture.sheet.all_pictures()


def _read_sheet(raw: bytes, *, size: int, depth: int) -> _Sheet:
    """The sheet of a JPEG of `size` bytes. Errors: ContentError `damaged`, `too_long` of a picture that needs a longer file."""
    try:
        pictures, at = _read_pictures(raw, size=size, depth=depth)
        tables, at = _read_holes(raw, at, most=_MOST_TABLES)
    except IndexError as error:
        raise ContentError("damaged", "a skeleton that ends early") from error
    if not all(_COUNTS < n <= _COUNTS + _MOST_SYMBOLS for _, n in tables):
        raise ContentError("damaged", "a Huffman table of no size that one has")
    frame = jpeg.frame_of(_provisional(pictures, tables, raw[at:]))
    if sum(plane.block_rows * plane.block_cols for plane in frame.planes) > _MOST_BLOCKS_IN_A_BYTE * size:
        raise ContentError("too_long", f"a picture that no file of {size} bytes has")
    return _Sheet(frame, pictures, tables, raw[at:])


def _read_pictures(raw: bytes, *, size: int, depth: int) -> tuple[list[_Picture], int]:
    """The pictures that a sheet begins with, and where they end."""
    n_pictures, at = read_varint(raw, 0)
    if n_pictures > (MOST_PICTURES if depth else 0):
        raise ContentError("damaged", f"a JPEG of {n_pictures} pictures")
    pictures = []
    for _ in range(n_pictures):
        pieces, at = _read_holes(raw, at, most=MOST_PIECES)
        origin, at = read_varint(raw, at)
        n_coded, at = read_varint(raw, at)
        n_own, at = read_varint(raw, at)
        n_bytes = sum(n for _, n in pieces)
        if n_bytes > size or at + n_own > len(raw):
            raise ContentError("damaged", "a picture that is larger than what it is in")
        size -= n_bytes
        pictures.append(_Picture(pieces, origin, n_coded, _read_sheet(raw[at : at + n_own], size=n_bytes, depth=depth - 1)))
        at += n_own
    return pictures, at


def _read_holes(raw: bytes, at: int, *, most: int) -> tuple[list[Hole], int]:
    n_holes, at = read_varint(raw, at)
    if n_holes > most:
        raise ContentError("damaged", f"a skeleton that leaves out {n_holes} pieces")
    holes = []
    for _ in range(n_holes):
        gap, at = read_varint(raw, at)
        n, at = read_varint(raw, at)
        holes.append((gap, n))
    return holes, at


def _provisional(pictures: Sequence[_Picture], tables: Sequence[Hole], text: bytes) -> bytes:
    """The skeleton with zeros for pictures and placeholders for tables: it tells the frame and the scans."""
    text = _filled([[hole] for hole in tables], text, _placeholders(tables))
    zeros = [bytes(sum(n for _, n in picture.pieces)) for picture in pictures]
    return sealed(_filled([picture.pieces for picture in pictures], text, zeros))


def _placeholders(tables: Sequence[Hole]) -> list[bytes]:
    """Tables of the sizes of others, each known by its number: all codes of 16 bits, for the number as a symbol."""
    return [bytes(_COUNTS - 1) + bytes([n - _COUNTS]) + bytes([number]) * (n - _COUNTS) for number, (_, n) in enumerate(tables)]


def _filled(holes: Sequence[Sequence[Hole]], text: bytes, contents: Sequence[bytes]) -> bytes:
    """The text with the contents in their places, each in one hole or several. Errors: ContentError `damaged`."""
    out: list[bytes] = []
    at = 0
    for pieces, content in zip(holes, contents, strict=True):
        start = 0
        for gap, n in pieces:
            out += (text[at : at + gap], content[start : start + n])
            at, start = at + gap, start + n
        if at > len(text) or start != len(content):
            raise ContentError("damaged", "something that does not fit where it belongs")
    return b"".join((*out, text[at:]))


class _Reader:
    """Puts a picture and those embedded in it together."""

    def __init__(self, streams: Iterator[bytes], source: Source) -> None:
        self._streams, self._source = streams, source
        self._read: list[Sequence[Blocks]] = []

    def file(self, sheet: _Sheet, planes: Sequence[Blocks]) -> bytes:
        """The file of a sheet. Errors: ContentError `damaged`."""
        text, contents = sheet.with_tables(planes), []
        for picture in sheet.pictures:
            decoded = self._planes(picture)
            self._read.append(decoded)
            contents.append(self.file(picture.sheet, decoded))
        return jpeg.emit(sealed(_filled([picture.pieces for picture in sheet.pictures], text, contents)), planes)

    def _planes(self, picture: _Picture) -> Sequence[Blocks]:
        coded, frame = next(self._streams), picture.sheet.frame
        number, is_another = divmod(picture.origin, 2)
        if is_another:
            if number >= len(self._read):
                raise ContentError("damaged", "a picture with the coefficients of one to come")
            return self._read[number]
        return mixing.decode(coded, frame, self._source.expected(number, frame) if number else None)
