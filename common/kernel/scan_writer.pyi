"""Coefficients into the entropy-coded bytes of one scan."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.kernel.headers import Scan
from common.kernel.skeleton import Traits

def write_scan(scan: Scan, traits: Traits, planes: Sequence[NDArray[np.int16]]) -> bytes:
    """The entropy-coded bytes of a scan of planes of (rows, cols, 64). Errors: ContentError `damaged`."""

def count_symbols(scan: Scan, traits: Traits, planes: Sequence[NDArray[np.int16]]) -> list[tuple[list[int], list[int]]]:
    """How often each symbol is written, for DC and AC of each part of the scan, whatever tables it has. Errors: likewise."""
