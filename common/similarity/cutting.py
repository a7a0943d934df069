"""Whether one picture was cut out of another without loss: then its pixels stand there still, every one of them.

`jpegtran -crop` keeps the coefficients of the blocks it keeps, a PNG's crop its very pixels. Nothing need be recognised to
find such a piece, so a patch of sky is found too, in which there are no features.

1. Where the sum over a window of the piece's size is the sum of the piece, the piece may have been. Where its brightest and
   its darkest pixel stand too: a handful of places.
2. There all pixels are compared: one that differs, and it is another place.

Whole numbers throughout, so what is found stands there for certain; `detail` tells whether that means anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from common.similarity.interest import Bytes

MIN_DETAIL = 32
"""Eight lone pixels of a black night, each in four differences: that they stand alike by chance is one in 2^100."""
_MARGIN = 2
"""Pixels at the border that may differ: a JPEG's halved chroma is smoothed with neighbours that the piece has lost."""
BLOCK = 16
"""Pixels of the blocks that a JPEG may have; those at the right and bottom that are not whole may have been dropped."""
_MAX_PLACES = 1000
"""That are compared: one of so many is of a pattern."""
_STRIP_ROWS = 512


def detail(picture: Bytes) -> int:
    """Pixels of a picture (h, w) uint8 that neither row nor column foretells: none in a plain one, nor in bars and frames."""
    return int(np.count_nonzero(np.diff(np.diff(picture, axis=0), axis=1)))


def find(piece: Bytes, whole: Bytes) -> tuple[int, int] | None:
    """The column and row of the whole at which the piece's corner was; None where it was not cut out of it.

    Shapes:  (h, w) uint8 each, luma, as large as they were stored.
    Cost:    some 150 ms for 12 megapixels, and four bytes for each pixel of the whole.
    """
    height, width = (side // BLOCK * BLOCK - _MARGIN for side in piece.shape)
    inner = piece[_MARGIN : max(height, 0), _MARGIN : max(width, 0)]
    is_smaller = piece.shape != whole.shape and all(np.less_equal(piece.shape, whole.shape))
    if not is_smaller or not inner.size:
        return None
    height, width = inner.shape
    for left, top in islice(_places(inner, whole), _MAX_PLACES):
        if np.array_equal(whole[top : top + height, left : left + width], inner):
            return left - _MARGIN, top - _MARGIN
    return None


def _places(piece: Bytes, whole: Bytes) -> Iterator[tuple[int, int]]:
    """Columns and rows of the whole at which a window begins that may be the piece, from the top."""
    height, width = piece.shape
    known = [
        (int(row), int(column)) for row, column in (np.unravel_index(at, piece.shape) for at in (piece.argmax(), piece.argmin()))
    ]
    # Modulo 2^32, which what is told by differences does not mind.
    sums = np.zeros((whole.shape[0] + 1, whole.shape[1] + 1), np.uint32)
    np.cumsum(whole, axis=0, dtype=np.uint32, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, dtype=np.uint32, out=sums)
    wanted = piece.sum(dtype=np.uint32)
    for top in range(0, whole.shape[0] - height + 1, _STRIP_ROWS):
        lower = sums[top + height : top + height + _STRIP_ROWS]
        rows = lower - sums[top : top + len(lower)]
        y, x = np.nonzero(rows[:, width:] - rows[:, :-width] == wanted)
        for row, column in known:
            stands = whole[y + top + row, x + column] == piece[row, column]
            y, x = y[stands], x[stands]
        yield from zip(x.tolist(), (y + top).tolist(), strict=True)
