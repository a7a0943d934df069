"""A deflate stream taken apart (RFC 1951): what it holds, and what its writer chose."""

import numpy as np
from numpy.typing import NDArray

def read(stream: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.int64], int]:
    """The `size` raw bytes of a stream, its tokens, its blocks, and how many bits were read.

    A token is 0, a literal, or `length << 16 | distance`. A block is: kind (0 stored, 1 fixed, 2 dynamic), tokens (bytes of a
    stored one), whether it is the last, where a dynamic one tells its codes, in how many bits. Errors: ContentError `damaged`.
    """
