"""From the long description of an interest point to 36 small numbers: a principal component analysis, frozen in a file.

`projection_1.npz` is written by `tools/train_projection.py` and never changes: descriptions are on disk and on the wire. Another
training is another file, and another name in `PROJECTIONS`.

A picture's mirror image reorders its descriptions. The analysis treats what the mirror leaves alone and what it negates
apart, so each of the 36 numbers either stays or changes its sign in the mirror: a mirrored picture costs nothing, loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.similarity import interest
from common.similarity.interest import Bytes, Floats

DIMENSIONS = 36
TOP = 127
_FILE = Path(__file__).with_name("projection_1.npz")

Vectors = npt.NDArray[np.int8]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """An affine map of descriptions to 36 numbers."""

    mean: Floats
    """(d,), unchanged by the mirror."""
    axes: Floats
    """(d, 36), orthonormal columns, the one of most variance first."""
    is_odd: npt.NDArray[np.bool_]
    """(36,): which of the numbers the mirror negates."""
    steps: float
    """Whole numbers per unit of the description, which has length 1."""

    def project(self, described: Floats) -> Vectors:
        """Shapes: (n, d) float32 -> (n, 36) int8; a component beyond 127 steps, one in a thousand, is cut."""
        return np.clip(np.rint((described - self.mean) @ self.axes * self.steps), -TOP, TOP).astype(np.int8)

    def mirrored(self, vectors: Vectors) -> Vectors:
        """The vectors of the mirrored points. Shapes: (n, 36) -> (n, 36)."""
        return np.where(self.is_odd, -vectors, vectors).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Description:
    """A way to describe points."""

    code: int
    """Its number in stored features, for ever."""
    describe: Callable[[Bytes, interest.Interest], Floats]
    """The picture (h, w) and its n points -> (n, d) float32 of unit length."""
    mirror: Callable[[Floats], Floats]
    """(n, d) -> (n, d), an involution."""


def _root_histograms(_: Bytes, found: interest.Interest) -> Floats:
    histograms = found.histograms.astype(np.float32)
    # Of sums to one the root has length one, and Euclidean distances between roots are Hellinger's between histograms.
    return np.asarray(np.sqrt(histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1)), np.float32)


def _gradient_patches(grey: Bytes, found: interest.Interest) -> Floats:
    return interest.patches(grey, found.points)


DESCRIPTIONS: Mapping[str, Description] = MappingProxyType(
    {
        "rootsift36-1": Description(code=1, describe=_root_histograms, mirror=interest.mirrored_histograms),
        "pcasift36-1": Description(code=2, describe=_gradient_patches, mirror=interest.mirrored_patches),
    }
)
"""RootSIFT is the better; PCA-SIFT [Ke 2004] is the one that [S §III-C2] names, kept beside it for the comparison."""


@cache
def projection(name: str) -> Projection:
    """The frozen projection of a description. Errors: KeyError for an unknown name."""
    with np.load(_FILE, allow_pickle=False) as stored:
        return Projection(
            mean=stored[f"{name}/mean"].astype(np.float32),
            axes=stored[f"{name}/axes"].astype(np.float32),
            is_odd=stored[f"{name}/is_odd"],
            steps=float(stored[f"{name}/steps"]),
        )


def train(described: Floats, mirror: Callable[[Floats], Floats]) -> Projection:
    """Learns a projection. Deterministic.

    Shapes:  described (n, d) float32 of unit length, n of some ten thousands.
    Paper:   PCA-SIFT [Ke 2004]; departs: the components are even or odd under the mirror.
    """
    seen = described.astype(np.float64)
    reflected = mirror(described).astype(np.float64)
    even, odd = (seen + reflected) / 2, (seen - reflected) / 2
    mean = even.mean(axis=0)
    parts = [_components(even - mean), _components(odd)]
    variances = np.concatenate([variance for variance, _ in parts])
    order = np.argsort(-variances, kind="stable")[:DIMENSIONS]
    axes = np.concatenate([axes for _, axes in parts], axis=1)[:, order]
    spread = np.percentile(np.abs((seen - mean) @ axes), 99.9)
    is_odd = np.repeat([False, True], DIMENSIONS)[order]
    return Projection(mean.astype(np.float32), axes.astype(np.float32), is_odd, float(TOP / spread))


def _components(centred: Doubles) -> tuple[Doubles, Doubles]:
    """The 36 variances and axes (d, 36) of most variance of (n, d)."""
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    largest = np.argsort(-variances, kind="stable")[:DIMENSIONS]
    axes = axes[:, largest]
    # An axis and its opposite are as good: the one whose largest entry is positive is ours, on every machine.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(DIMENSIONS)])
    return variances[largest], axes * signs
