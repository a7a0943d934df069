"""The JPEGs inside a JPEG's headers and behind its end: thumbnails, previews, depth maps.

Found in the bytes of a skeleton by their first marker, and taken apart, each proved to come together again. FlashPix spreads a
picture over segments, so an embedded picture is one piece of the skeleton or several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from common.errors import ContentError
from common.kernel import jpeg
from common.kernel.headers import read_headers
from common.kernel.jpeg import Parsed

MOST_PICTURES: Final = 16
"""In one skeleton."""
MOST_PIECES: Final = 64
"""Of one picture."""
_MOST_LOOKS: Final = 48
_MOST_BYTES_LOOKED_AT: Final = 1 << 30
_START: Final = b"\xff\xd8\xff"
_FLASHPIX: Final = re.compile(rb"\xff\xe2(?P<length>..)FPXR\0.\x02(?P<stream>..)....", re.DOTALL)

Span = tuple[int, int]
"""Where it begins and where it ends."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture, and where it lies."""

    spans: Sequence[Span]
    parsed: Parsed


def find(text: bytes, known: bytes) -> Iterator[Embedded]:
    """The pictures in the bytes of a skeleton, in their order, but for those in what is known: these cost nothing as they are."""
    segments = _flashpix(text)
    at, n_looks, n_bytes, n_found = text.find(_START) + 1, 0, 0, 0
    while n_found < MOST_PICTURES and n_looks < _MOST_LOOKS and n_bytes < _MOST_BYTES_LOOKED_AT:
        at = text.find(_START, at)
        if at < 0:
            return
        pieces = _room(text, segments, at)
        n_looks, n_bytes = n_looks + 1, n_bytes + sum(end - start for start, end in pieces)
        try:
            found = _taken_apart(text, pieces, known)
        except ContentError:
            found = None
        if found is None:
            at += len(_START)
        else:
            at, n_found = found.spans[-1][1], n_found + 1
            yield found


def _flashpix(text: bytes) -> Sequence[tuple[bytes, Span]]:
    """The streams' names and places in the segments of FlashPix."""
    found = []
    for match in _FLASHPIX.finditer(text):
        end = match.start() + 2 + int.from_bytes(match["length"])
        if match.end() < end <= len(text):
            found.append((match["stream"], (match.end(), end)))
    return found


def _room(text: bytes, segments: Sequence[tuple[bytes, Span]], at: int) -> Sequence[Span]:
    """The pieces in which a picture that begins there may go on."""
    for n, (stream, (start, end)) in enumerate(segments):
        if start <= at < end:
            pieces = [(at, end)]
            for other, piece in segments[n + 1 : n + MOST_PIECES]:
                if other != stream:
                    break
                pieces.append(piece)
            return pieces
    return [(at, len(text))]


def _taken_apart(text: bytes, room: Sequence[Span], known: bytes) -> Embedded | None:
    """The picture at the beginning of the room; None of one that is known. Errors: ContentError where there is none."""
    content = b"".join(text[start:end] for start, end in room)
    size = read_headers(content, has_entropy=True).end
    if size is None:
        raise ContentError("damaged", "a picture that has no end")
    pieces, rest = [], size
    for start, end in room:
        if rest > 0:
            pieces.append((start, min(end, start + rest)))
            rest -= end - start
    if all(text[start:end] in known for start, end in pieces):
        return None
    return Embedded(pieces, jpeg.parse(content[:size]))
