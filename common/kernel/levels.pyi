"""The samples of a picture, losslessly to few bytes and back: on their own, or against the samples that a base makes one expect.

Integers only, so every build and machine codes and decodes to the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

VERSION: int
"""The first byte of what is coded: a change of the model needs another."""

def encode(samples: NDArray[np.uint8], expected: NDArray[np.uint8] | None = None) -> bytes:
    """Codes samples of (rows, cols, 1 to 4 channels), against expected ones of the same shape.

    Errors: ContentError `not_smaller`, `damaged` of another shape; ValueError where the shapes differ.
    """

def decode(coded: bytes, shape: tuple[int, int, int], expected: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Restores the samples, given what was expected of them.

    Of damaged bytes come wrong samples, or ContentError `damaged`; the work is bounded by the shape.
    """
