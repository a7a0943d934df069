"""Whether two pictures are one picture transformed, two shots of one scene, or strangers, and what takes one to the other.

1. Points match that are each other's nearest and near enough; the mirror image is tried by changing signs.
2. The affine transform that most matches agree on (`affine`). Fewer than 8 that agree are an accident: strangers reach 6.
3. One picture laid over the other (`alignment`): blocks that correlate make it the same picture, else it is another shot.

Paper:   [S §IV-B] accepts at SD >= 0.75; departs: a crop that keeps a third of a picture keeps a third of its points, so
         geometry accepts, and SD is told beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from common.similarity import affine, alignment
from common.similarity.degree import similarity_degree
from common.similarity.features import Features, mirrored
from common.similarity.interest import Bytes
from common.similarity.projection import projection

MAX_DISTANCE = 0.40
"""Between the descriptions of matching points, in the unit of the projection."""
MIN_INLIERS = 8
NEAR_CORRELATION = 0.90

Indices = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]
_MIRROR = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


class Kind(StrEnum):
    """What one picture is to another."""

    NEAR = "near"
    """The same picture, transformed."""
    SCENE = "scene"
    """Another shot of it, worth predicting from."""
    NONE = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """What was found between picture a and picture b."""

    kind: Kind
    inliers: int = 0
    """Different places that the transform explains."""
    sd: float = 0.0
    """Similarity degree, 0 to 1, of all matches, whether or not they agree on a transform."""
    ncc: float = 0.0
    """Median correlation of the blocks laid over each other, -1 to 1; 0 where there was no transform to lay them by."""
    transform: Doubles = field(default_factory=lambda: np.eye(2, 3))
    """(2, 3), of shares of width and height, from a to b; (0, 0) is the top left corner of a picture, (1, 1) the other.

    With `mirrored` it holds the reflection. The identity where the kind is NONE.
    """
    mirrored: bool = False


def relate(a: Features, b: Features, grey_a: Bytes, grey_b: Bytes) -> Relation:
    """How picture a relates to picture b.

    Shapes:  grey (h, w) uint8 as `alignment.small_grey` makes them, at most 160 a side.
    Errors:  ValueError where the two were described in different ways.
    Cost:    some milliseconds; most for pictures that share much.
    """
    if a.description != b.description:
        raise ValueError(f"features of {a.description} and of {b.description} do not compare")
    plain, reflected = _Attempt(a, b, is_mirrored=False), _Attempt(mirrored(a), b, is_mirrored=True)
    best = reflected if reflected.rank() > plain.rank() else plain
    sd = similarity_degree(best.n_matches, len(a), len(b))
    if best.fit is None or best.fit.n_inliers < MIN_INLIERS:
        return Relation(Kind.NONE, inliers=best.fit.n_inliers if best.fit else 0, sd=sd)
    transform = alignment.normalised(best.fit.transform, a.shape, b.shape)
    if best.is_mirrored:
        transform = transform @ np.vstack([_MIRROR, [0, 0, 1]])
    ncc = alignment.correlation(grey_a, grey_b, transform)
    return Relation(
        kind=Kind.NEAR if ncc >= NEAR_CORRELATION else Kind.SCENE,
        inliers=best.fit.n_inliers,
        sd=sd,
        ncc=ncc,
        transform=transform,
        mirrored=best.is_mirrored,
    )


def match(a: Features, b: Features) -> tuple[Indices, Indices]:
    """The points of two pictures that are each other's nearest and near enough: indices (m,) into a and into b."""
    if not len(a) or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    va, vb = a.vectors.astype(np.float32), b.vectors.astype(np.float32)
    # Whole numbers below 2^24, so exact in float32: nothing here depends on the order of summation.
    squares = (va**2).sum(axis=1)[:, None] + (vb**2).sum(axis=1)[None] - 2 * va @ vb.T
    nearest_b, nearest_a = squares.argmin(axis=1), squares.argmin(axis=0)
    at = np.arange(len(a))
    limit = (MAX_DISTANCE * projection(a.description).steps) ** 2
    mutual = (nearest_a[nearest_b] == at) & (squares[at, nearest_b] < limit)
    return at[mutual], nearest_b[mutual]


class _Attempt:
    """One way to lay a over b."""

    def __init__(self, a: Features, b: Features, *, is_mirrored: bool) -> None:
        in_a, in_b = match(a, b)
        self.is_mirrored = is_mirrored
        self.n_matches = len(in_a)
        enough = len(in_a) >= MIN_INLIERS
        self.fit = affine.fit(a.points[in_a], b.points[in_b]) if enough else None

    def rank(self) -> tuple[int, int]:
        return self.fit.n_inliers if self.fit else 0, self.n_matches
