"""LZW as TIFF has it, written as libtiff writes it."""

import numpy as np
from numpy.typing import NDArray

def read(coded: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The `size` bytes of a strip; what follows them is not looked at. Errors: ContentError `damaged`."""

def write(raw: NDArray[np.uint8]) -> bytes:
    """A strip of at least one byte. Errors: ContentError `damaged`."""
