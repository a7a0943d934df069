"""JPEG targets that ffmpeg made of a JPEG: its planes are decoded, turned, scaled and encoded again, and never are colours.

    form     u8: one of eight, as of `Turn`
    scaler   u8: 0, or by which of `SCALERS` the planes were scaled
    the rest as every JPEG's: `jpegs`

What ffmpeg computes is known to the bit, so a few pieces of the target tell whether it was ffmpeg, and how.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.coding.skeletons import from_body, to_body
from common.delta.opened import Opened
from common.delta.steps.geometry import N_FORMS, Turn, turned_to
from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel import dct, ffmpeg, mixing
from common.kernel.frame import Frame, Plane
from common.kernel.jpeg import Blocks, Parsed
from common.kernel.pixels import Samples
from common.kernel.swscale import scaling

SCALERS = (None, "bicubic", "lanczos", "bilinear")
"""By their number in deltas."""
_CONVERTER = "bicubic"
"""By which chroma comes to another number of samples, where nothing else is asked for."""
_HEAD = struct.Struct("<BB")
_BLOCK = 8
_FIRST_DIVISOR = 8
"""Of every table that ffmpeg makes."""
_MOST_DIVISOR = 255
_PIECE = 6
"""Blocks to a side, of the pieces that tell."""
_N_PIECES = 3
"""Down, and across."""
_LEAST_EQUAL = 0.8
"""Of the coefficients that show something."""
_ROUNDED = 4
"""Pixels by which a side may differ from the other one's scale."""

Expected = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Way:
    """What ffmpeg did to the planes."""

    form: int
    scaler: str | None


class JpegPlanes:
    """Over a JPEG."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """How the planes were changed, the skeleton, the coefficients. Errors: ContentError, `unsupported` of others' targets."""
        parsed, known = target.proved, base.parsed
        if any(plane.quantisation[0] != _FIRST_DIVISOR for plane in parsed.frame.planes):
            raise ContentError("unsupported", "ffmpeg has other tables")
        way = max(_ways(parsed.frame, known.frame), key=lambda way: _likeness(parsed, known, way), default=None)
        if way is None or _likeness(parsed, known, way) < _LEAST_EQUAL:
            raise ContentError("unsupported", "not what ffmpeg makes of the base")
        coded = mixing.encode(parsed.planes, parsed.frame, _expected(known, parsed.frame, way))
        return _HEAD.pack(way.form, SCALERS.index(way.scaler)) + to_body(parsed, base.skeleton, coded)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The JPEG. Errors: ContentError `damaged`."""
        if len(body) < _HEAD.size:
            raise ContentError("damaged", "a delta that ends early")
        form, scaler = _HEAD.unpack_from(body)
        told = from_body(body[_HEAD.size :], base.skeleton, size=size)
        frame, known = told.frame, base.parsed
        if form >= N_FORMS or scaler >= len(SCALERS) or not _is_alike(frame, known.frame):
            raise ContentError("damaged", "ffmpeg makes no such planes of the base")
        return told.file(mixing.decode(told.coded, frame, _expected(known, frame, _Way(form, SCALERS[scaler]))))


def _ways(frame: Frame, base: Frame) -> Iterator[_Way]:
    """What may have been done, by the sizes."""
    for form in range(N_FORMS) if _is_alike(frame, base) else ():
        rows, cols = (base.width, base.height) if form & 1 else (base.height, base.width)
        if (rows, cols) == (frame.height, frame.width):
            yield _Way(form, None)
        elif abs(frame.width * rows - frame.height * cols) <= _ROUNDED * max(rows, cols):
            yield from (_Way(form, scaler) for scaler in SCALERS[1:])


def _is_alike(frame: Frame, base: Frame) -> bool:
    """Whether the frame has as many components as the base, and divisors such as ffmpeg's."""
    divisors = [divisor for plane in frame.planes for divisor in plane.quantisation]
    is_whole = len(_subsamplings(frame)) == len(_subsamplings(base)) == len(frame.planes)
    return is_whole and min(divisors) > 0 and max(divisors) <= _MOST_DIVISOR


