"""JPEG targets from a base's pixels: what was done to them is done again, then they are encoded as the target was.

    transform   u8: the encoder's, of `TRANSFORMS`
    mark        4 bytes of the digest of the base's pixels: `Opened.mark`
    edit        u16 length and the edit
    the rest    as every JPEG's: `jpegs`

An edit that is not quite what was done costs bytes, never a wrong one: each coefficient is coded against what was expected of it.
Decoders load no search, nor the libraries that it needs.
"""

from __future__ import annotations

import struct

from common.coding.skeletons import from_body, to_body
from common.delta import edits
from common.delta.edits import Edit, render
from common.delta.jpegs import TRANSFORMS
from common.delta.opened import MARK_BYTES, Opened
from common.errors import ContentError, IntegrityError
from common.kernel import mixing, pixels

_HEAD = struct.Struct(f"<B{MARK_BYTES}sH")


class JpegReplay:
    """By the edit that a search found."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """Transform and edit, the skeleton, the coefficients. Errors: ContentError, `unsupported` where no edit serves."""
        from common.delta.search import best_edit  # noqa: PLC0415 - decoders do without
        from common.delta.search.judges import JpegJudge  # noqa: PLC0415 - likewise

        judge = JpegJudge(target)
        edit = best_edit(base, judge)
        transform = judge.transform_of(lambda window: render(edit, base, window))
        expected = pixels.expect(render(edit, base), target.proved.frame, transform)
        told = edits.to_bytes(edit)
        coded = mixing.encode(target.proved.planes, target.proved.frame, expected)
        head = _HEAD.pack(TRANSFORMS.index(transform), base.mark(edit.eighths), len(told))
        return head + told + to_body(target.proved, base.skeleton, coded)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The JPEG. Errors: ContentError `damaged`; IntegrityError where the base comes out in other pixels here."""
        transform, mark, edit, rest = _opened(body)
        if base.mark(edit.eighths) != mark:
            raise IntegrityError("the base has other pixels here than where the delta was made: another version decoded it")
        told = from_body(rest, base.skeleton, size=size)
        frame = told.frame
        if edits.shapes_of(edit, base)[-1] != (frame.height, frame.width, len(frame.planes)):
            raise ContentError("damaged", "the edit makes no picture of the target's size")
        expected = pixels.expect(render(edit, base), frame, transform)
        return told.file(mixing.decode(told.coded, frame, expected))


def _opened(body: bytes) -> tuple[str, bytes, Edit, bytes]:
    """A body's transform, its mark, its edit, and what follows."""
    if len(body) < _HEAD.size:
        raise ContentError("damaged", "a delta that ends early")
    number, mark, n_told = _HEAD.unpack_from(body)
    if number >= len(TRANSFORMS):
        raise ContentError("damaged", "an unknown transform")
    end = _HEAD.size + n_told
    return TRANSFORMS[number], mark, edits.from_bytes(body[_HEAD.size : end]), body[end:]
