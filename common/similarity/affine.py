"""The affine transform that most matches of two pictures agree on: random sample consensus with a seed, so never random.

1. Hypotheses: each match by itself, for a point has a place, a size and a direction; and 500 seeded triples of matches.
2. Each hypothesis is voted for; of both families the best few are fitted again and again to those that agree.
3. A match agrees when the transform puts it where it is, and turns and scales its point as it is turned and scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.similarity.interest import Floats

TOLERANCE = 4.0
"""Pixels of the coarser picture that a match may lie off."""
N_TRIPLES = 500
MAX_SCALE = 12.0
MAX_STRETCH = 2.2
"""Largest ratio of the scales along and across: stretched pictures exist, slivers are accidents."""
MAX_OCTAVES_OFF = 0.8
MAX_DEGREES_OFF = 30.0

_SEED = 20
_N_REFINED = 4
_TOLERANCES = (2 * TOLERANCE, TOLERANCE, TOLERANCE, TOLERANCE)
_MIN_AREA = 50.0
_LOOSENESS = 0.06
"""How far a single match's own size and direction lead astray, per pixel of distance."""

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A transform and who agrees with it."""

    transform: Doubles
    """(2, 3), pixels of the first picture to pixels of the second."""
    inliers: Mask
    """(m,), which matches agree."""
    n_inliers: int
    """Places that agree: a place that was matched twice counts once."""


def fit(a: Floats, b: Floats) -> Fit | None:
    """The transform of most agreement between matched points, None where no three matches agree on a plausible one.

    Shapes:  a, b (m, 4): x, y, diameter, angle of the first and of the second picture's point of each match.
    Cost:    some 700 hypotheses times m.
    """
    if len(a) < 3:  # noqa: PLR2004 - an affine transform has three points
        return None
    matches = _Matches(a.astype(np.float64), b.astype(np.float64))
    singles, triples = _of_singles(matches), _of_triples(matches)
    starts = [
        *_best(matches, singles, loosely=True),
        *_best(matches, triples, loosely=False),
    ]
    fits = [found for start in starts if (found := _refined(matches, start)) is not None]
    return max(fits, key=lambda found: found.n_inliers, default=None)


class _Matches:
    """Matched points of two pictures, (m, ...) each."""

    def __init__(self, a: Doubles, b: Doubles) -> None:
        self.a, self.b = a[:, :2], b[:, :2]
        self.octaves = np.log2(np.maximum(b[:, 2], 0.1) / np.maximum(a[:, 2], 0.1))
        self.degrees = b[:, 3] - a[:, 3]
        self.homogeneous = np.concatenate([self.a, np.ones((len(a), 1))], axis=1)

    def errors(self, transforms: Doubles) -> Doubles:
        """Pixels of the coarser picture that each match lies off. Shapes: (k, 2, 3) -> (k, m)."""
        off = np.einsum("kij,mj->kmi", transforms, self.homogeneous) - self.b
        return np.asarray(np.sqrt((off**2).sum(axis=2)) / np.maximum(_scales(transforms), 1)[:, None])

    def agreeing(self, transform: Doubles, *, tolerance: float) -> Mask:
        """Which matches the transform (2, 3) explains in place, size and direction."""
        close = self.errors(transform[None])[0] <= tolerance
        (a, b), (c, d) = transform[:, :2]
        turn = np.degrees(np.arctan2(c - b, a + d))
        off = np.abs((self.degrees - turn + 180) % 360 - 180)
        return np.asarray(
            close & (np.abs(self.octaves - np.log2(_scales(transform[None]))) < MAX_OCTAVES_OFF) & (off < MAX_DEGREES_OFF)
        )

    def n_places(self, chosen: Mask) -> int:
        """Different places among the chosen matches, in the picture where there are fewer."""
        return min(len(np.unique(np.rint(side[chosen] / 2), axis=0)) for side in (self.a, self.b))


def _scales(transforms: Doubles) -> Doubles:
    """Of (k, 2, 3) the geometric mean of the scales along and across, (k,)."""
    linear = transforms[:, :, :2]
    return np.sqrt(np.abs(linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]) + 1e-12)


def _plausible(transforms: Doubles) -> Mask:
    """Which of (k, 2, 3) keep the orientation and neither shrink, blow up nor stretch a picture beyond use."""
    linear = transforms[:, :, :2]
    area = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    squares = (linear**2).sum(axis=(1, 2)) / 2
    larger = squares + np.sqrt(np.maximum(squares**2 - area**2, 0))  # the square of the larger singular value
    smaller = area**2 / np.maximum(larger, 1e-12)
    within = (larger <= MAX_SCALE**2) & (smaller >= MAX_SCALE**-2)
    return np.asarray((area > 0) & within & (larger <= MAX_STRETCH**2 * smaller))


def _of_singles(matches: _Matches) -> Doubles:
    """The similarity transform that each match proposes by itself, (m, 2, 3)."""
    scale, turn = np.exp2(matches.octaves), np.radians(matches.degrees)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)
    shift = matches.b - np.einsum("kij,kj->ki", linear, matches.a)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def _of_triples(matches: _Matches) -> Doubles:
    """The affine transforms of seeded triples of matches, (k, 2, 3), k <= 500."""
    chosen = np.random.default_rng(_SEED).integers(0, len(matches.a), (N_TRIPLES, 3))
    a, b = matches.a[chosen], matches.b[chosen]
    sides_a, sides_b = a[:, 1:] - a[:, :1], b[:, 1:] - b[:, :1]
    area = sides_a[:, 0, 0] * sides_a[:, 1, 1] - sides_a[:, 0, 1] * sides_a[:, 1, 0]
    large = np.abs(area) >= _MIN_AREA  # also drops a match that was drawn twice
    # Rows are points, so linear^T = sides_a^-1 sides_b.
    linear = np.linalg.solve(sides_a[large], sides_b[large]).swapaxes(1, 2)
    shift = b[large, 0] - np.einsum("kij,kj->ki", linear, a[large, 0])
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def _best(matches: _Matches, transforms: Doubles, *, loosely: bool) -> Doubles:
    """The few transforms that most matches vote for; of equals the first."""
    transforms_at = np.flatnonzero(_plausible(transforms))
    transforms = transforms[transforms_at]
    tolerance: Doubles | float = TOLERANCE
    if loosely:
        distance = np.sqrt(((matches.a[None] - matches.a[transforms_at, None]) ** 2).sum(axis=2))
        tolerance = TOLERANCE + _LOOSENESS * distance
    votes = (matches.errors(transforms) <= tolerance).sum(axis=1)
    return transforms[np.argsort(-votes, kind="stable")[:_N_REFINED]]


def _refined(matches: _Matches, transform: Doubles) -> Fit | None:
    """The transform fitted to those that agree with it until it stands, None where too few do."""
    chosen = np.zeros(len(matches.a), np.bool_)
    for tolerance in _TOLERANCES:
        chosen = matches.agreeing(transform, tolerance=tolerance)
        if matches.n_places(chosen) < 3:  # noqa: PLR2004 - an affine transform has three points
            return None
        solved = np.linalg.lstsq(matches.homogeneous[chosen], matches.b[chosen], rcond=None)[0]
        transform = np.ascontiguousarray(solved.T)
        if not _plausible(transform[None])[0]:
            return None
    chosen = matches.agreeing(transform, tolerance=TOLERANCE)
    return Fit(transform, chosen, matches.n_places(chosen)) if chosen.any() else None
