"""Tokens and blocks into a deflate stream, with the codes that zlib makes where a block does not tell its own."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

def write(
    raw: NDArray[np.uint8], tokens: NDArray[np.uint32], blocks: Iterable[tuple[int, int, int, tuple[bytes, int] | None]]
) -> bytes:
    """The stream. A block is: kind, tokens (bytes of a stored one), whether it is the last, its head (bits, how many) or None.

    Errors: ContentError `damaged`.
    """

def head_of(raw: NDArray[np.uint8], tokens: NDArray[np.uint32]) -> tuple[bytes, int]:
    """The bits in which zlib tells the codes of a block of these tokens, and how many. Errors: ContentError `damaged`."""
