"""The inverse transforms of libjpeg to a half, a quarter and an eighth, bit for bit."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

def inverse_reduced(coefficients: npt.NDArray[np.int16], quantisation: Sequence[int], size: int) -> npt.NDArray[np.uint8]:
    """Quantised coefficients of a component to samples, (size * block_rows, size * block_cols); size 1, 2 or 4.

    Errors: ValueError of shapes, sizes and divisors.
    """
