"""Colour in integers."""

import numpy as np
import numpy.typing as npt

def rgb_from_ycc(
    y: npt.NDArray[np.uint8], cb: npt.NDArray[np.uint8], cr: npt.NDArray[np.uint8], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """The top left (height, width) of three planes to RGB (height, width, 3)."""

def ycc_from_rgb(picture: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """RGB (height, width, 3) to three planes of (height, width)."""
