"""Other shots of a scene: where each part of the target is in the base, by dense flow between both at a middling size.

1. The base is laid over the target as a whole, by what was guessed or by points that look alike, as correlates best after 2.
2. How far each place is off then is what optical flow tells, of which the mean around each node of a grid is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta.edits import Edit
from common.delta.opened import Opened, Place
from common.delta.search.found import Found, best_of, promised
from common.delta.search.guessed import matched
from common.delta.search.judges import Judge
from common.delta.search.leaning import shown_at
from common.delta.search.places import Laid, laid, place_of, scaled
from common.delta.search.seen import Look, look, reduced
from common.delta.steps import Flow, Shape, Step, Warp
from common.delta.steps.flow import PER_PIXEL
from common.delta.steps.warp import ONE

_SIDE = 2400
"""Pixels of the longer side of the pictures that are compared: finer than that, noise moves too."""
_SMALL = 400
"""Likewise, to see from where a flow begins best."""
_LEAST_LIKENESS = 0.9
"""In small, where all is moved as it is seen: less is seen in other shots of which nothing is gained."""
_MOST_STRETCH = 2.5
_LEAST_SCALE = 1 / 12
_NODES = 96
"""Along the longer side of a field, at most."""
_FEW = 3
"""Pieces that sort out what does not come near."""
_SAMPLERS = ("bilinear", "catmull")
_MOST_MOVE = 1 << 19


def best_flowing(guessed: Sequence[Place], base: Opened, judge: Judge) -> Found | None:
    """The best of the edits that lay the base at a place and move each part of it to where it is seen."""
    places = [place for place in (*guessed, *matched(base, judge)) if _is_plausible(place)]
    if min(judge.shape[:2]) < _NODES or not places:
        return None
    starts = [laid(place, judge.shape, Shape(*base.shape())) for place in places]
    likeness = [_likeness(*_flow(start, base, judge, _SMALL)) for start in starts]
    if max(likeness) < _LEAST_LIKENESS:
        return None
    here = starts[likeness.index(max(likeness))]
    flow = _flow(here, base, judge, _SIDE)[0] * np.float32(max(judge.shape[:2]) / min(_SIDE, max(judge.shape[:2])))
    bits = max(4, (max(judge.shape[:2]) // _NODES - 1).bit_length())
    found = best_of((_moved(here, judge.shape, flow, bits, sampler) for sampler in _SAMPLERS), base, judge, _FEW)
    return found and promised(found.edit, base, judge)


def _is_plausible(place: Place) -> bool:
    """Whether a camera could have seen it so: not mirrored on the way, nor stretched out of all shape."""
    larger, smaller = np.linalg.svd(place[:, :2])[1]
    return bool(larger < _MOST_STRETCH * smaller and smaller > _LEAST_SCALE)


def _flow(here: Laid, base: Opened, judge: Judge, most_side: int) -> tuple[Look, Look, Look]:
    """By how many pixels each place is seen off, float32 (rows, cols, 2), in a target of such a size; it, and the base."""
    target = look(judge.reduced, judge.shape, most_side)
    shape = Shape(*base.shape())
    scale = max(np.abs(np.linalg.det(here.matrix[:, :2])) ** 0.5, 1e-3)
    side = round(max(shape[:2]) / scale * max(target.shape) / max(judge.shape[:2]))
    whole = look(partial(reduced, base), shape, min(max(side, _NODES), max(shape[:2])))
    matrix = scaled(place_of(here, judge.shape), target.shape, whole.shape)
    size = target.shape[1], target.shape[0]
    shown = cv2.warpAffine(whole, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = finder.calc(_bits(target), _bits(np.asarray(shown, np.float32)), np.zeros((*target.shape, 2), np.float32))
    return np.asarray(flow, np.float32), target, np.asarray(shown, np.float32)


def _likeness(flow: Look, target: Look, shown: Look) -> float:
    """How well the target correlates with what is shown, moved by the flow."""
    rows, cols = np.indices(target.shape, np.float32)
    moved = cv2.remap(shown, cols + flow[:, :, 0], rows + flow[:, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.corrcoef(target.ravel(), np.asarray(moved).ravel())[0, 1])


def _bits(picture: Look) -> NDArray[np.uint8]:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _moved(here: Laid, shape: Shape, flow: Look, bits: int, sampler: str) -> Edit:
    """The edit that shows what is at the place, with the flow's moves at every 2**bits-th row and column."""
    shown = shown_at(here, shape, sampler, ())
    *steps, warp = shown.steps
    if not isinstance(warp, Warp):
        raise TypeError("what is shown at a place ends with a warp")
    rows, cols = ((side - 1 >> bits) + 2 for side in shape[:2])
    per_node = (1 << bits) * flow.shape[1] / shape.cols
    smooth = cv2.GaussianBlur(flow, (0, 0), max(per_node / 2, 0.5))
    down = np.minimum(np.arange(rows) * (1 << bits) * flow.shape[0] // shape.rows, flow.shape[0] - 1)
    across = np.minimum(np.arange(cols) * (1 << bits) * flow.shape[1] // shape.cols, flow.shape[1] - 1)
    linear = np.array(warp.matrix, np.float64).reshape(2, 3)[:, :2] / ONE
    moves = np.asarray(smooth)[down][:, across] @ linear.T
    field = np.clip(np.rint(moves * PER_PIXEL), -_MOST_MOVE, _MOST_MOVE).astype(int)
    told: list[Step] = [*steps, Flow(warp, bits, tuple(field.ravel().tolist()))]
    return Edit(tuple(told), shown.eighths)
