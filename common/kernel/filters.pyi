"""PNG's filters of rows: undone, done again, and chosen as libpng and Pillow choose them. `step` is the bytes of a pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def undo(filtered: NDArray[np.uint8], step: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Rows (rows, 1 + stride), each behind the number of its filter, to (rows, stride) and the numbers.

    Errors: ContentError `damaged` of a filter that does not exist.
    """

def do(raw: NDArray[np.uint8], filters: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows (rows, stride) to (rows, 1 + stride), each behind the number of its filter. Errors: ContentError `damaged`."""

def least(raw: NDArray[np.uint8], step: int, order: Sequence[int]) -> NDArray[np.uint8]:
    """For each row the first filter in `order` that leaves the least sum of bytes, each taken with its sign and then without."""
