"""Perceptual hashes that other programs decide by, to be measured beside what decides here: `RIVALS`.

aHash, dHash and pHash as in Zauner (2010) and every library since; LBPH as in [L §4.1]; PDQ as it is, and the best of its eight
forms. A rival is a function of a picture and one of two hashes; none of them is used for a decision except PDQ's early word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from common.similarity import pdq
from common.similarity.dihedral import cosines
from common.similarity.lbph import lbph

Bytes = NDArray[np.uint8]

_SIDE = 8
_PHASH_SIDE = 32
_DCT = cosines(_PHASH_SIDE, range(_SIDE))


@dataclass(frozen=True, slots=True)
class Rival:
    """A hash of `n_bits` bits, and whether a query asks with all forms of its picture."""

    n_bits: int
    of: Callable[[Bytes], Bytes]
    """A picture (h, w) uint8 -> (forms, n_bits / 8) uint8; the first row is what is stored."""


def ahash(grey: Bytes) -> Bytes:
    """8x8 pixels, brighter than their mean or not. Shapes: (h, w) uint8 -> (8,) uint8."""
    small = _small(grey, _SIDE, _SIDE)
    return np.packbits(small > small.mean())


def dhash(grey: Bytes) -> Bytes:
    """9x8 pixels, brighter than their left neighbour or not. Shapes: (h, w) uint8 -> (8,) uint8."""
    small = _small(grey, _SIDE + 1, _SIDE)
    return np.packbits(small[:, 1:] > small[:, :-1])


def phash(grey: Bytes) -> Bytes:
    """The low 8x8 frequencies of 32x32 pixels, above their median or not. Shapes: (h, w) uint8 -> (8,) uint8."""
    low = _DCT @ _small(grey, _PHASH_SIDE, _PHASH_SIDE) @ _DCT.T
    return np.packbits(low > np.median(low))


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "ahash": Rival(64, lambda grey: ahash(grey)[None]),
        "dhash": Rival(64, lambda grey: dhash(grey)[None]),
        "phash": Rival(64, lambda grey: phash(grey)[None]),
        "lbph64": Rival(64, lambda grey: lbph(grey, n_bits=64)[None]),
        "lbph256": Rival(256, lambda grey: lbph(grey, n_bits=256)[None]),
        "pdq": Rival(256, lambda grey: pdq.hashes(grey)[:1]),
        "pdq_dihedral": Rival(256, pdq.hashes),
    }
)


def _small(grey: Bytes, width: int, height: int) -> NDArray[np.float32]:
    """Shapes: (h, w) uint8 -> (height, width) float32."""
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.float32)
