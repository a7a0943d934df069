"""Pictures as a search looks at them: smaller, and in grey. Only for choosing: decoders see nothing of it."""

from __future__ import annotations

import cv2
import numpy as np

from common.delta.opened import Opened
from common.kernel.pixels import Samples


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
