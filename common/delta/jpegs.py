"""JPEG targets: their coefficients coded by themselves, or from the same coefficients of a base.

    jpeg               no base: the kernel's own model
    jpeg-coefficients  a base with the same tables: tags, progressive or not, turned or mirrored without loss, pieces cut out

What the coefficients do not tell (headers, tables, order of scans) is the skeleton, coded with the base's as a dictionary. A
prediction that is not exact costs bytes, never a wrong one: what comes out is compared by whoever asks, and proved by its digest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.coding.skeletons import from_body, to_body
from common.delta.opened import Opened
from common.delta.steps.geometry import N_FORMS
from common.errors import ContentError
from common.kernel import mixing
from common.kernel.frame import Frame
from common.kernel.jpeg import Blocks, Parsed

Expected = NDArray[np.int32]

TRANSFORMS = ("islow", "ifast")
"""Of an encoder, by their number in deltas."""
_LAID = struct.Struct("<BHH")
_STEPS = 64
"""A prediction counts in these parts of a quantisation step."""
_CERTAIN = 0.9
"""Likewise: as many are equal in one form only."""
_LEAST_EQUAL = 0.5
"""Of the blocks that show something: fewer that are equal say that the base is another picture."""


class JpegCoefficients:
    """From the base's coefficients, laid as they are, or turned, and from an offset on."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """How the base is laid, the skeleton, the coefficients. Errors: ContentError, `unsupported` where nothing fits."""
        parsed, known = target.proved, base.parsed
        laid = _best_laid(parsed, known)
        predicted = _laid_over(known.planes, parsed.frame, laid)
        coded = mixing.encode(parsed.planes, parsed.frame, predicted)
        return _LAID.pack(laid.form, laid.row, laid.column) + to_body(parsed, known.skeleton, coded)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The JPEG. Errors: ContentError `damaged`."""
        if len(body) < _LAID.size:
            raise ContentError("damaged", "a delta that ends early")
        known = base.parsed
        told = from_body(body[_LAID.size :], known.skeleton, size=size)
        predicted = _laid_over(known.planes, told.frame, _Laid(*_LAID.unpack_from(body)))
        return told.file(mixing.decode(told.coded, told.frame, predicted))


# coefficients of a base, laid over the target's


@dataclass(frozen=True, slots=True)
class _Laid:
    """A form of the base, and where in it the target begins, in MCUs of the target."""

    form: int
    row: int
    column: int


def _forms_of(frame: Frame, other: Frame) -> Iterator[int]:
    """The forms in which the other's planes have the frame's samplings and tables."""
    for form in range(N_FORMS):
        planes = [(p.v, p.h, _transposed_table(p.quantisation)) if form & 1 else (p.h, p.v, p.quantisation) for p in other.planes]
        if planes[: len(frame.planes)] == [(p.h, p.v, p.quantisation) for p in frame.planes]:
            yield form


def _transposed_table(table: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(np.array(table).reshape(8, 8).T.ravel().tolist())


def _form_of(blocks: Blocks, form: int) -> Blocks:
    """Blocks turned as a picture is: the grid, and each block, whose odd coefficients change their sign in a mirror."""
    turned = blocks.reshape(*blocks.shape[:2], 8, 8)
    odd = np.where(np.arange(8) % 2, -1, 1).astype(np.int16)
    if form & 1:
        turned = turned.transpose(1, 0, 3, 2)
    if form & 2:
        turned = turned[:, ::-1] * odd
    if form & 4:
        turned = turned[::-1] * odd[:, None]
    return np.ascontiguousarray(turned).reshape(*turned.shape[:2], 64)


def _best_laid(target: Parsed, base: Parsed) -> _Laid:
    """How the base's coefficients have most blocks in common with the target's. Errors: ContentError `unsupported`."""
    best, most = None, 0.0
    luma = target.planes[0]
    step = target.frame.planes[0]
    for form in _forms_of(target.frame, base.frame):
        known = _form_of(base.planes[0], form)
        for row, column in _offsets(luma, known):
            if row % step.v or column % step.h:
                continue
            over = _window(known, row, column, luma.shape)
            equal = float((over == luma).all(axis=2)[luma.any(axis=2)].mean()) if luma.any() else 1.0
            if equal > most:
                best, most = _Laid(form, row // step.v, column // step.h), equal
        if most > _CERTAIN:
            break
    if best is None or most < _LEAST_EQUAL:
        raise ContentError("unsupported", "the base has other coefficients")
    return best


def _offsets(target: Blocks, base: Blocks) -> Sequence[tuple[int, int]]:
    """Where in the base the target may begin, in blocks: at its corner, and where most of its blocks stand."""
    weights = np.random.default_rng(1).integers(1, 2**63, 64, dtype=np.int64)
    names_b = (base.reshape(-1, 64).astype(np.int64) * weights).sum(axis=1)
    names_t = (target.reshape(-1, 64).astype(np.int64) * weights).sum(axis=1)
    telling = np.flatnonzero((target.reshape(-1, 64)[:, 1:] != 0).sum(axis=1) > 3)  # noqa: PLR2004 - flat blocks are everywhere
    chosen = telling[:: max(1, len(telling) // 4096)]
    order = np.argsort(names_b, kind="stable")
    at = np.minimum(np.searchsorted(names_b[order], names_t[chosen]), len(order) - 1)
    found = order[at]
    hit = names_b[found] == names_t[chosen]
    found, chosen = found[hit], chosen[hit]
    if not len(found):
        return [(0, 0)]
    rows = found // base.shape[1] - chosen // target.shape[1]
    columns = found % base.shape[1] - chosen % target.shape[1]
    places, votes = np.unique(np.stack([rows, columns], axis=1), axis=0, return_counts=True)
    row, column = places[votes.argmax()].tolist()
    return [(0, 0), (row, column)] if row >= 0 and column >= 0 else [(0, 0)]


def _window(blocks: Blocks, row: int, column: int, shape: tuple[int, ...]) -> Blocks:
    """A part of a plane; what lies outside of it is nought."""
    window = np.zeros(shape, np.int16)
    part = blocks[row : row + shape[0], column : column + shape[1]]
    window[: part.shape[0], : part.shape[1]] = part
    return window


def _laid_over(planes: Sequence[Blocks], frame: Frame, laid: _Laid) -> list[Expected]:
    if laid.form >= N_FORMS or len(planes) < len(frame.planes):
        raise ContentError("damaged", "a delta whose head makes no sense")
    predicted = []
    for blocks, plane in zip(planes, frame.planes, strict=False):
        turned = _form_of(blocks, laid.form)
        window = _window(turned, laid.row * plane.v, laid.column * plane.h, (plane.block_rows, plane.block_cols, 64))
        predicted.append(window.astype(np.int32) * _STEPS)
    return predicted
