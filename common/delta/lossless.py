"""PNG, BMP and TIFF targets: their samples coded by themselves, or from a base's pixels.

    raster          no base: the kernel's own model, or LZMA where that serves better, as of drawings and screenshots
    raster-replay   what was done to the base's picture is done again; what is still wrong is coded against it

    edit        of raster-replay only: the mark of the base's pixels, u16 length and the edit
    skeleton    a frame of `coding.over`, over the base's
    samples     u8: their number in `_CODERS`, and the coded ones; of 16 bits the upper halves behind their length, then the lower

An edit that is not quite what was done costs bytes, never a wrong one. Alpha is expected to be opaque.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from common.coding.over import compress, decompress_first
from common.delta import edits, rasters
from common.delta.edits import render
from common.delta.opened import MARK_BYTES, Opened
from common.delta.rasters import Layout, Levels
from common.errors import ContentError, IntegrityError
from common.kernel import levels
from common.kernel.pixels import Samples

_HEAD = struct.Struct(f"<{MARK_BYTES}sH")
_PART = struct.Struct("<I")
_PROBE = 128
"""Rows by which a coder is chosen."""
_OPAQUE = 255
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]

Shape = tuple[int, int, int]


class RasterAlone:
    """Without a base."""

    needs_base = False

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The skeleton and the samples. Errors: ContentError as `Opened.raster`."""
        del base
        raster = target.raster
        return compress(raster.skeleton, b"") + _encoded(raster.samples, None)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The file. Errors: ContentError `damaged`."""
        del base
        skeleton, coded = decompress_first(body, b"", most=_most_skeleton(size))
        return rasters.put_together(skeleton, _decoded(coded, rasters.layout_of(skeleton), None))


class RasterReplay:
    """By the edit that a search found."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The edit, the skeleton, the samples. Errors: ContentError, `unsupported` where no edit serves."""
        from common.delta.search import best_edit  # noqa: PLC0415 - decoders do without
        from common.delta.search.raster_judge import RasterJudge  # noqa: PLC0415 - likewise

        if not target.is_raster:
            raise ContentError("unsupported", "the target is no file of pixels")
        edit = best_edit(base, RasterJudge(target))
        told = edits.to_bytes(edit)
        raster = target.raster
        coded = _encoded(raster.samples, _expected(render(edit, base), raster.layout))
        head = _HEAD.pack(base.mark(edit.eighths), len(told))
        return head + told + compress(raster.skeleton, base.skeleton) + coded

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The file. Errors: ContentError `damaged`; IntegrityError where the base comes out in other pixels here."""
        if len(body) < _HEAD.size:
            raise ContentError("damaged", "a delta that ends early")
        mark, n_told = _HEAD.unpack_from(body)
        end = _HEAD.size + n_told
        edit = edits.from_bytes(body[_HEAD.size : end])
        if base.mark(edit.eighths) != mark:
            raise IntegrityError("the base has other pixels here than where the delta was made: another version decoded it")
        skeleton, coded = decompress_first(body[end:], base.skeleton, most=_most_skeleton(size))
        layout = rasters.layout_of(skeleton)
        if edits.shapes_of(edit, base)[-1] != (layout.rows, layout.cols, rasters.colours_of(layout)):
            raise ContentError("damaged", "the edit makes no picture of the target's size")
        return rasters.put_together(skeleton, _decoded(coded, layout, _expected(render(edit, base), layout)))


def _most_skeleton(size: int) -> int:
    """Bytes that are not samples, of a file of so many."""
    return 2 * size + 65536


def _expected(rendered: Samples, layout: Layout) -> Samples:
    """The picture with as many channels as the target has."""
    expected = np.full(layout.shape, _OPAQUE, np.uint8)
    expected[:, :, : rendered.shape[2]] = rendered
    return expected


# samples


def _encoded(samples: Levels, expected: Samples | None) -> bytes:
    if samples.dtype == np.uint8:
        return _coded(samples.astype(np.uint8), expected)
    # A picture of 8 bits in 16 has the same byte twice.
    upper, lower = (samples >> 8).astype(np.uint8), (samples & 255).astype(np.uint8)
    coded = _coded(upper, expected)
    return _PART.pack(len(coded)) + coded + _coded(lower, upper)


def _decoded(coded: bytes, layout: Layout, expected: Samples | None) -> Levels:
    if layout.n_bytes == 1:
        return _restored(coded, layout.shape, expected)
    if len(coded) < _PART.size:
        raise ContentError("damaged", "a delta that ends early")
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
        raw = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA).decompress(coded, n_bytes + 1)
    except lzma.LZMAError as error:
        raise ContentError("damaged", "samples that cannot be read") from error
    if len(raw) != n_bytes:
        raise ContentError("damaged", "fewer samples than the picture has")
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
"""Numbers in deltas: they stay for ever."""
