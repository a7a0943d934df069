"""The discrete cosine transforms of libjpeg, bit for bit."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from common.kernel.frame import Plane

METHODS: tuple[str, ...]

def divisors(quantisation: Sequence[int], method: str) -> tuple[int, ...]:
    """The 64 divisors of what the transform of a method puts out before quantisation."""

def forward(samples: npt.NDArray[np.uint8], plane: Plane, method: str) -> npt.NDArray[np.int32]:
    """Samples of a component in whole blocks to its expected coefficients times 64: (block_rows, block_cols, 64).

    Errors: ValueError of samples that are no whole blocks or too many, of divisors and methods that are none.
    """

def quantise(expected: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
    """Expected coefficients times 64 rounded to what libjpeg would write."""

def inverse_plane(coefficients: npt.NDArray[np.int16], quantisation: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Quantised coefficients of a component to samples, (8 * block_rows, 8 * block_cols). Errors: ValueError of shapes."""
