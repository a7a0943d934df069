"""Where the writer of a deflate stream chose other tokens than zlib would have.

An effort is how zlib looks for matches: the way (0 fast, 1 lazy, 2 runs, 3 none), whether short ones are dropped (its strategy
for filtered bytes), bits of the hash, the window in bytes, and the four numbers of its level: good, lazy, nice, chain.
Skips are (the number of a token, how many stored bytes are before it), in their order.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Effort: TypeAlias = tuple[int, int, int, int, int, int, int, int]

def misses(raw: NDArray[np.uint8], tokens: NDArray[np.uint32], skips: NDArray[np.int64], effort: _Effort, most: int) -> int:
    """How many tokens are other ones than foretold; counting ends beyond `most`. Errors: ContentError `damaged`, `too_large`."""

def encode(raw: NDArray[np.uint8], tokens: NDArray[np.uint32], skips: NDArray[np.int64], effort: _Effort) -> bytes:
    """What tells the tokens, given the bytes. Errors: ContentError `damaged` of tokens that do not fit them, `too_large`."""

def decode(coded: bytes, raw: NDArray[np.uint8], skips: NDArray[np.int64], effort: _Effort, n: int) -> NDArray[np.uint32]:
    """The n tokens. Of damaged bytes come wrong tokens that fit in the raw bytes, or ContentError `damaged`, `too_large`."""
