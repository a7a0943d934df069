"""Whether two pictures are one picture transformed, two shots of one scene, or strangers, and what takes one to the other.

1. Points match that are each other's nearest and near enough; the mirror image is tried by changing signs.
2. The affine transform that most matches agree on (`affine`). Fewer than 8 that agree are an accident: strangers reach 6.
3. One picture laid over the other (`alignment`): blocks that correlate make it the same picture, else it is another shot.

Paper:   [S §IV-B] accepts at SD >= 0.75; departs: a crop that keeps a third of a picture keeps a third of its points, so
         geometry accepts, and SD is told beside it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.similarity import affine, alignment
from common.similarity.degree import similarity_degree
from common.similarity.features import Features, mirrored
from common.similarity.projection import projection
from common.similarity.sight import Sight

MAX_DISTANCE = 0.40
"""Between the descriptions of matching points, in the unit of the projection."""
MIN_INLIERS = 8
NEAR_CORRELATION = 0.86
"""999 of 1,000 transformed pictures lie above 0.91, 1 in 100 pairs of shots of one scene above 0.86."""

Indices = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]
_MIRROR = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
_MAGIC = b"SR\x01"
_RECORD = struct.Struct("<3sB?xHff6d")


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
    """What three in five of the blocks laid over each other correlate by, -1 to 1; 0 where no transform lays them so."""
    transform: Doubles = field(default_factory=lambda: np.eye(2, 3))
    """(2, 3), of shares of width and height, from a to b; (0, 0) is the top left corner of a picture, (1, 1) the other.

    With `mirrored` it holds the reflection. The identity where the kind is NONE.
    """
    mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """How far the points of two pictures agree, before anything else of them is looked at."""

    inliers: int
    """Different places that the transform explains."""
    sd: float
    """As in `Relation`."""
    transform: Doubles
    """As in `Relation`; the identity where fewer than `MIN_INLIERS` agree."""
    mirrored: bool


def relate(picture_a: Sight, picture_b: Sight) -> Relation:
    """How picture a relates to picture b. Deterministic.

    Errors:  ValueError where the two were described in different ways.
    Cost:    some milliseconds; most for pictures that share much.
    """
    laid = lay(picture_a.features, picture_b.features)
    if laid.inliers < MIN_INLIERS:
        return Relation(Kind.NONE, inliers=laid.inliers, sd=laid.sd)
    ncc = alignment.correlation(picture_a.grey, picture_b.grey, laid.transform)
    return Relation(
        kind=Kind.NEAR if ncc >= NEAR_CORRELATION else Kind.SCENE,
        inliers=laid.inliers,
        sd=laid.sd,
        ncc=ncc,
        transform=laid.transform,
        mirrored=laid.mirrored,
    )


def lay(a: Features, b: Features, *, max_distance: float = MAX_DISTANCE) -> Laid:
    """Lays the points of a on those of b, plain or mirrored, whichever agree better. Deterministic.

    Errors:  ValueError where the two were described in different ways.
    """
    if a.description != b.description:
        raise ValueError(f"features of {a.description} and of {b.description} do not compare")
    attempts = [
        _Attempt(a, b, is_mirrored=False, max_distance=max_distance),
        _Attempt(mirrored(a), b, is_mirrored=True, max_distance=max_distance),
    ]
    best = max(attempts, key=_Attempt.rank)
    sd = similarity_degree(best.n_matches, len(a), len(b))
    if best.fit is None or best.fit.n_inliers < MIN_INLIERS:
        return Laid(best.fit.n_inliers if best.fit else 0, sd, np.eye(2, 3), mirrored=False)
    transform = alignment.normalised(best.fit.transform, a.shape, b.shape)
    return Laid(best.fit.n_inliers, sd, transform @ _MIRROR if best.is_mirrored else transform, best.is_mirrored)


def to_bytes(relation: Relation) -> bytes:
    """A relation for a cache or a journal: 64 bytes."""
    kind, shares = list(Kind).index(relation.kind), relation.transform.ravel().tolist()
    return _RECORD.pack(_MAGIC, kind, relation.mirrored, relation.inliers, relation.sd, relation.ncc, *shares)


def from_bytes(raw: bytes) -> Relation:
    """What `to_bytes` wrote. Errors: ContentError `damaged` for anything else."""
    if len(raw) != _RECORD.size:
        raise ContentError("damaged", "a relation of another length")
    magic, kind, is_mirrored, inliers, sd, ncc, *shares = _RECORD.unpack(raw)
    if magic != _MAGIC or kind >= len(Kind) or not np.isfinite([sd, ncc, *shares]).all():
        raise ContentError("damaged", "bytes that are no relation of this version")
    return Relation(list(Kind)[kind], inliers, sd, ncc, np.array(shares).reshape(2, 3), is_mirrored)


def match(a: Features, b: Features, *, max_distance: float = MAX_DISTANCE) -> tuple[Indices, Indices]:
    """The points of two pictures that are each other's nearest and near enough: indices (m,) into a and into b."""
    if not len(a) or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    va, vb = a.vectors.astype(np.float32), b.vectors.astype(np.float32)
    # Whole numbers below 2^24, so exact in float32: nothing here depends on the order of summation.
    squares = (va**2).sum(axis=1)[:, None] + (vb**2).sum(axis=1)[None] - 2 * va @ vb.T
    nearest_b, nearest_a = squares.argmin(axis=1), squares.argmin(axis=0)
    at = np.arange(len(a))
    limit = (max_distance * projection(a.description).steps) ** 2
    mutual = (nearest_a[nearest_b] == at) & (squares[at, nearest_b] < limit)
    return at[mutual], nearest_b[mutual]


class _Attempt:
    """One way to lay a over b."""

    def __init__(self, a: Features, b: Features, *, is_mirrored: bool, max_distance: float) -> None:
        in_a, in_b = match(a, b, max_distance=max_distance)
        self.is_mirrored = is_mirrored
        self.n_matches = len(in_a)
        enough = len(in_a) >= MIN_INLIERS
        self.fit = affine.fit(a.points[in_a], b.points[in_b]) if enough else None

    def rank(self) -> tuple[int, int]:
        return self.fit.n_inliers if self.fit else 0, self.n_matches
