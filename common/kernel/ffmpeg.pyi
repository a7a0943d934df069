"""The transforms of ffmpeg's JPEG decoder and encoder, and the sums of its scaler, bit for bit.

Errors of all: ValueError of shapes and tables that do not fit each other.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from common.kernel.frame import Plane

def inverse_plane(coefficients: npt.NDArray[np.int16], quantisation: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Quantised coefficients of a component to samples, (8 * block_rows, 8 * block_cols)."""

def forward(samples: npt.NDArray[np.uint8], plane: Plane) -> npt.NDArray[np.int32]:
    """All blocks of a component to its expected coefficients times 64: (block_rows, block_cols, 64); divisors have 8 bits."""

def scale_across(
    samples: npt.NDArray[np.uint8], first: npt.NDArray[np.int32], weights: npt.NDArray[np.int32]
) -> npt.NDArray[np.int16]:
    """Each row's sums with weights in 1/2**14, as levels of 15 bits: (rows, n)."""

def scale_down(
    levels: npt.NDArray[np.int16], first: npt.NDArray[np.int32], weights: npt.NDArray[np.int32], n_plain: int
) -> npt.NDArray[np.uint8]:
    """Each column's sums with weights in 1/2**12, (n, cols); the last `n_plain` rows by plain code."""
