"""Means of boxes along rows."""

import numpy as np
import numpy.typing as npt

def blur_across(picture: npt.NDArray[np.uint8], reach: int, weight: int, far_weight: int) -> npt.NDArray[np.uint8]:
    """Sums of neighbours with two weights, in 1/2**24. Errors: ContentError."""
