"""Pictures of 16 bits."""

import numpy as np
import numpy.typing as npt

def flatten(picture: npt.NDArray[np.uint16], is_cut: bool) -> npt.NDArray[np.uint8]:
    """To 8 bits, rounded or cut."""

def unsharpen(
    picture: npt.NDArray[np.uint16], taps: npt.NDArray[np.int32], gain: int, threshold: int, is_fine: bool
) -> npt.NDArray[np.uint16]:
    """What differs from the blur, times a gain in 1/2**24, added. Errors: ContentError."""

def modulate(picture: npt.NDArray[np.uint16], brightness: int, saturation: int, hue: int) -> npt.NDArray[np.uint16]:
    """HSL, by thousandths. Errors: ContentError."""
