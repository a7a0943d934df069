"""TIFF 6: strips of one picture, plain, LZW or deflated; everything else as it is.

    the bytes before the first strip and behind the last, with zeros where they tell the strips' places and sizes
    byte order; rows, columns, channels, bytes of a sample; whether it is a picture; rows of a strip; compression; predictor
    where the first strip begins; of the two tables of places and of sizes: at which of the bytes, and the bytes of a number
    what each strip of a deflated picture has to tell

Strips have to follow each other without a gap, as everybody writes them. Tiles, separate planes, and further pictures' pixels in
what is cut out are refused or stay as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from common.coding.rasters import deflated
from common.coding.rasters.layout import MAX_SIDE, Layout, Levels, Raster, checked, to_levels, to_rows
from common.coding.rasters.told import Told, to_told
from common.errors import ContentError
from common.kernel import lzw

Bytes = NDArray[np.uint8]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOUR, _PLACES, _CHANNELS, _ROWS, _SIZES, _PLANAR, _PREDICTOR = (
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
    284,
    317,
)
_SHORT, _LONG = 3, 4
_KINDS = {1: 1, _SHORT: 2, _LONG: 4}
_MAX_ENTRIES = 1 << 12
_MAX_STRIPS = 1 << 16
_PLAIN, _LZW, _DEFLATE, _OLD_DEFLATE = 1, 5, 8, 32946
_PICTURES = {(1, 1), (1, 2), (2, 3), (2, 4)}
"""Of photometric interpretation and channels: those that are grey from black on, and RGB."""


@dataclass(frozen=True, slots=True)
class _Strips:
    """How the picture is laid, and where its strips are told."""

    is_big: int
    rows: int
    cols: int
    channels: int
    n_bytes: int
    is_picture: int
    per_strip: int
    compression: int
    predictor: int
    start: int
    places_at: int
    places_width: int
    sizes_at: int
    sizes_width: int

    @property
    def layout(self) -> Layout:
        """Of the samples."""
        return Layout(self.rows, self.cols, self.channels, self.n_bytes, bool(self.is_picture))

    @property
    def order(self) -> str:
        """Of bytes."""
        return ">" if self.is_big else "<"

    @property
    def n(self) -> int:
        """How many strips."""
        return -(-self.rows // self.per_strip)


def take_apart(content: bytes) -> Raster:
    """Errors: ContentError, `unsupported` of what does not come together again."""
    strips, places, sizes = _read_head(content)
    raster, told = _read_strips(content, strips, places, sizes)
    end = places[-1] + sizes[-1]
    if places != np.cumsum([strips.start, *sizes[:-1]]).tolist():
        raise ContentError("unsupported", "a TIFF whose strips do not follow each other")
    kept = bytearray(content[: strips.start] + content[end:])
    for at, width in ((strips.places_at, strips.places_width), (strips.sizes_at, strips.sizes_width)):
        kept[at : at + strips.n * width] = bytes(strips.n * width)
    skeleton = to_told(*astuple(strips), bytes(kept), *(told if strips.compression == _DEFLATE else []))
    if put_together(skeleton, raster.samples) != content:
        raise ContentError("unsupported", "a TIFF that does not come together again")
    return Raster(raster.layout, raster.samples, skeleton)


def read(content: bytes) -> Raster:
    """The samples alone. Errors: ContentError."""
    return _read_strips(content, *_read_head(content))[0]


def _read_strips(content: bytes, strips: _Strips, places: list[int], sizes: list[int]) -> tuple[Raster, list[bytes]]:
    """The samples, and what each strip has to tell."""
    layout = checked(strips.layout)
    parts, told = [], []
    for at, size, n in zip(places, sizes, _heights(strips), strict=True):
        if at + size > len(content):
            raise ContentError("damaged", "a TIFF that ends within its pixels")
        raw, said = _open_strip(content[at : at + size], n * layout.stride, strips)
        parts.append(raw)
        told.append(said)
    samples = to_levels(np.concatenate(parts).reshape(layout.rows, layout.stride), layout, strips.order)
    return Raster(layout, _summed(samples) if strips.predictor > 1 else samples, b""), told


def put_together(skeleton: bytes, samples: Levels) -> bytes:
    """The file. Errors: ContentError `damaged`."""
    reader = Told(skeleton)
    strips = _told_strips(reader)
    kept = bytearray(reader.octets())
    layout = strips.layout
    if strips.predictor > 1:
        samples = _differences(samples)
    rows = to_rows(samples, layout, strips.order)
    parts, at = [], 0
    for n in _heights(strips):
        said = reader.octets() if strips.compression == _DEFLATE else b""
        parts.append(_close_strip(rows[at : at + n].reshape(-1), said, strips))
        at += n
    sizes = [len(part) for part in parts]
    places = np.cumsum([strips.start, *sizes[:-1]]).tolist()
    for where, width, values in (
        (strips.places_at, strips.places_width, places),
        (strips.sizes_at, strips.sizes_width, sizes),
    ):
        if where + strips.n * width > len(kept) or max(values) >= 1 << 8 * width:
            raise ContentError("damaged", "a TIFF whose tables are not where they should be")
        kept[where : where + strips.n * width] = np.array(values).astype(f"{strips.order}u{width}").tobytes()
    return bytes(kept[: strips.start]) + b"".join(parts) + bytes(kept[strips.start :])


def layout_of(skeleton: bytes) -> Layout:
    """What samples the file has. Errors: ContentError `damaged`, `too_large`."""
    return _told_strips(Told(skeleton)).layout


def _told_strips(reader: Told) -> _Strips:
    limits = (1, MAX_SIDE, MAX_SIDE, MAX_SIDE, 2, 1, MAX_SIDE, 1 << 16, 2, 1 << 30, 1 << 30, 4, 1 << 30, 4)
    strips = _Strips(*(reader.number(most=most) for most in limits))
    checked(strips.layout)
    if strips.n_bytes < 1 or strips.per_strip < 1 or not {strips.places_width, strips.sizes_width} <= {2, 4}:
        raise ContentError("damaged", "the skeleton of a TIFF makes no sense")
    return strips


# the first directory


def _read_head(content: bytes) -> tuple[_Strips, list[int], list[int]]:
    """How the picture is laid; each strip's place and size."""
    order = "<" if content.startswith(b"II") else ">"
    try:
        return _laid(content, _entries(content, order), order)
    except (struct.error, KeyError, IndexError) as error:
        raise ContentError("unsupported", "a TIFF without what a picture needs") from error