def _subsamplings(frame: Frame) -> list[tuple[int, int]]:
    """How many of the picture's columns and rows a sample of each component stands for; empty if these are no whole numbers."""
    wide, tall = max(plane.h for plane in frame.planes), max(plane.v for plane in frame.planes)
    whole = all(wide % plane.h == 0 and tall % plane.v == 0 for plane in frame.planes)
    return [(wide // plane.h, tall // plane.v) for plane in frame.planes] if whole else []


def _sizes(frame: Frame) -> list[tuple[int, int]]:
    """Rows and columns of each component's samples."""
    return [(-(-frame.height // tall), -(-frame.width // wide)) for wide, tall in _subsamplings(frame)]


def _expected(known: Parsed, frame: Frame, way: _Way) -> list[Expected]:
    """The coefficients that ffmpeg would write."""
    expected = []
    for k, (size, plane) in enumerate(zip(_sizes(frame), frame.planes, strict=True)):
        samples = _changed(known, frame, way, k, Window(0, 0, *size))
        missing = (_BLOCK * plane.block_rows - size[0], _BLOCK * plane.block_cols - size[1])
        if min(missing) < 0:
            raise ContentError("damaged", "blocks that do not cover the picture")
        filled = np.pad(samples, ((0, missing[0]), (0, missing[1])), mode="edge")
        expected.append(ffmpeg.forward(np.ascontiguousarray(filled), plane))
    return expected


def _changed(known: Parsed, frame: Frame, way: _Way, k: int, window: Window) -> Samples:
    """A window of the k-th component's samples, of those blocks that it needs."""
    size, outcome = _sizes(known.frame)[k], _sizes(frame)[k]
    wide, tall = _subsamplings(frame)[k]
    before = None
    if way.form & 1:  # what has other samples across than down is made even before it is transposed
        even = (-(-known.frame.height // wide), -(-known.frame.width // tall))
        before, size = scaling(size, even, _CONVERTER) if size != even else None, even
    turn, shape = Turn(way.form), Shape(*size, 1)
    turned = turn.shape(shape)[:2]
    after = scaling(turned, outcome, way.scaler or _CONVERTER, tall) if way.scaler or turned != outcome else None
    between = turn.needs(Window(*after.needs(window)) if after else window, shape)
    samples = _samples(known.planes[k], known.frame.planes[k], Window(*before.needs(between)) if before else between)
    samples = before.apply(samples, between) if before else samples
    samples = turned_to(way.form, samples[:, :, None])[:, :, 0]
    return after.apply(samples, window) if after else samples


def _samples(blocks: Blocks, plane: Plane, window: Window) -> Samples:
    """A window of a component as ffmpeg decodes it. Errors: ContentError `damaged` where blocks are missing."""
    top, left = window.top // _BLOCK, window.left // _BLOCK
    bottom, right = -(-(window.top + window.rows) // _BLOCK), -(-(window.left + window.cols) // _BLOCK)
    if bottom > blocks.shape[0] or right > blocks.shape[1]:
        raise ContentError("damaged", "blocks that do not cover the picture")
    samples = ffmpeg.inverse_plane(np.ascontiguousarray(blocks[top:bottom, left:right]), plane.quantisation)
    return Window(window.top - _BLOCK * top, window.left - _BLOCK * left, window.rows, window.cols).of(samples)


def _likeness(target: Parsed, known: Parsed, way: _Way) -> float:
    """The share of coefficients that come out as they are, of those of the first component that show something."""
    plane, blocks = target.frame.planes[0], target.planes[0]
    rows, cols = (n // _BLOCK for n in _sizes(target.frame)[0])
    equal = telling = 0
    for top, left in _places(rows, cols):
        tall, wide = min(_PIECE, rows - top), min(_PIECE, cols - left)
        window = Window(_BLOCK * top, _BLOCK * left, _BLOCK * tall, _BLOCK * wide)
        piece = replace(plane, block_rows=tall, block_cols=wide)
        samples = np.ascontiguousarray(_changed(known, target.frame, way, 0, window))
        expected = dct.quantise(ffmpeg.forward(samples, piece))
        wanted = blocks[top : top + tall, left : left + wide]
        shows = (expected != 0) | (wanted != 0)
        equal += int(((expected == wanted) & shows).sum())
        telling += int(shows.sum())
    return equal / telling if telling else 0.0


def _places(rows: int, cols: int) -> Sequence[tuple[int, int]]:
    """Where pieces begin, in blocks: evenly over the picture."""
    down, across = (sorted({(n - min(n, _PIECE)) * k // (_N_PIECES - 1) for k in range(_N_PIECES)}) for n in (rows, cols))
    return [(top, left) for top in down for left in across] if rows and cols else []
