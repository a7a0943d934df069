"""The content's own bytes: what every content falls back to."""

from __future__ import annotations

from common.coding.streams import Readable, Writable, pieces
from common.errors import ContentError


class Raw:
    """No coding at all. Holds one piece in memory."""

    name = "raw"

    def encode(self, source: Readable, target: Writable) -> None:
        """Copies `source` from its first byte; never refuses."""
        source.seek(0)
        for piece in pieces(source):
            target.write(piece)

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Copies exactly `size` bytes. Errors: ContentError `too_long`, `damaged` where `source` has more or fewer."""
        n_bytes = 0
        for piece in pieces(source):
            n_bytes += len(piece)
            if n_bytes > size:
                raise ContentError("too_long", f"raw: more than the {size} bytes of the content")
            target.write(piece)
        if n_bytes < size:
            raise ContentError("damaged", f"raw: {n_bytes} of the {size} bytes of the content")
