"""The whole codings as methods that need no base: what a delta falls back to."""

from __future__ import annotations

import io

from common.coding import Coding


class Whole:
    """One coding of `common.coding`, over bytes in memory."""

    needs_base = False

    def __init__(self, coding: Coding) -> None:
        self._coding = coding

    def encode(self, target: bytes, base: bytes) -> bytes:
        """The coded form. Errors: ContentError as the coding's."""
        del base
        out = io.BytesIO()
        self._coding.encode(io.BytesIO(target), out)
        return out.getvalue()

    def decode(self, body: bytes, base: bytes, *, size: int) -> bytes:
        """The content. Errors: ContentError as the coding's."""
        del base
        out = io.BytesIO()
        self._coding.decode(io.BytesIO(body), out, size=size)
        return out.getvalue()
