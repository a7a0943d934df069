"""Byte deltas by Zstandard with the base as what came before: tags, comments and appended bytes cost what they are.

Long-distance matching finds what moved; the window covers both files, so a base of any size serves. What was encoded again
has no bytes in common with its base: then this is as long as the target, and another method is smaller.
"""

from __future__ import annotations

from typing import Final

from backports.zstd import CompressionParameter, DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

from common.delta.opened import Opened
from common.errors import ContentError

LEVEL: Final = 12
_LEAST_WINDOW_LOG: Final = 10
_MOST_WINDOW_LOG: Final = 30
_LEAST_PREFIX_BYTES: Final = 8


class ZstdPatch:
    """One frame with a checksum, with the base as its prefix."""

    needs_base = True

    def encode(self, target: Opened, base: Opened) -> bytes:
        """The frame. Errors: ContentError as `compress`."""
        return compress(target.content, base.content)

    def decode(self, body: bytes, base: Opened, *, size: int) -> bytes:
        """What the frame holds over its base. Errors: ContentError `damaged`."""
        return decompress(body, base.content, size=size)


def compress(content: bytes, known: bytes) -> bytes:
    """A frame of the content over what is known. Holds some six times that. Errors: ContentError `unsupported`."""
    options: dict[int, int] = {
        CompressionParameter.compression_level: LEVEL,
        CompressionParameter.window_log: _window_log(len(known) + len(content)),
        CompressionParameter.enable_long_distance_matching: 1,
        CompressionParameter.checksum_flag: 1,
    }
    try:
        compressor = ZstdCompressor(options=options, zstd_dict=_prefix(known))
        compressor.set_pledged_input_size(len(content))
        return compressor.compress(content, ZstdCompressor.FLUSH_FRAME)
    except (ZstdError, ValueError) as error:
        raise ContentError("unsupported", f"zstd-patch: {error}") from error


def decompress(frame: bytes, known: bytes, *, size: int) -> bytes:
    """The `size` bytes of a frame over what was known. Errors: ContentError `damaged`."""
    options: dict[int, int] = {DecompressionParameter.window_log_max: _window_log(len(known) + size)}
    try:
        decompressor = ZstdDecompressor(options=options, zstd_dict=_prefix(known))
        content = decompressor.decompress(frame, size + 1)
    except (ZstdError, ValueError) as error:
        raise ContentError("damaged", f"zstd-patch: {error}") from error
    if len(content) != size or not decompressor.eof or decompressor.unused_data:
        raise ContentError("damaged", "zstd-patch: the frame does not hold the target")
    return content


def _prefix(known: bytes) -> tuple[ZstdDict, int] | None:
    """What came before; of a few bytes it is nothing to the library."""
    return ZstdDict(known, is_raw=True).as_prefix if len(known) >= _LEAST_PREFIX_BYTES else None


def _window_log(n_bytes: int) -> int:
    return min(max(n_bytes.bit_length(), _LEAST_WINDOW_LOG), _MOST_WINDOW_LOG)
