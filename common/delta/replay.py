"""Targets from a base's pixels: what was done to them is done again, then they are encoded as the target was.

    jpeg-replay     u8: the encoder's transform, of `TRANSFORMS`; the head; the rest as every JPEG's: `coding.skeletons`
    raster-replay   the head; the rest as every PNG's, BMP's and TIFF's: `coding.rasters`

    head            the mark of the base's pixels (`Opened.mark`), u16 length and the edit

An edit that is not quite what was done costs bytes, never a wrong one: each coefficient, each sample is coded against what was
expected of it. Alpha is expected to be opaque. Decoders load no search, nor the libraries that it needs.
"""

from __future__ import annotations

import struct

import numpy as np

from common.coding import rasters, skeletons
from common.coding.rasters import Layout
from common.delta import edits
from common.delta.edits import Edit, render
from common.delta.jpegs import TRANSFORMS
from common.delta.opened import MARK_BYTES, Opened
from common.errors import ContentError, IntegrityError
from common.kernel import mixing, pixels
from common.kernel.pixels import Samples

_HEAD = struct.Struct(f"<{MARK_BYTES}sH")
_OPAQUE = 255


class JpegReplay:
    """A JPEG, by the edit that a search found."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """Transform and edit, the skeleton, the coefficients. Errors: ContentError, `unsupported` where no edit serves."""
        from common.delta.search import best_edit  # noqa: PLC0415 - decoders do without
        from common.delta.search.judges import JpegJudge  # noqa: PLC0415 - likewise

        judge = JpegJudge(target)
        believed = edits.from_bytes(target.approximation) if target.approximation else None
        edit = best_edit(base, judge, believed)
        transform = judge.transform_of(lambda window: render(edit, base, window))
        expected = pixels.expect(render(edit, base), target.proved.frame, transform)
        coded = mixing.encode(target.proved.planes, target.proved.frame, expected)
        head = bytes([TRANSFORMS.index(transform)]) + _head(edit, base)
        return head + skeletons.to_body(target.proved, base.skeleton, coded)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The JPEG. Errors: ContentError `damaged`; IntegrityError where the base comes out in other pixels here."""
        if not body or body[0] >= len(TRANSFORMS):
            raise ContentError("damaged", "an unknown transform")
        edit, rest = _opened(body[1:], base)
        told = skeletons.from_body(rest, base.skeleton, size=size)
        frame = told.frame
        _check_shape(edit, base, (frame.height, frame.width, len(frame.planes)))
        expected = pixels.expect(render(edit, base), frame, TRANSFORMS[body[0]])
        return told.file(mixing.decode(told.coded, frame, expected))


class RasterReplay:
    """A PNG, a BMP or a TIFF, likewise."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The edit, the skeleton, the samples. Errors: ContentError, `unsupported` where no edit serves."""
        from common.delta.search import best_edit  # noqa: PLC0415 - decoders do without
        from common.delta.search.raster_judge import RasterJudge  # noqa: PLC0415 - likewise

        if not target.is_raster:
            raise ContentError("unsupported", "the target is no file of pixels")
        edit = best_edit(base, RasterJudge(target))
        expected = _expected(render(edit, base), target.raster.layout)
        return _head(edit, base) + rasters.to_body(target.raster, base.skeleton, expected)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The file. Errors: ContentError `damaged`; IntegrityError where the base comes out in other pixels here."""
        edit, rest = _opened(body, base)
        told = rasters.from_body(rest, base.skeleton, size=size)
        _check_shape(edit, base, (told.layout.rows, told.layout.cols, rasters.colours_of(told.layout)))
        return told.file(_expected(render(edit, base), told.layout))


def _head(edit: Edit, base: Opened) -> bytes:
    told = edits.to_bytes(edit)
    return _HEAD.pack(base.mark(edit.eighths), len(told)) + told


def _opened(body: bytes, base: Opened) -> tuple[Edit, bytes]:
    """The edit in a head, and what follows it. Errors: ContentError `damaged`; IntegrityError of a base with other pixels."""
    if len(body) < _HEAD.size:
        raise ContentError("damaged", "a delta that ends early")
    mark, n_told = _HEAD.unpack_from(body)
    end = _HEAD.size + n_told
    edit = edits.from_bytes(body[_HEAD.size : end])
    if base.mark(edit.eighths) != mark:
        raise IntegrityError("the base has other pixels here than where the delta was made: another version decoded it")
    return edit, body[end:]


def _check_shape(edit: Edit, base: Opened, shape: tuple[int, int, int]) -> None:
    if edits.shapes_of(edit, base)[-1] != shape:
        raise ContentError("damaged", "the edit makes no picture of the target's size")


def _expected(rendered: Samples, layout: Layout) -> Samples:
    """The picture with as many channels as the target has."""
    expected = np.full(layout.shape, _OPAQUE, np.uint8)
    expected[:, :, : rendered.shape[2]] = rendered
    return expected
