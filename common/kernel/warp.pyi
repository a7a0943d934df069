"""Pictures blurred, sharpened and turned: sums over a neighbourhood with integer weights; edges are repeated.

Errors of all: ContentError: `damaged` of weights and places that are too large.
"""

import numpy as np
import numpy.typing as npt

def convolve(picture: npt.NDArray[np.uint8], weights: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Each sample a sum of those around it, as correlated with weights (odd, odd) in 1/2**16."""

def warp(
    picture: npt.NDArray[np.uint8],
    matrix: npt.NDArray[np.int64],
    height: int,
    width: int,
    curve: npt.NDArray[np.int32],
    is_cut: bool = False,
) -> npt.NDArray[np.uint8]:
    """A picture whose pixel (x, y) shows the place matrix (2, 3) @ (x, y, 1) of this one, in pixels times 2**32.

    Levels are rounded, or cut. `curve` (256, 2 or 4) has for each 1/256 between two samples the weights, in 1/2**14, of those
    around it.
    """

def ewa(
    picture: npt.NDArray[np.uint8], matrix: npt.NDArray[np.int64], height: int, width: int, rings: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """As `warp`, each pixel a mean of the samples less than 2 away: EWA with a circle, as ImageMagick rotates.

    `rings` (1024,) has a weight for each 1/256 of a squared distance. The mean is rounded to 16 bits, then to 8.
    """

def flow(
    picture: npt.NDArray[np.uint8],
    matrix: npt.NDArray[np.int64],
    field: npt.NDArray[np.int32],
    bits: int,
    window: tuple[int, int, int, int],
    curve: npt.NDArray[np.int32],
) -> npt.NDArray[np.uint8]:
    """As `warp`, a window (top, left, height, width) of the outcome, each place moved by what a field says.

    The matrix is that of the window, whose first pixel is (0, 0). The field (n, m, 2) is the outcome's: it has moves across and
    down, in 1/16 pixel, for every 2**bits-th row and column, the first at 0; between them lies what lies between.
    """
