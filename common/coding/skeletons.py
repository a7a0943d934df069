"""All of a JPEG but the coefficients of its picture, in few bytes; what every way to code a JPEG has in common.

A body is a bare Zstandard frame over what is known, the coefficients of the embedded pictures, and those of the picture:

    sheet       in the frame: how many pictures are embedded, of each
                    its pieces: how many, of each the bytes since the one before and its own
                    its origin: 0, or twice the way in which it is expected from the picture itself (`thumbnails.WAYS`),
                        or one more than twice the number of an earlier picture that has its very coefficients
                    the bytes that its coefficients take, those of its own sheet, and that
                then the skeleton, without checksum, without the pieces
    coded       the coefficients of the embedded pictures, each before those that are embedded in it
    the rest    is the caller's: the coefficients of the picture

Numbers are varints. What is known is what headers customarily say (`customary`), and a base's skeleton where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from common.coding.customary import customary
from common.coding.embedded import MOST_PICTURES, MOST_PIECES, Embedded, find
from common.coding.over import compress, decompress_first
from common.errors import ContentError
from common.kernel import jpeg, mixing
from common.kernel.frame import Frame
from common.kernel.jpeg import Blocks, Parsed, are_equal
from common.kernel.skeleton import sealed, unsealed
from common.kernel.thumbnails import Source
from common.varints import read_varint, to_varint

_MOST_DEPTH: Final = 2
_MOST_BLOCKS_IN_A_BYTE: Final = 8
"""Of a file: the shortest code is one bit."""
_SLACK_BYTES: Final = 1 << 16


def to_body(parsed: Parsed, known: bytes, coded: bytes) -> bytes:
    """A JPEG: its skeleton over a known one, before its coefficients as they were coded. Errors: ContentError `memory`."""
    writer = _Writer(known, Source(parsed.planes, parsed.frame))
    sheet = writer.sheet(parsed, depth=_MOST_DEPTH)
    return b"".join((compress(sheet, customary() + known), *writer.streams, coded))


def from_body(body: bytes, known: bytes, *, size: int) -> Told:
    """What `to_body` made of a JPEG of `size` bytes. Errors: ContentError `damaged`, `too_large`, `memory`."""
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
        if depth:
            sheet = self._cut(text, find(text, self._known), depth=depth)
            try:
                if _read_sheet(sheet, size=len(text), depth=depth).frame == parsed.frame:
                    return sheet
            except ContentError:
                pass
            # What was taken for a picture has a part in the headers.
            del self.streams[before:], self._written[before:]
        return to_varint(0) + text

    def _cut(self, text: bytes, pictures: Iterator[Embedded], *, depth: int) -> bytes:
        told: list[bytes] = []
        kept: list[bytes] = []
        n = at = 0
        for picture in pictures:
            try:
                origin, coded = self._coded(picture.parsed)
            except ContentError:
                continue  # it stays where it is
            n += 1
            self.streams.append(coded)
            self._written.append(picture.parsed)
            own = self.sheet(picture.parsed, depth=depth - 1)
            told.append(to_varint(len(picture.pieces)))
            for start, end in picture.pieces:
                told += (to_varint(start - at), to_varint(end - start))
                kept.append(text[at:start])
                at = end
            told += (to_varint(origin), to_varint(len(coded)), to_varint(len(own)), own)
        return b"".join((to_varint(n), *told, *kept, text[at:]))

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


# reading


@dataclass(frozen=True, slots=True)
class _Picture:
    """An embedded picture: of each piece the bytes before it and its own."""

    pieces: Sequence[tuple[int, int]]
    origin: int
    n_coded: int
    sheet: _Sheet


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A skeleton without its embedded pictures, and these."""

    frame: Frame
    pictures: Sequence[_Picture]
    text: bytes

    def all_pictures(self) -> Iterator[_Picture]:
        """Each before those that are embedded in it."""
        for picture in self.pictures:
            yield picture
            yield from picture.sheet.all_pictures()


def _read_sheet(raw: bytes, *, size: int, depth: int) -> _Sheet:
    """The sheet of a JPEG of `size` bytes. Errors: ContentError `damaged`, `too_large`."""
    try:
        pictures, text = _read_pictures(raw, size=size, depth=depth)
    except IndexError as error:
        raise ContentError("damaged", "a skeleton that ends early") from error
    holes = [bytes(sum(n for _, n in picture.pieces)) for picture in pictures]
    frame = jpeg.frame_of(sealed(_filled(pictures, text, holes)))
    if sum(plane.block_rows * plane.block_cols for plane in frame.planes) > _MOST_BLOCKS_IN_A_BYTE * (size + _SLACK_BYTES):
        raise ContentError("damaged", "a picture that is too large for its file")
    return _Sheet(frame, pictures, text)


def _read_pictures(raw: bytes, *, size: int, depth: int) -> tuple[list[_Picture], bytes]:
    n_pictures, at = read_varint(raw, 0)
    if n_pictures > (MOST_PICTURES if depth else 0):
        raise ContentError("damaged", f"a JPEG of {n_pictures} pictures")
    pictures = []
    for _ in range(n_pictures):
        n_pieces, at = read_varint(raw, at)
        if n_pieces > MOST_PIECES:
            raise ContentError("damaged", f"a picture of {n_pieces} pieces")
        pieces = []
        for _ in range(n_pieces):
            gap, at = read_varint(raw, at)
            n, at = read_varint(raw, at)
            pieces.append((gap, n))
        origin, at = read_varint(raw, at)
        n_coded, at = read_varint(raw, at)
        n_own, at = read_varint(raw, at)
        n_bytes = sum(n for _, n in pieces)
        if n_bytes > size or at + n_own > len(raw):
            raise ContentError("damaged", "a picture that is larger than what it is in")
        size -= n_bytes
        pictures.append(_Picture(pieces, origin, n_coded, _read_sheet(raw[at : at + n_own], size=n_bytes, depth=depth - 1)))
        at += n_own
    return pictures, raw[at:]


def _filled(pictures: Sequence[_Picture], text: bytes, contents: Sequence[bytes]) -> bytes:
    """The skeleton, with the contents in their places. Errors: ContentError `damaged`."""
    out: list[bytes] = []
    at = 0
    for picture, content in zip(pictures, contents, strict=True):
        start = 0
        for gap, n in picture.pieces:
            out += (text[at : at + gap], content[start : start + n])
            at, start = at + gap, start + n
        if at > len(text) or start != len(content):
            raise ContentError("damaged", "a picture that does not fit where it belongs")
    return b"".join((*out, text[at:]))


class _Reader:
    """Puts a picture and those embedded in it together."""

    def __init__(self, streams: Iterator[bytes], source: Source) -> None:
        self._streams, self._source = streams, source
        self._read: list[Sequence[Blocks]] = []

    def file(self, sheet: _Sheet, planes: Sequence[Blocks]) -> bytes:
        """The file of a sheet. Errors: ContentError `damaged`."""
        contents = []
        for picture in sheet.pictures:
            decoded = self._planes(picture)
            self._read.append(decoded)
            contents.append(self.file(picture.sheet, decoded))
        return jpeg.emit(sealed(_filled(sheet.pictures, sheet.text, contents)), planes)

    def _planes(self, picture: _Picture) -> Sequence[Blocks]:
        coded, frame = next(self._streams), picture.sheet.frame
        number, is_another = divmod(picture.origin, 2)
        if is_another:
            if number >= len(self._read):
                raise ContentError("damaged", "a picture with the coefficients of one to come")
            return self._read[number]
        return mixing.decode(coded, frame, self._source.expected(number, frame) if number else None)
