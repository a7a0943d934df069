"""Colour in integers."""

import numpy as np
import numpy.typing as npt

def rgb_from_ycc(
    y: npt.NDArray[np.uint8], cb: npt.NDArray[np.uint8], cr: npt.NDArray[np.uint8], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """The top left (height, width) of three planes to RGB (height, width, 3)."""

def ycc_from_rgb(picture: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """RGB (height, width, 3) to three planes of (height, width)."""

def mix(picture: npt.NDArray[np.uint8], weights: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Each channel a sum of r, g, b, 256 (and r*r, g*g, b*b, r*g, r*b, g*b): weights (3, 4) or (3, 10) in 1/2**24."""

def look_up(picture: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Each channel through its table of 256 levels; tables (channels, 256)."""

def blend(other: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """From the other one a factor, in 1/2**24, of the way to the picture and beyond, cut to whole levels."""
