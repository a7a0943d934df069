"""The entropy-coded bytes of one scan into coefficients."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.kernel.headers import Scan
from common.kernel.skeleton import Traits

def read_scan(content: bytes, scan: Scan, planes: Sequence[NDArray[np.int16]]) -> Traits:
    """Reads the bytes `scan.start` to `scan.end` of a file into planes of (rows, cols, 64).

    Returns the scan's traits, with all its runs of blocks. Errors: ContentError `damaged`.
    """
