"""JPEG targets from a base's pixels: what was done to them is done again, then they are encoded as the target was.

    transform   u8: the encoder's, of `TRANSFORMS`
    edit        u16 length and the edit
    the rest    as every JPEG's: `jpegs`

An edit that is not quite what was done costs bytes, never a wrong one: each coefficient is coded against what was expected of it.
"""

from __future__ import annotations

import struct

from common.coding.skeletons import from_body, to_body
from common.delta import edits
from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search import best_edit
from common.delta.search.judges import TRANSFORMS, JpegJudge
from common.errors import ContentError
from common.kernel import mixing, pixels

_HEAD = struct.Struct("<BH")


class JpegReplay:
    """By the edit that a search found."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """Transform and edit, the skeleton, the coefficients. Errors: ContentError, `unsupported` where no edit serves."""
        judge = JpegJudge(target)
        edit = best_edit(base, judge)
        transform = judge.transform_of(lambda window: render(edit, base, window))
        expected = pixels.expect(render(edit, base), target.proved.frame, transform)
        told = edits.to_bytes(edit)
        coded = mixing.encode(target.proved.planes, target.proved.frame, expected)
        return _HEAD.pack(TRANSFORMS.index(transform), len(told)) + told + to_body(target.proved, base.skeleton, coded)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The JPEG. Errors: ContentError `damaged`."""
        transform, edit, rest = _opened(body)
        told = from_body(rest, base.skeleton, size=size)
        frame = told.frame
        if edits.shapes_of(edit, base)[-1] != (frame.height, frame.width, len(frame.planes)):
            raise ContentError("damaged", "the edit makes no picture of the target's size")
        expected = pixels.expect(render(edit, base), frame, transform)
        return told.file(mixing.decode(told.coded, frame, expected))


def _opened(body: bytes) -> tuple[str, Edit, bytes]:
    """A body's transform, its edit, and what follows."""
    if len(body) < _HEAD.size:
        raise ContentError("damaged", "a delta that ends early")
    number, n_told = _HEAD.unpack_from(body)
    if number >= len(TRANSFORMS):
        raise ContentError("damaged", "an unknown transform")
    end = _HEAD.size + n_told
    return TRANSFORMS[number], edits.from_bytes(body[_HEAD.size : end]), body[end:]
