"""Chroma at fewer samples than luma, as libjpeg-turbo does it, bit for bit."""

import numpy as np
import numpy.typing as npt

def enlarge(plane: npt.NDArray[np.uint8], across: int, down: int, is_fancy: bool = True) -> npt.NDArray[np.uint8]:
    """A component's real samples `across` x `down` (1 to 4) times as large, blended where libjpeg-turbo blends."""

def shrink(plane: npt.NDArray[np.uint8], across: int, down: int) -> npt.NDArray[np.uint8]:
    """A full plane to a component's samples in whole blocks, its edges repeated as libjpeg does."""
