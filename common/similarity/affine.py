"""The affine transform that most matches of two pictures agree on: a consensus, RANSAC without its chance.

1. A point has a place, a size and a direction, so one match proposes a transform by itself: the best hundred each propose one,
   where others draw triples at random.
2. All matches vote. One agrees when the transform puts it where it is, and turns and scales its point as it is turned and scaled.
3. The proposals of most votes are fitted again and again, now as affine transforms, to those that agree.

Pictures that have nothing in common end after step 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.similarity.interest import Floats

TOLERANCE = 4.0
"""Pixels of the coarser picture that a match may lie off."""
MAX_SCALE = 12.0
MAX_STRETCH = 2.2
"""Largest ratio of the scales along and across: stretched pictures exist, slivers are accidents."""
MAX_OCTAVES_OFF = 0.8
MAX_DEGREES_OFF = 30.0

_N_PROPOSALS = 100
_N_REFINED = 4
_MIN_VOTES = 4
_LOOSENESS = 0.06
"""How far a single match's own size and direction lead astray, in pixels per pixel of distance from it."""
_TOLERANCES = (2 * TOLERANCE, TOLERANCE, TOLERANCE, TOLERANCE)

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
    """The transform of most agreement between matched points, None where four matches do not agree on a plausible one.

    Shapes:  a, b (m, 4): x, y, diameter, angle of the first and of the second picture's point of each match, the best first.
    Cost:    100 m, and little more where nothing agrees.
    """
    matches = _Matches(a.astype(np.float64), b.astype(np.float64))
    proposals, votes = matches.proposals()
    best = np.argsort(-votes, kind="stable")[:_N_REFINED]
    fits = [found for one in best if votes[one] >= _MIN_VOTES and (found := _refined(matches, proposals[one])) is not None]
    return max(fits, key=lambda found: found.n_inliers, default=None)


class _Matches:
    """Matched points of two pictures, (m, ...) each."""

    def __init__(self, a: Doubles, b: Doubles) -> None:
        self.a, self.b = a[:, :2], b[:, :2]
        self.octaves = np.log2(np.maximum(b[:, 2], 0.1) / np.maximum(a[:, 2], 0.1))
        self.degrees = b[:, 3] - a[:, 3]
        self.homogeneous = np.concatenate([self.a, np.ones((len(a), 1))], axis=1)

    def proposals(self) -> tuple[Doubles, npt.NDArray[np.intp]]:
        """The similarity transforms that the best matches propose, (k, 2, 3), and how many matches vote for each, (k,)."""
        a, octaves, degrees = self.a[:_N_PROPOSALS], self.octaves[:_N_PROPOSALS], self.degrees[:_N_PROPOSALS]
        c, s = np.exp2(octaves) * np.cos(np.radians(degrees)), np.exp2(octaves) * np.sin(np.radians(degrees))
        x, y = a.T
        shift = self.b[:_N_PROPOSALS] - np.stack([c * x - s * y, s * x + c * y], axis=1)
        transforms = np.stack([np.stack([c, -s, shift[:, 0]], axis=1), np.stack([s, c, shift[:, 1]], axis=1)], axis=1)
        distance = np.hypot(*np.moveaxis(self.a - a[:, None], 2, 0))
        agree = self._errors(transforms) <= TOLERANCE + _LOOSENESS * distance
        agree &= self._coherent(octaves[:, None], degrees[:, None])
        return transforms, np.where(_plausible(transforms), agree.sum(axis=1), 0)

    def agreeing(self, transform: Doubles, *, tolerance: float) -> Mask:
        """Which matches the transform (2, 3) explains in place, size and direction."""
        (a, b), (c, d) = transform[:, :2]
        octaves, degrees = np.log2(_scales(transform[None])), np.degrees(np.arctan2(c - b, a + d))
        return np.asarray((self._errors(transform[None])[0] <= tolerance) & self._coherent(octaves, degrees))

    def n_places(self, chosen: Mask) -> int:
        """Different places among the chosen matches, in the picture where there are fewer."""
        return min(len(set(map(tuple, np.rint(side[chosen] / 2).tolist()))) for side in (self.a, self.b))

    def _coherent(self, octaves: Doubles, degrees: Doubles) -> Mask:
        off = np.abs((self.degrees - degrees + 180) % 360 - 180)
        return np.asarray((np.abs(self.octaves - octaves) < MAX_OCTAVES_OFF) & (off < MAX_DEGREES_OFF))

    def _errors(self, transforms: Doubles) -> Doubles:
        """Pixels of the coarser picture that each match lies off. Shapes: (k, 2, 3) -> (k, m)."""
        placed = transforms @ self.homogeneous.T
        off = np.hypot(placed[:, 0] - self.b[:, 0], placed[:, 1] - self.b[:, 1])
        return np.asarray(off / np.maximum(_scales(transforms), 1)[:, None])


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


def _refined(matches: _Matches, transform: Doubles) -> Fit | None:
    """The transform fitted to those that agree with it until it stands, None where too few do."""
    for tolerance in _TOLERANCES:
        chosen = matches.agreeing(transform, tolerance=tolerance)
        if np.count_nonzero(chosen) < _MIN_VOTES:
            return None
        solved = np.linalg.lstsq(matches.homogeneous[chosen], matches.b[chosen], rcond=None)[0]
        transform = np.ascontiguousarray(solved.T)
        if not _plausible(transform[None])[0]:
            return None
    chosen = matches.agreeing(transform, tolerance=TOLERANCE)
    return Fit(transform, chosen, matches.n_places(chosen)) if chosen.any() else None
