"""How near an edit comes to its target, seen on a few small pieces of it.

A score is the bits that the error of an edit takes, roughly, as a share of the bits that the piece takes by itself: 0 is exact,
1 is of no use. Floats are good enough: a score only chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log2
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.delta.jpegs import TRANSFORMS
from common.delta.opened import Opened, Place
from common.delta.search.seen import reduced
from common.delta.steps.step import Shape, Window
from common.errors import ContentError
from common.kernel import pixels
from common.kernel.dct import quantise
from common.kernel.frame import Frame
from common.kernel.jpeg import Blocks
from common.kernel.pixels import Samples

Renders = Callable[[Window], Samples]
"""What an edit makes of a window of the target."""

_SIDE = 64
"""Of a piece, at least."""
_GRID = 3
"""So many pieces down, and across: one of each region, so that they tell of the whole picture."""
_STEPS = 64
"""A prediction counts in these parts of a quantisation step."""
_FAR = 0.5
"""A score by one transform that no other makes a good one."""
_FORESEEN = 0.7
"""What is left of the bits of errors where the coder knows how near to another value each prediction was."""


class Judge(Protocol):
    """What a search knows of its target."""

    @property
    def shape(self) -> Shape:
        """The target's."""

    @property
    def windows(self) -> Sequence[Window]:
        """The pieces that are looked at, the most telling first."""

    def score(self, renders: Renders, n: int | None = None) -> float:
        """Of an edit, on the first `n` pieces or all."""

    def shown(self, window: Window) -> Samples:
        """The target's own pixels in a window that is one of `windows`."""

    def passed(self, window: Window, picture: Samples) -> Samples:
        """A picture of such a window, as it would be shown had it gone the target's way."""

    def reduced(self, eighths: int) -> Samples:
        """The target's picture at so many eighths of its size."""

    def within(self, window: Window) -> Judge:
        """One that looks only at pieces that lie in a window."""

    @property
    def hint(self) -> Place | None:
        """Where in the base the target may be, if somebody said so."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A few MCUs of the target, as if they were a JPEG."""

    window: Window
    frame: Frame
    planes: Sequence[Blocks]
    bits: float


