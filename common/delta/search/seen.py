"""Pictures as a search looks at them: smaller, and in grey. Only for choosing: decoders see nothing of it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta.opened import EIGHTHS, Opened
from common.delta.steps.step import Shape
from common.kernel.pixels import Samples

Look = NDArray[np.float32]
"""A small picture in grey, (rows, cols)."""


def reduced(picture: Opened, eighths: int) -> Samples:
    """The picture at so many eighths of its size, uint8 (rows, cols, channels)."""
    if picture.is_jpeg:
        return picture.pixels(eighths)
    full = picture.pixels()
    rows, cols = (max(1, -(-n * eighths // 8)) for n in full.shape[:2])
    small = cv2.resize(full, (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(rows, cols, full.shape[2])


def grey(picture: Samples) -> Samples:
    """Its luma, uint8 (rows, cols)."""
    if picture.shape[2] == 1:
        return np.ascontiguousarray(picture[:, :, 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture[:, :, :3]), cv2.COLOR_RGB2GRAY), np.uint8)


def look(at_eighths: Callable[[int], Samples], shape: Shape, side: int) -> Look:
    """The picture of this shape with `side` pixels to its longer side, or as it is where it has fewer."""
    longer = max(shape.rows, shape.cols)
    eighths = next((eighths for eighths in sorted(EIGHTHS) if longer * eighths >= 8 * side), 8)
    return shrunk(grey(at_eighths(eighths)).astype(np.float32), side)


def shrunk(picture: Look, side: int) -> Look:
    """The picture with at most `side` pixels to its longer side."""
    rows, cols = picture.shape
    scale = min(side / max(rows, cols), 1.0)
    size = (max(1, round(cols * scale)), max(1, round(rows * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
