"""JPEGs recoded without loss by the kernel: a few percent smaller than Lepton makes them, at a fraction of its speed.

The coefficients by the coder of `kernel.mixing`, all else by `skeletons`: thumbnails and previews are coded as the pictures they
are. It takes what Lepton takes, and pictures of four colours; what Lepton makes smaller it leaves to Lepton. The coded form is
its length, a varint, and the body that every method for JPEGs has.
"""

from __future__ import annotations

import io

from common.coding.in_memory import InMemory, sized, unsized
from common.coding.lepton import LIMIT_BYTES, Lepton
from common.errors import ContentError
from common.magic import JPEG


class Jpeg(InMemory):
    """Holds all coefficients besides."""

    name = "jpeg"
    magics = (JPEG,)
    limit_bytes = LIMIT_BYTES

    def coded(self, content: bytes) -> bytes:
        """Errors: ContentError `unsupported`, `damaged` (no whole JPEG), `too_large`, `not_smaller` than by Lepton."""
        from common.coding.skeletons import to_body  # noqa: PLC0415 - NumPy: slow, and not needed to code anything else
        from common.kernel import jpeg, mixing  # noqa: PLC0415 - likewise

        parsed = jpeg.parse(content)
        made = sized(to_body(parsed, b"", mixing.encode(parsed.planes, parsed.frame)))
        # Lepton takes a fraction of the time, and wins with one file in forty.
        if len(made) > _bytes_by_lepton(content):
            raise ContentError("not_smaller", f"{len(made)} bytes are more than Lepton makes of it")
        return made

    def decoded(self, coded: bytes, size: int) -> bytes:
        """Errors: ContentError `damaged`, `too_long`."""
        from common.coding.skeletons import from_body  # noqa: PLC0415 - likewise
        from common.kernel import mixing  # noqa: PLC0415 - likewise

        told = from_body(unsized(coded), b"", size=size)
        return told.file(mixing.decode(told.coded, told.frame))


def _bytes_by_lepton(content: bytes) -> int:
    """How many bytes Lepton makes of it; as many as it has where it refuses."""
    coded = io.BytesIO()
    try:
        Lepton().encode(io.BytesIO(content), coded)
    except ContentError:
        return len(content)
    return coded.tell()