class JpegJudge:
    """Of a JPEG: by its coefficients, as its own encoder would have made them."""

    def __init__(self, target: Opened, within: Window | None = None) -> None:
        """Looks at pieces `within` a window.

        Errors: ContentError as `Opened.proved`, `unsupported` of odd samplings and of the smallest pictures.
        """
        self._target = target
        self._within = within
        self._stacks: dict[int | None, _Piece] = {}
        self._shown: dict[Window, Samples] = {}
        frame = target.proved.frame
        pixels.sampling_ratios(frame)
        self.shape = Shape(frame.height, frame.width, len(frame.planes))
        if any(n < step for n, step in zip(self.shape, self._step, strict=False)):
            raise ContentError("unsupported", "a picture of less than an MCU")

    @cached_property
    def _pieces(self) -> Sequence[_Piece]:
        windows = spread(self._richness(), self._step)
        pieces = [self._piece(window) for window in windows if self._within is None or window.lies_in(self._within)]
        return sorted(pieces, key=lambda piece: -piece.bits)  # the most telling first

    @property
    def windows(self) -> Sequence[Window]:
        """Whole MCUs."""
        return [piece.window for piece in self._pieces]

    @property
    def _step(self) -> tuple[int, int]:
        """Rows and columns of an MCU."""
        planes = self._target.proved.frame.planes
        return 8 * max(plane.v for plane in planes), 8 * max(plane.h for plane in planes)

    def _richness(self) -> NDArray[np.int64]:
        """How many coefficients of the first component are not nought, in each MCU that is wholly in the picture."""
        rows, cols = (n // step for n, step in zip(self.shape, self._step, strict=False))
        plane = self._target.proved.frame.planes[0]
        telling = np.count_nonzero(self._target.proved.planes[0][: rows * plane.v, : cols * plane.h], axis=2)
        richness = np.asarray(telling.reshape(rows, plane.v, cols, plane.h).sum(axis=(1, 3)), np.int64)
        if self._within is not None:
            outside = np.ones_like(richness, np.bool_)
            top, left, tall, wide = self._within
            high, broad = self._step
            outside[-(-top // high) : (top + tall) // high, -(-left // broad) : (left + wide) // broad] = False
            richness[outside] = -(1 << 20)
        return richness

    def _piece(self, window: Window) -> _Piece:
        frame, planes = self._target.proved.frame, self._target.proved.planes
        step = self._step
        parts, cut = [], []
        for blocks, plane in zip(planes, frame.planes, strict=True):
            top, rows = (n // step[0] * plane.v for n in (window.top, window.rows))
            left, cols = (n // step[1] * plane.h for n in (window.left, window.cols))
            parts.append(np.ascontiguousarray(blocks[top : top + rows, left : left + cols]))
            cut.append(replace(plane, block_rows=rows, block_cols=cols))
        bits = sum(float(np.log2(1 + 2 * np.abs(part.astype(np.float32))).sum()) for part in parts)
        return _Piece(window, Frame(window.cols, window.rows, frame.is_progressive, tuple(cut)), parts, max(bits, 1.0))

    def score(self, renders: Renders, n: int | None = None) -> float:
        """By the encoder's transform that serves better: what is far off by one is so by the others."""
        piece, picture = self._together(n), self._rendered(renders, n)
        score = _share(piece, picture, TRANSFORMS[0])
        return score if score > _FAR else min(score, *(_share(piece, picture, transform) for transform in TRANSFORMS[1:]))

    def transform_of(self, renders: Renders) -> str:
        """The encoder's transform that comes nearer."""
        piece, picture = self._together(None), self._rendered(renders, None)
        return min(TRANSFORMS, key=lambda transform: _share(piece, picture, transform))

    def _rendered(self, renders: Renders, n: int | None) -> Samples:
        """The first `n` pieces, one above the other."""
        return np.concatenate([renders(piece.window) for piece in self._pieces[:n]])

    def _together(self, n: int | None) -> _Piece:
        """The same of the target: whole MCUs have nothing to do with each other, so that pieces are looked at as one."""
        if n not in self._stacks:
            pieces = self._pieces[:n]
            planes = [np.concatenate(parts) for parts in zip(*(piece.planes for piece in pieces), strict=True)]
            frame = pieces[0].frame
            rows = tuple(replace(plane, block_rows=len(part)) for plane, part in zip(frame.planes, planes, strict=True))
            tall = replace(frame, height=frame.height * len(pieces), planes=rows)
            self._stacks[n] = _Piece(pieces[0].window, tall, planes, sum(piece.bits for piece in pieces))
        return self._stacks[n]

    def shown(self, window: Window) -> Samples:
        """As libjpeg shows the piece; the chroma of its rim lacks its neighbours."""
        if window not in self._shown:
            piece = self._piece_at(window)
            self._shown[window] = pixels.decode_pixels(piece.planes, piece.frame)
        return self._shown[window]

    def passed(self, window: Window, picture: Samples) -> Samples:
        """Encoded with the target's tables, and shown as `shown` does it."""
        piece = self._piece_at(window)
        planes = [quantise(expected) for expected in pixels.expect(picture, piece.frame, TRANSFORMS[0])]
        return pixels.decode_pixels(planes, piece.frame)

    def within(self, window: Window) -> JpegJudge:
        """Of the pieces in a window."""
        return JpegJudge(self._target, window)

    def _piece_at(self, window: Window) -> _Piece:
        return next(piece for piece in self._pieces if piece.window == window)

    @property
    def hint(self) -> Place | None:
        """As it was handed over."""
        return self._target.hint

    def reduced(self, eighths: int) -> Samples:
        """As `seen.reduced`."""
        return reduced(self._target, eighths)


def _share(piece: _Piece, picture: Samples, transform: str) -> float:
    """What the coder takes to tell which coefficients are wrong, and by how much, as a share of the piece's own bits."""
    bits, n_wrong, n_telling = 0.0, 0, 0
    for blocks, expected in zip(piece.planes, pixels.expect(picture, piece.frame, transform), strict=True):
        error = np.abs(expected - _STEPS * blocks.astype(np.int32)) - _STEPS // 2
        is_wrong = error > 0
        bits += float(np.log2(1 + error[is_wrong].astype(np.float32) / (_STEPS // 2)).sum())
        n_wrong += int(np.count_nonzero(is_wrong))
        n_telling += int(np.count_nonzero(is_wrong | (blocks != 0)))
    bits += n_telling * _entropy(n_wrong / max(n_telling, 1))
    return _FORESEEN * bits / piece.bits


def _entropy(share: float) -> float:
    """Bits that tell of one thing whether it belongs to such a share of all."""
    return -sum(part * log2(part) for part in (share, 1 - share) if part > 0)


def spread(richness: NDArray[np.int64], step: tuple[int, int]) -> Iterator[Window]:
    """The richest window of each region of the picture, of whole steps."""
    tall, wide = (min(-(-_SIDE // s), n) for s, n in zip(step, richness.shape, strict=True))
    rows, cols = richness.shape[0] // tall, richness.shape[1] // wide
    tiles = richness[: rows * tall, : cols * wide].reshape(rows, tall, cols, wide).sum(axis=(1, 3))
    for across in np.array_split(np.arange(rows), min(_GRID, rows)):
        for down in np.array_split(np.arange(cols), min(_GRID, cols)):
            region = tiles[across[0] : across[-1] + 1, down[0] : down[-1] + 1]
            row, col = divmod(int(region.argmax()), region.shape[1])
            top, left = (int(across[0]) + row) * tall, (int(down[0]) + col) * wide
            yield Window(top * step[0], left * step[1], tall * step[0], wide * step[1])
