"""Weighted sums of neighbours with weights in 1/2**22 or 1/2**30, and means of whole boxes. Tables of taps: see `taps`.

Errors of all with taps: ContentError: `damaged` of a table that reaches past the picture or whose sums would overflow.
"""

import numpy as np
import numpy.typing as npt

def across(picture: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int32], taps: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Each row resampled, (rows, cols, channels)."""

def down(picture: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int32], taps: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Each column resampled, (rows, cols, channels)."""

def finely(
    levels: npt.NDArray[np.int32] | npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int32],
    taps: npt.NDArray[np.int32],
    unit: int,
    is_down: bool,
    is_open: bool = False,
) -> npt.NDArray[np.int32]:
    """As `across` or `down`, with weights in 1/2**30, to levels of which `unit` make one of 8 bits; from such, or from 8 bits.

    Open ones keep what overshoots black and white, up to as much again.
    """

def blend_down(
    levels: npt.NDArray[np.int32], first: npt.NDArray[np.int32], weights: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """Pairs of rows, with weights in 1/2**11, of levels in 1/2**11, as OpenCV's INTER_LINEAR."""

def box_means(picture: npt.NDArray[np.uint8], wide: int, tall: int, rounding: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Whole boxes of samples to one each; `rounding` has the level of every sum. What is over is left out."""
