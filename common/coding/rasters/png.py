"""PNG (ISO 15948): chunks, zlib stream, filters.

    the chunks before the pixels, without their checksums, which are right
    the size of all IDAT chunks but the last; or 0 and the sizes of all
    the two bytes of the zlib header; what follows its stream
    the filters: the number of a rule in `_RULES`, what is otherwise, deflated
    the deflate stream
    the chunks after the pixels, likewise; what follows the last

Interlaced pictures are refused: they are rare, and seven pictures.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.coding.rasters import deflated
from common.coding.rasters.layout import Layout, Levels, Raster, checked, to_levels, to_rows
from common.coding.rasters.told import Told, to_told
from common.errors import ContentError
from common.kernel import filters
from common.magic import PNG

_SIGNED = struct.Struct(">I4s")
_HEADER = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
_DEPTHS = (1, 2, 4, 8, 16)
_MAX_CHUNKS = 1 << 16
_RULES: Sequence[Sequence[int]] = (
    (0,),
    (1,),
    (2,),
    (3,),
    (4,),
    (0, 1, 2, 3, 4),  # libpng: of equal sums the first
    (0, 2, 1, 4),  # Pillow
    (0, 2, 1, 3, 4),  # Pillow, asked to optimise
    (0, 1, 2, 3),
    (1, 2, 3, 4),
)
"""Which filter leaves the least sum, tried in this order. In skeletons: each keeps its number."""
_FILTERS = 5
_PROBE = 64
"""Rows on which the rules are compared."""


def take_apart(content: bytes) -> Raster:
    """Errors: ContentError, `unsupported` of what does not come together again."""
    before, parts, after = _chunks(content)
    layout = _layout(before)
    stream = b"".join(parts)
    window = 256 << (stream[0] >> 4) if stream else 0
    if len(stream) < 6 or stream[0] & 15 != 8 or not 256 <= window <= 1 << 15 or stream[1] & 32:  # noqa: PLR2004 - header and sum
        raise ContentError("unsupported", "a PNG without a zlib stream")
    size = layout.rows * (1 + layout.stride)
    raw, told, end = deflated.take_apart(stream[2:], size, hint=stream[1] >> 6, window=max(window, 512))
    if stream[2 + end : 6 + end] != deflated.checksum(raw):
        raise ContentError("unsupported", "a PNG whose pixels have another checksum")
    rows, numbers = filters.undo(raw.reshape(layout.rows, -1), _step(layout))
    rule, otherwise = _tell_filters(rows, numbers, _step(layout))
    sizes = _tell_sizes([len(part) for part in parts])
    skeleton = to_told(before, sizes, stream[:2] + stream[6 + end :], rule, otherwise, told, after)
    return Raster(layout, to_levels(rows, layout), skeleton)


def read(content: bytes) -> Raster:
    """The samples alone. Errors: ContentError."""
    before, parts, _ = _chunks(content)
    layout = _layout(before)
    n_bytes = layout.rows * (1 + layout.stride)
    try:
        raw = zlib.decompressobj().decompress(b"".join(parts), n_bytes)
    except zlib.error as error:
        raise ContentError("damaged", "a PNG whose pixels cannot be read") from error
    if len(raw) != n_bytes:
        raise ContentError("damaged", "a PNG that ends within its pixels")
    rows, _ = filters.undo(np.frombuffer(raw, np.uint8).reshape(layout.rows, -1), _step(layout))
    return Raster(layout, to_levels(rows, layout), b"")


def put_together(skeleton: bytes, samples: Levels) -> bytes:
    """The file. Errors: ContentError `damaged`."""
    reader = Told(skeleton)
    before, sizes, ends, rule, otherwise, told, after = (
        reader.octets(),
        reader.octets(),
        reader.octets(),
        reader.number(most=len(_RULES) - 1),
        reader.octets(),
        reader.octets(),
        reader.octets(),
    )
    layout = _layout(before)
    rows = to_rows(samples, layout)
    raw = filters.do(rows, _filters(rows, rule, otherwise, _step(layout)), _step(layout)).reshape(-1)
    stream = ends[:2] + deflated.put_together(raw, told) + deflated.checksum(raw) + ends[2:]
    parts, at = [], 0
    for size in _sizes(sizes, len(stream)):
        parts.append(_chunk(b"IDAT", stream[at : at + size]))
        at += size
    return b"".join([PNG, *_with_sums(before), *parts, *_with_sums(after)])


def layout_of(skeleton: bytes) -> Layout:
    """What samples the file has. Errors: ContentError `damaged`, `too_large`."""
    return _layout(Told(skeleton).octets())


# chunks


def _chunks(content: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Chunks before the pixels, the pixels' own, and chunks after them with what follows; none with its checksum."""
    before, parts, after = bytearray(), [], bytearray()
    at = len(PNG)
    for _ in range(_MAX_CHUNKS):
        if at + _SIGNED.size + 4 > len(content):
            raise ContentError("unsupported", "a PNG that ends within a chunk")
        size, name = _SIGNED.unpack_from(content, at)
        end = at + _SIGNED.size + size
        if content[end : end + 4] != zlib.crc32(content[at + 4 : end]).to_bytes(4, "big"):
            raise ContentError("unsupported", "a PNG with a chunk whose checksum is wrong")
        if name == b"IDAT":
            if after:
                raise ContentError("unsupported", "a PNG with chunks between its pixels")
            parts.append(content[at + _SIGNED.size : end])
        else:
            (after if parts else before).extend(content[at:end])
        at = end + 4
        if name == b"IEND":
            return bytes(before), parts, bytes(after) + content[at:]
    raise ContentError("unsupported", "a PNG of too many chunks")


