"""The coefficients of a JPEG, losslessly to few bytes and back: on their own, or against what a base makes one expect.

Integers only, so every build and machine codes and decodes to the same bytes. About 9 MB of memory beside the planes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.kernel.frame import Frame

VERSION: int
"""The first byte of what is coded: a change of any model needs another."""
LIMIT_BLOCKS: int
"""Blocks of 64 coefficients that are taken at most, over all planes."""

def encode(planes: Sequence[NDArray[np.int16]], frame: Frame, predicted: Sequence[NDArray[np.int32]] | None = None) -> bytes:
    """Codes planes of (block_rows, block_cols, 64), of the frame's shapes, in natural order.

    `predicted` has for each plane the expected coefficients, of the same shape, in 1/64 of a quantisation step.
    One that tells nothing is left out where that is smaller: `decode` is given it all the same.
    Errors: ContentError `unsupported` (a coefficient beyond 2047), `too_large`, `damaged` (a frame that cannot be),
    `not_smaller`; ValueError if shapes differ.
    """

def decode(coded: bytes, frame: Frame, predicted: Sequence[NDArray[np.int32]] | None = None) -> list[NDArray[np.int16]]:
    """Restores the planes, given the very frame and prediction that they were coded with.

    Of damaged bytes come wrong planes within the limits of 8-bit JPEGs, or ContentError `damaged`; the work is bounded by the
    frame's size. Errors: ContentError `damaged`, `too_large`; ValueError if the shapes of the prediction differ.
    """
