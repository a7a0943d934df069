"""Byte deltas by Zstandard with the base as what came before: tags, comments and appended bytes cost what they are.

What was encoded again has no bytes in common with its base: then this is as long as the target, and another method is smaller.
"""

from __future__ import annotations

from common.coding.over import compress, decompress
from common.delta.opened import Opened


class ZstdPatch:
    """One frame of `coding.over`."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The frame. Errors: ContentError as `compress`."""
        return compress(target.content, base.content)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """What the frame holds over its base. Errors: ContentError `damaged`."""
        return decompress(body, base.content, size=size)
