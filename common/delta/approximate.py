"""A few hundred bytes that make of a base roughly what a target shows: an edit alone, without what is still wrong.

Whoever holds the base can show the target before its delta comes. Not the bytes of a file: its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from common.delta import edits
from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.search import best_found
from common.delta.search.found import Found
from common.delta.search.judges import JpegJudge, Judge
from common.delta.search.toned import mixed
from common.delta.steps import Border, Crop, Grey, Resize, Turn
from common.errors import ContentError
from common.kernel.pixels import Samples

MAX_BYTES = 512
"""Of an approximation: it travels in an offer."""
_PLACING = (Turn, Crop, Resize, Border, Grey)
"""Steps of a few bytes, without which the picture has another size or other channels."""
_LEAST_SHOWN = 0.5
"""Of the contrasts of a target: what shows less is another picture."""


def recipe(target: bytes, base: bytes, hint: Sequence[float] | None = None) -> bytes:
    """The best edit that was found and that takes at most `MAX_BYTES`; `hint` as in `delta.encode_best`.

    Errors: ContentError, `unsupported` where nothing brings the base near the target, and of files without pixels here.
    """
    wanted, known = Opened(target, hint), Opened(base)
    judge = JpegJudge(wanted)
    found = best_found(known, judge)
    if found is None or _shown(found.edit, known, judge) < _LEAST_SHOWN:
        raise ContentError("unsupported", "the base shows nothing of the target")
    return next(told for edit in _shorter(found, known, judge) if len(told := edits.to_bytes(edit)) <= MAX_BYTES)


def render(approximation: bytes, base: bytes) -> Samples:
    """The picture, uint8 (rows, cols, channels). Errors: ContentError, `damaged` of other bytes and of another base."""
    if len(approximation) > MAX_BYTES:
        raise ContentError("damaged", "an approximation of too many bytes")
    return edits.render(edits.from_bytes(approximation), Opened(base))


def _shown(edit: Edit, base: Opened, judge: Judge) -> float:
    """How much of the target's contrasts the edit shows, as seen on the pieces: 1 is all, less than 0 misleads."""
    if edits.shapes_of(edit, base)[-1] != judge.shape:
        return 0.0
    wrong, contrast = 0.0, 1.0
    for window in judge.windows:
        wanted = judge.shown(window).astype(np.float64)
        wrong += float(np.square(edits.render(edit, base, window) - wanted).sum())
        contrast += float(np.square(wanted - wanted.mean(axis=(0, 1))).sum())
    return 1 - wrong / contrast


def _shorter(found: Found, base: Opened, judge: Judge) -> Iterator[Edit]:
    """The edit, then with one matrix for all that was done to its tones, then with its tones as they were."""
    placed = replace(found.edit, steps=tuple(step for step in found.edit.steps if isinstance(step, _PLACING)))
    yield found.edit
    matrix = mixed(base, judge, Found(placed, found.promise))
    if matrix is not None:
        yield matrix.edit
    yield placed