def _chunk(name: bytes, content: bytes) -> bytes:
    return _SIGNED.pack(len(content), name) + content + zlib.crc32(name + content).to_bytes(4, "big")


def _with_sums(chunks: bytes) -> Sequence[bytes]:
    """The chunks as they are in a file; what follows IEND as it is."""
    parts, at = [], 0
    while at + _SIGNED.size <= len(chunks):
        size, name = _SIGNED.unpack_from(chunks, at)
        end = at + _SIGNED.size + size
        parts.append(_chunk(name, chunks[at + _SIGNED.size : end]))
        at = end
        if name == b"IEND":
            break
    return [*parts, chunks[at:]]


def _layout(before: bytes) -> Layout:
    """What IHDR says."""
    start = _SIGNED.size
    if len(before) < start + _HEADER.size or before[4:8] != b"IHDR":
        raise ContentError("unsupported", "a PNG without its header")
    cols, rows, depth, colour, method, filtering, is_interlaced = _HEADER.unpack_from(before, start)
    if colour not in _CHANNELS or depth not in _DEPTHS or method or filtering or is_interlaced:
        raise ContentError("unsupported", "a PNG of another kind")
    channels = _CHANNELS[colour]
    if depth < 8:  # noqa: PLR2004 - bits
        return checked(Layout(rows, -(-cols * channels * depth // 8), 1, 1, is_picture=False))
    return checked(Layout(rows, cols, channels, depth // 8, is_picture=colour != _PALETTE))


def _step(layout: Layout) -> int:
    """The bytes of a pixel, to which the filters look back."""
    return layout.channels * layout.n_bytes


def _tell_sizes(sizes: Sequence[int]) -> bytes:
    if len(set(sizes[:-1])) <= 1 and 0 < sizes[-1] <= sizes[0]:
        return to_told(sizes[0])
    return to_told(0, *sizes)


def _sizes(told: bytes, n_bytes: int) -> Sequence[int]:
    """The sizes of the IDAT chunks that hold so many bytes."""
    reader = Told(told)
    most = reader.number(most=1 << 31)
    if most:
        return [min(most, n_bytes - at) for at in range(0, n_bytes, most)]
    sizes = []
    while not reader.is_done:
        sizes.append(reader.number(most=1 << 31))
    return sizes


# filters


def _tell_filters(rows: NDArray[np.uint8], numbers: NDArray[np.uint8], step: int) -> tuple[int, bytes]:
    """The rule by which most rows have their filter, and what the others have."""
    start = max(0, len(rows) // 2 - _PROBE // 2)
    probe, wanted = rows[start : start + _PROBE], numbers[start : start + _PROBE]
    missed = [int((_by_rule(probe, rule, step) != wanted)[1:].sum()) for rule in range(len(_RULES))]
    best = min(range(len(_RULES)), key=missed.__getitem__)
    other = (numbers.astype(np.int16) - _by_rule(rows, best, step)) % _FILTERS
    return best, zlib.compress(other.astype(np.uint8).tobytes(), 9) if other.any() else b""


def _filters(rows: NDArray[np.uint8], rule: int, otherwise: bytes, step: int) -> NDArray[np.uint8]:
    numbers = _by_rule(rows, rule, step)
    if not otherwise:
        return numbers
    try:
        other = np.frombuffer(zlib.decompressobj().decompress(otherwise, len(rows)), np.uint8)
    except zlib.error as error:
        raise ContentError("damaged", "filters that cannot be read") from error
    if other.shape != numbers.shape:
        raise ContentError("damaged", "filters for another number of rows")
    return ((numbers.astype(np.int16) + other) % _FILTERS).astype(np.uint8)


def _by_rule(rows: NDArray[np.uint8], rule: int, step: int) -> NDArray[np.uint8]:
    order = _RULES[rule]
    return np.full(len(rows), order[0], np.uint8) if len(order) == 1 else filters.least(rows, step, order)
