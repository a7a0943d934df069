"""JPEGs recoded without loss by the kernel: a few percent smaller than Lepton makes them, at a fraction of its speed.

The coefficients by the coder of `kernel.mixing`, all else by `skeletons`: thumbnails and previews are coded as the pictures they
are. It takes what Lepton takes, and pictures of four colours; what Lepton makes smaller it leaves to Lepton. The coded form is
its length, a varint, and the body that every method for JPEGs has.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

from common import magic
from common.coding.lepton import LIMIT_BYTES, Lepton
from common.coding.streams import Readable, Writable, check_size, first_bytes, most_coded_bytes, size_of
from common.errors import ContentError
from common.varints import read_varint, to_varint

_SLACK_BYTES: Final = 1 << 16
"""A coded form may be longer than its content by this much: what is longer was never written."""


class Jpeg:
    """Deterministic: a JPEG has one coded form. Holds the content, its coded form and all coefficients in memory at once."""

    name = "jpeg"

    def encode(self, source: Readable, target: Writable) -> None:
        """Writes the coded form of a JPEG.

        Errors: ContentError `unsupported`, `damaged` (no whole JPEG), `too_large`, `not_smaller`, `memory`.
        """
        size = size_of(source)
        if size > LIMIT_BYTES:
            raise ContentError("unsupported", f"jpeg: a JPEG of {size} bytes: at most {LIMIT_BYTES} are taken")
        content = first_bytes(source, LIMIT_BYTES)
        if not content.startswith(magic.JPEG):
            raise ContentError("unsupported", "jpeg: not a JPEG")
        coded = _within_memory(lambda: _coded(content))
        # Lepton takes a fraction of the time, and wins with one file in forty.
        if len(coded) > min(most_coded_bytes(len(content)), _bytes_by_lepton(content)):
            raise ContentError("not_smaller", f"jpeg: {len(content)} bytes become {len(coded)}")
        target.write(coded)

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Writes the JPEG whose coded form `source` holds. Errors: ContentError `damaged`, `too_long`, `memory`."""
        coded = first_bytes(source, size + _SLACK_BYTES)
        if len(coded) > size + _SLACK_BYTES:
            raise ContentError("damaged", "jpeg: a coded form that is longer than its content")
        content = _within_memory(lambda: _decoded(coded, size))
        check_size(len(content), size)
        target.write(content)


def _coded(content: bytes) -> bytes:
    from common.coding.skeletons import to_body  # noqa: PLC0415 - NumPy: slow, and not needed to code anything else
    from common.kernel import jpeg, mixing  # noqa: PLC0415 - likewise

    parsed = jpeg.parse(content)
    body = to_body(parsed, b"", mixing.encode(parsed.planes, parsed.frame))
    return to_varint(len(body)) + body


def _decoded(coded: bytes, size: int) -> bytes:
    from common.coding.skeletons import from_body  # noqa: PLC0415 - likewise
    from common.kernel import mixing  # noqa: PLC0415 - likewise

    try:
        n_bytes, at = read_varint(coded, 0)
    except IndexError as error:
        raise ContentError("damaged", "jpeg: a coded form that ends early") from error
    if n_bytes != len(coded) - at:
        raise ContentError("damaged", "jpeg: a coded form of another length than it says")
    try:
        told = from_body(coded[at:], b"", size=size)
        return told.file(mixing.decode(told.coded, told.frame))
    except ContentError as error:
        # What no encoder takes is in no coded form.
        raise ContentError(error.reason if error.reason in {"memory", "too_long"} else "damaged", f"jpeg: {error}") from error


def _bytes_by_lepton(content: bytes) -> int:
    """How many bytes Lepton makes of it; as many as it has where it refuses."""
    coded = io.BytesIO()
    try:
        Lepton().encode(io.BytesIO(content), coded)
    except ContentError:
        return len(content)
    return coded.tell()


def _within_memory(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except MemoryError as error:
        raise ContentError("memory", "jpeg: not enough memory") from error
