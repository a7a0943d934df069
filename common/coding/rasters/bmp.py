"""BMP: the header with palette and profile, rows of pixels from below or above, what follows.

    all bytes before the pixels, all bytes after them

Rows are filled up to four bytes with zeros; other fillings, and run-length coding, are refused.
"""

from __future__ import annotations

import struct

import numpy as np

from common.coding.rasters.layout import Layout, Levels, Raster, checked, to_levels, to_rows
from common.coding.rasters.told import Told, to_told
from common.errors import ContentError

_START = struct.Struct("<10xI")
_INFO = struct.Struct("<IiiHHI")
_HEADERS = (12, 40, 52, 56, 108, 124)
_OLD = 12
_PLAIN, _MASKED = 0, 3
_BITS = (1, 4, 8, 16, 24, 32)
_GREYS = bytes(value for level in range(256) for value in (level, level, level, 0))


def take_apart(content: bytes) -> Raster:
    """Errors: ContentError `unsupported`, `damaged`, `too_large`."""
    if len(content) < _START.size:
        raise ContentError("damaged", "a BMP that ends within its header")
    (start,) = _START.unpack_from(content)
    layout, width, is_turned = _layout(content[:start])
    end = start + layout.rows * width
    if len(content) < end or start < _START.size:
        raise ContentError("unsupported", "a BMP that ends within its pixels")
    rows = np.frombuffer(content, np.uint8, layout.rows * width, start).reshape(layout.rows, width)
    if rows[:, layout.stride :].any():
        raise ContentError("unsupported", "a BMP whose rows are filled up with something")
    rows = rows[:: -1 if is_turned else 1, : layout.stride]
    skeleton = to_told(content[:start], content[end:])
    return Raster(layout, _exchanged(to_levels(np.ascontiguousarray(rows), layout)), skeleton)


read = take_apart  # its skeleton costs nothing


def put_together(skeleton: bytes, samples: Levels) -> bytes:
    """The file. Errors: ContentError `damaged`."""
    reader = Told(skeleton)
    before, after = reader.octets(), reader.octets()
    layout, width, is_turned = _layout(before)
    rows = np.zeros((layout.rows, width), np.uint8)
    rows[:, : layout.stride] = to_rows(_exchanged(samples), layout)
    return before + rows[:: -1 if is_turned else 1].tobytes() + after


def layout_of(skeleton: bytes) -> Layout:
    """What samples the file has. Errors: ContentError `damaged`, `too_large`."""
    return _layout(Told(skeleton).octets())[0]


def _exchanged(samples: Levels) -> Levels:
    """Blue, green, red as red, green, blue, and back."""
    if samples.ndim != 3 or samples.shape[2] < 3:  # noqa: PLR2004 - channels
        return samples
    return np.ascontiguousarray(samples[:, :, [2, 1, 0, *range(3, samples.shape[2])]], np.uint8)


def _layout(before: bytes) -> tuple[Layout, int, bool]:
    """The samples, the bytes of a row as it is filled up, and whether the last row comes first."""
    header = before[_START.size :]
    size = int.from_bytes(header[:4], "little")
    if size not in _HEADERS or len(header) < size:
        raise ContentError("unsupported", "a BMP of another kind")
    if size == _OLD:
        cols, rows, _, bits = struct.unpack_from("<4xHHHH", header)
        method = _PLAIN
    else:
        _, cols, rows, _, bits, method = _INFO.unpack_from(header)
    if bits not in _BITS or method not in (_PLAIN, _MASKED) or (method == _MASKED and not _has_usual_masks(header, bits)):
        raise ContentError("unsupported", "a BMP that is coded, or whose colours are laid otherwise")
    palette = header[size : size + len(_GREYS)]
    if bits in (24, 32):
        layout = Layout(abs(rows), cols, bits // 8, 1, is_picture=True)
    else:
        is_grey = bits == 8 and palette == _GREYS  # noqa: PLR2004 - bits
        layout = Layout(abs(rows), -(-cols * bits // 8), 1, 1, is_picture=is_grey)
    return checked(layout), (cols * bits + 31) // 32 * 4, rows > 0


def _has_usual_masks(header: bytes, bits: int) -> bool:
    """Whether 32 bits are blue, green, red and something, as they are without masks."""
    return bits == 32 and struct.unpack_from("<III", header + bytes(12), 40) == (0xFF0000, 0xFF00, 0xFF)  # noqa: PLR2004 - bits