def _entries(content: bytes, order: str) -> Mapping[int, tuple[int, int, int]]:
    """Of each tag: the kind of its numbers, how many they are, where they are."""
    (at,) = struct.unpack_from(f"{order}I", content, 4)
    (n,) = struct.unpack_from(f"{order}H", content, at)
    if n > _MAX_ENTRIES:
        raise ContentError("unsupported", "a TIFF of too many tags")
    entries = {}
    for i in range(n):
        place = at + 2 + 12 * i
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, place)
        if _KINDS.get(kind, 8) * count > 4:  # noqa: PLR2004 - what fits in the entry itself
            (where,) = struct.unpack_from(f"{order}I", content, place + 8)
        else:
            where = place + 8
        entries[tag] = kind, count, where
    return entries


def _numbers(content: bytes, entry: tuple[int, int, int], order: str) -> list[int]:
    kind, count, where = entry
    width = _KINDS[kind]
    if count > _MAX_STRIPS or where + count * width > len(content):
        raise ContentError("unsupported", "a TIFF that ends within a table")
    numbers: list[int] = np.frombuffer(content, f"{order}u{width}", count, where).tolist()
    return numbers


def _laid(content: bytes, entries: Mapping[int, tuple[int, int, int]], order: str) -> tuple[_Strips, list[int], list[int]]:
    def first(tag: int, otherwise: int | None = None) -> int:
        if tag not in entries and otherwise is not None:
            return otherwise
        return _numbers(content, entries[tag], order)[0]

    rows, cols, channels = first(_HEIGHT), first(_WIDTH), first(_CHANNELS, 1)
    bits = set(_numbers(content, entries[_BITS], order)) if _BITS in entries else {1}
    compression, predictor = first(_COMPRESSION, _PLAIN), first(_PREDICTOR, 1)
    if len(bits) != 1 or first(_PLANAR, 1) != 1 or not {compression} <= {_PLAIN, _LZW, _DEFLATE, _OLD_DEFLATE}:
        raise ContentError("unsupported", "a TIFF of another kind")
    depth = bits.pop()
    is_whole = depth in (8, 16)
    if predictor not in (1, 2) or (predictor > 1 and not is_whole) or not 1 <= channels <= 32:  # noqa: PLR2004
        raise ContentError("unsupported", "a TIFF with another predictor")
    stored, sized = entries[_PLACES], entries[_SIZES]
    places, sizes = _numbers(content, stored, order), _numbers(content, sized, order)
    per_strip = min(first(_ROWS, rows), rows)
    start = places[0]
    end = places[-1] + sizes[-1]
    strips = _Strips(
        is_big=int(order == ">"),
        rows=rows,
        cols=cols if is_whole else -(-cols * channels * depth // 8),
        channels=channels if is_whole else 1,
        n_bytes=depth // 8 if is_whole else 1,
        is_picture=int(is_whole and (first(_COLOUR), channels) in _PICTURES),
        per_strip=per_strip,
        compression=_DEFLATE if compression == _OLD_DEFLATE else compression,
        predictor=predictor if compression in (_LZW, _DEFLATE, _OLD_DEFLATE) else 1,
        start=start,
        places_at=stored[2] - (end - start) * (stored[2] >= end),
        places_width=_KINDS[stored[0]],
        sizes_at=sized[2] - (end - start) * (sized[2] >= end),
        sizes_width=_KINDS[sized[0]],
    )
    if per_strip < 1 or len(places) != strips.n or len(sizes) != strips.n or start > len(content):
        raise ContentError("unsupported", "a TIFF with another number of strips")
    return strips, places, sizes


# strips


def _heights(strips: _Strips) -> Iterator[int]:
    """The rows of each strip."""
    for at in range(0, strips.rows, strips.per_strip):
        yield min(strips.per_strip, strips.rows - at)


def _open_strip(coded: bytes, size: int, strips: _Strips) -> tuple[Bytes, bytes]:
    """The bytes of a strip, and what tells of a deflated one."""
    if strips.compression == _LZW:
        return lzw.read(np.frombuffer(coded, np.uint8), size), b""
    if strips.compression == _DEFLATE:
        if len(coded) < 6 or coded[0] & 15 != 8 or coded[0] >> 4 > 7 or coded[1] & 32:  # noqa: PLR2004 - header and sum
            raise ContentError("unsupported", "a strip without a zlib stream")
        window = max(512, 256 << (coded[0] >> 4))
        raw, told, end = deflated.take_apart(coded[2:], size, hint=coded[1] >> 6, window=window)
        return raw, to_told(coded[:2] + coded[6 + end :], told)
    if len(coded) != size:
        raise ContentError("unsupported", "a strip of another size")
    return np.frombuffer(coded, np.uint8), b""


def _close_strip(raw: Bytes, told: bytes, strips: _Strips) -> bytes:
    if strips.compression == _LZW:
        return lzw.write(raw)
    if strips.compression == _DEFLATE:
        reader = Told(told)
        ends = reader.octets()
        return ends[:2] + deflated.put_together(raw, reader.octets()) + deflated.checksum(raw) + ends[2:]
    return raw.tobytes()


def _summed(samples: Levels) -> Levels:
    """Differences to the pixel on the left, undone."""
    if samples.dtype == np.uint8:
        return np.cumsum(samples, axis=1, dtype=np.uint8)
    return np.cumsum(samples, axis=1, dtype=np.uint16)


def _differences(samples: Levels) -> Levels:
    changed = samples.copy()
    changed[:, 1:] -= samples[:, :-1]
    return changed
