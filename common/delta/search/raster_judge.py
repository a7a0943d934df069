"""How near an edit comes to a PNG, a BMP or a TIFF, seen on a few small pieces of it: by their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from common.delta.opened import Opened
from common.delta.search.judges import Renders, spread
from common.delta.search.seen import reduced
from common.delta.steps.step import Shape, Window, whole
from common.errors import ContentError
from common.kernel.pixels import Samples

_STEP = 8
"""Pixels to a side, of which pieces are made."""


class RasterJudge:
    """Of samples that are a picture, without its alpha."""

    def __init__(self, target: Opened, within: Window | None = None) -> None:
        """Pieces lie `within` a window of it, if that is given.

        Errors: ContentError as `Opened.raster`, `unsupported` of palettes and of the smallest pictures.
        """
        self._target = target
        self._picture = target.pixels()
        self.hint = target.hint
        self.shape = Shape(*self._picture.shape)
        if min(self.shape[:2]) < _STEP:
            raise ContentError("unsupported", "a picture of a few pixels")
        self._within = within or whole(self.shape)

    @cached_property
    def windows(self) -> Sequence[Window]:
        """The pieces that are looked at, the most telling first."""
        top, left = self._within[:2]
        pieces = [Window(top + at.top, left + at.left, at.rows, at.cols) for at in spread(self._richness(), (_STEP, _STEP))]
        return sorted(pieces, key=lambda window: -_bits(_steps(window.of(self._picture))))

    def _richness(self) -> NDArray[np.int64]:
        """How much happens in each field of pixels that is wholly in what is looked at."""
        rows, cols = (n // _STEP for n in self._within[2:])
        part = self._within.of(self._picture)[: rows * _STEP, : cols * _STEP, self.shape.channels // 2]
        changes = np.abs(_steps(part[:, :, None])).reshape(rows, _STEP, cols, _STEP)
        return np.asarray(changes.sum(axis=(1, 3)), np.int64)

    def score(self, renders: Renders, n: int | None = None) -> float:
        """The bits of the errors, as a share of those that the pieces take from one pixel to the next."""
        wrong = whole = 0.0
        for window in self.windows[:n]:
            piece = window.of(self._picture)
            wrong += _bits(renders(window).astype(np.int16) - piece)
            whole += _bits(_steps(piece))
        return wrong / max(whole, 1.0)

    def shown(self, window: Window) -> Samples:
        """As it is."""
        return np.ascontiguousarray(window.of(self._picture))

    def passed(self, window: Window, picture: Samples) -> Samples:
        """As it is: without loss nothing happens on the way."""
        del window
        return picture

    def within(self, window: Window) -> RasterJudge:
        """One that looks only at pieces that lie in a window. Errors: ContentError `unsupported` of the smallest."""
        if min(window.rows, window.cols) < _STEP:
            raise ContentError("unsupported", "a picture of a few pixels")
        return RasterJudge(self._target, window)

    def reduced(self, eighths: int) -> Samples:
        """As `seen.reduced`."""
        return reduced(self._target, eighths)


def _steps(piece: Samples) -> NDArray[np.int16]:
    """How far each pixel is from the one on its left."""
    steps = piece.astype(np.int16)
    steps[:, 1:] -= piece[:, :-1]
    steps[:, 0] = 0
    return steps


def _bits(errors: NDArray[np.int16]) -> float:
    return float(np.log2(1 + np.abs(errors).astype(np.float32)).sum())
