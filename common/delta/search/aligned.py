"""A place to small parts of a pixel: by how far pieces of the target lie off what an edit makes of the base there.

Brightness and contrast may differ. A piece of stripes tells of one direction only; the more a piece shows, the more it is
believed. Pieces that none can place, as under a text, are left out in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta.edits import Edit, render
from common.delta.opened import Opened, Place
from common.delta.search.judges import Judge
from common.delta.search.places import Laid, after
from common.delta.search.seen import grey
from common.delta.steps import Window

Doubles = NDArray[np.float64]

_AROUND = 10
"""Pixels by which a piece may lie off."""
_LEAST_LIKENESS = 0.3
_NEAR = 0.4
"""Pixels off, up to which a piece agrees."""
_ROUNDS = 12
_STIFF = 1e-4
"""How much less a transform may lean and stretch than move, where little is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """Of a piece: its middle, (x, y) of the target, how far off what shows there is seen, and how sure that is."""

    middle: Doubles
    off: Doubles
    sure: Doubles
    """(2, 2), the inverse of a covariance."""


def drifts(edit: Edit, base: Opened, judge: Judge) -> Iterator[Drift]:
    """Of each piece that is found near its place."""
    for window in judge.windows:
        around = window.widened(_AROUND, judge.shape)
        seen = grey(render(edit, base, around)).astype(np.float32)
        drift = _drift(grey(judge.shown(window)).astype(np.float32), seen, window.within(around))
        if drift is not None:
            off, sure = drift
            yield Drift(np.array([window.left + window.cols / 2, window.top + window.rows / 2]), off, sure)


def fitted(found: list[Drift], *, is_upright: bool) -> tuple[Place, float]:
    """The small transform of the target's pixels that the drifts tell, and which share of what they tell agrees.

    Upright: moved and scaled along its sides alone.
    """
    free = [0, 2, 4, 5] if is_upright else list(range(6))  # of x' = a x + b y + c, y' = d x + e y + f
    total = sum(float(np.trace(drift.sure)) for drift in found)
    if not found or total <= 0:
        return np.eye(2, 3), 0.0
    scale = max(float(np.abs(drift.middle).max()) for drift in found)
    rows = [np.kron(np.eye(2), np.array([*(drift.middle / scale), 1.0])[None])[:, free] for drift in found]
    trust: Doubles = np.ones(len(found))
    solved: Doubles = np.zeros(len(free))
    for _ in range(_ROUNDS):
        normal = np.diag([_STIFF * total if index % 3 < 2 else 1e-9 for index in free])  # noqa: PLR2004 - not the moves
        right = np.zeros(len(free))
        for row, drift, believed in zip(rows, found, trust, strict=True):
            normal += believed * row.T @ drift.sure @ row
            right += believed * row.T @ drift.sure @ drift.off
        solved = np.asarray(np.linalg.solve(normal, right), np.float64)
        left = np.array([_left(drift, row @ solved) for row, drift in zip(rows, found, strict=True)])
        near = max(_NEAR / 2, float(np.median(left)))  # wide at first: those that lie lead astray
        trust = np.asarray((1 + np.square(left / near)) ** -2.0, np.float64)
    agree = sum(float(np.trace(drift.sure)) for drift, off in zip(found, left, strict=True) if off < _NEAR) / total
    moved = np.zeros(6)
    moved[free] = solved
    matrix = moved.reshape(2, 3)
    matrix[:, :2] /= scale
    return np.eye(2, 3) + matrix, agree


def moved(laid: Laid, by: Place) -> Laid:
    """The place where the target's pixels are moved first."""
    return Laid(laid.form, after(laid.matrix, by), laid.turned)


def _left(drift: Drift, told: Doubles) -> float:
    """Pixels that a transform leaves a piece off, in the directions that the piece tells of."""
    off = drift.off - told
    energy, most = float(off @ drift.sure @ off), float(np.linalg.eigvalsh(drift.sure)[1])
    return float(np.sqrt(max(energy, 0.0) / max(most, 1e-12)))


def _drift(piece: NDArray[np.float32], seen: NDArray[np.float32], at: Window) -> tuple[Doubles, Doubles] | None:
    """How far off the piece is seen, (x, y), and how sure that is; None where it is not."""
    if piece.std() < 1 or seen.std() < 1:
        return None
    likeness = cv2.matchTemplate(seen, piece, cv2.TM_CCOEFF_NORMED)
    _, highest, _, (left, top) = cv2.minMaxLoc(likeness)
    if highest < _LEAST_LIKENESS:
        return None
    off = np.array([float(left), float(top)])
    sure = np.zeros((2, 2))
    for _ in range(2):
        size = piece.shape[1] + 2, piece.shape[0] + 2
        patch = cv2.warpAffine(
            seen,
            np.array([[1, 0, off[0] - 1], [0, 1, off[1] - 1]]),
            size,
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float64)
        inner = patch[1:-1, 1:-1]
        across, down = (patch[1:-1, 2:] - patch[1:-1, :-2]) / 2, (patch[2:, 1:-1] - patch[:-2, 1:-1]) / 2
        terms = np.stack([np.ones(inner.size), inner.ravel(), across.ravel(), down.ravel()], axis=1)
        normal = terms.T @ terms
        try:
            solved = np.linalg.solve(normal, terms.T @ piece.ravel().astype(np.float64))
            rest = float(np.square(piece.ravel() - terms @ solved).mean())
            sure = np.linalg.inv(np.linalg.inv(normal)[2:, 2:]) / max(rest, 0.1)
        except np.linalg.LinAlgError:
            return None
        if solved[1] < 0.05:  # noqa: PLR2004 - hardly alike, or inverted
            return None
        off += np.clip(solved[2:] / solved[1], -1, 1)
    return off - np.array([at.left, at.top]), sure
