"""The whole codings as methods that need no base: what a delta falls back to."""

from __future__ import annotations

import io

from common.coding import Coding
from common.delta.opened import Opened


class Whole:
    """One coding of `common.coding`, over bytes in memory."""

    needs_base = False

    def __init__(self, coding: Coding) -> None:
        self._coding = coding

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The coded form. Errors: ContentError as the coding's."""
        del base
        out = io.BytesIO()
        self._coding.encode(io.BytesIO(target.content), out)
        return out.getvalue()

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """The content. Errors: ContentError as the coding's."""
        del base
        out = io.BytesIO()
        self._coding.decode(io.BytesIO(body), out, size=size)
        return out.getvalue()
