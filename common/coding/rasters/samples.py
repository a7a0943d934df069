"""The samples of a picture, coded by themselves, or against those that a base makes one expect.

    u8 of their number in `_CODERS`, and the coded ones; of 16 bits the upper halves behind their length, then the lower

By the kernel's own model, or by LZMA where that serves better, as of drawings and screenshots.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from common.coding.rasters.layout import Layout, Levels
from common.errors import ContentError
from common.kernel import levels
from common.kernel.pixels import Samples

_PART = struct.Struct("<I")
_PROBE = 128
"""Rows by which a coder is chosen."""
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]

Shape = tuple[int, int, int]


def encode(samples: Levels, expected: Samples | None = None) -> bytes:
    """The coded samples, against those that are expected where there are any. Errors: ContentError `not_smaller`."""
    if samples.dtype == np.uint8:
        return _coded(samples.astype(np.uint8), expected)
    # A picture of 8 bits in 16 has the same byte twice.
    upper, lower = (samples >> 8).astype(np.uint8), (samples & 255).astype(np.uint8)
    coded = _coded(upper, expected)
    return _PART.pack(len(coded)) + coded + _coded(lower, upper)


def decode(coded: bytes, layout: Layout, expected: Samples | None = None) -> Levels:
    """The samples of a layout. Errors: ContentError `damaged`."""
    if layout.n_bytes == 1:
        return _restored(coded, layout.shape, expected)
    if len(coded) < _PART.size:
        raise ContentError("damaged", "samples that end early")
    end = _PART.size + _PART.unpack_from(coded)[0]
    upper = _restored(coded[_PART.size : end], layout.shape, expected)
    lower = _restored(coded[end:], layout.shape, upper)
    return np.asarray(upper.astype(np.uint16) << 8 | lower, np.uint16)


def _coded(samples: Samples, expected: Samples | None) -> bytes:
    """By the coder that is better in the middle of the picture; the model alone where something is expected."""
    best = _MODEL
    if expected is None:
        start = max(0, (len(samples) - _PROBE) // 2)
        probe = samples[start : start + _PROBE]
        best = min(_CODERS, key=lambda number: len(_CODERS[number][0](probe, None)))
    return bytes([best]) + _CODERS[best][0](samples, expected)


def _restored(coded: bytes, shape: Shape, expected: Samples | None) -> Samples:
    if not coded or coded[0] not in _CODERS:
        raise ContentError("damaged", "samples by an unknown coder")
    return _CODERS[coded[0]][1](coded[1:], shape, expected)


def _compressed(samples: Samples, expected: Samples | None) -> bytes:
    del expected
    return lzma.compress(samples.tobytes(), lzma.FORMAT_RAW, filters=_LZMA)


def _decompressed(coded: bytes, shape: Shape, expected: Samples | None) -> Samples:
    del expected
    n_bytes = shape[0] * shape[1] * shape[2]
    try:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)
        raw = decompressor.decompress(coded, n_bytes + 1)
    except lzma.LZMAError as error:
        raise ContentError("damaged", "samples that cannot be read") from error
    if len(raw) != n_bytes or not decompressor.eof or decompressor.unused_data:
        raise ContentError("damaged", "another number of samples than the picture has")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _modelled(samples: Samples, expected: Samples | None) -> bytes:
    # A palette's indices and packed bits can have any number of columns and one channel; so can pictures of odd channels.
    return levels.encode(samples if samples.shape[2] <= _MOST_CHANNELS else samples.reshape(len(samples), -1, 1), expected)


def _remodelled(coded: bytes, shape: Shape, expected: Samples | None) -> Samples:
    if shape[2] > _MOST_CHANNELS:
        return levels.decode(coded, (shape[0], shape[1] * shape[2], 1), expected).reshape(shape)
    return levels.decode(coded, shape, expected)


_MODEL = 0
_MOST_CHANNELS = 4
_CODERS: Mapping[
    int,
    tuple[Callable[[Samples, Samples | None], bytes], Callable[[bytes, Shape, Samples | None], Samples]],
] = MappingProxyType({_MODEL: (_modelled, _remodelled), 1: (_compressed, _decompressed)})
"""Numbers in coded forms: they stay for ever."""
