"""Byte deltas by Zstandard with the base as what came before: tags, comments and appended bytes cost what they are.

Long-distance matching finds what moved; the window covers both files, so a base of any size serves. What was encoded again
has no bytes in common with its base: then this is as long as the target, and another method is smaller.
"""

from __future__ import annotations

from typing import Final

from backports.zstd import CompressionParameter, DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

from common.errors import ContentError

LEVEL: Final = 12
_LEAST_WINDOW_LOG: Final = 10
_MOST_WINDOW_LOG: Final = 30
_LEAST_PREFIX_BYTES: Final = 8


class ZstdPatch:
    """One frame with a checksum, with the base as its prefix."""

    needs_base = True

    def encode(self, target: bytes, base: bytes) -> bytes:
        """The frame. Holds some six times the base."""
        options: dict[int, int] = {
            CompressionParameter.compression_level: LEVEL,
            CompressionParameter.window_log: _window_log(len(base) + len(target)),
            CompressionParameter.enable_long_distance_matching: 1,
            CompressionParameter.checksum_flag: 1,
        }
        try:
            compressor = ZstdCompressor(options=options, zstd_dict=_prefix(base))
            compressor.set_pledged_input_size(len(target))
            return compressor.compress(target, ZstdCompressor.FLUSH_FRAME)
        except (ZstdError, ValueError) as error:
            raise ContentError("unsupported", f"zstd-patch: {error}") from error

    def decode(self, body: bytes, base: bytes, *, size: int) -> bytes:
        """What the frame holds over its base. Errors: ContentError `damaged`."""
        options: dict[int, int] = {DecompressionParameter.window_log_max: _window_log(len(base) + size)}
        try:
            decompressor = ZstdDecompressor(options=options, zstd_dict=_prefix(base))
            target = decompressor.decompress(body, size + 1)
        except (ZstdError, ValueError) as error:
            raise ContentError("damaged", f"zstd-patch: {error}") from error
        if len(target) != size or not decompressor.eof or decompressor.unused_data:
            raise ContentError("damaged", "zstd-patch: the frame does not hold the target")
        return target


def _prefix(base: bytes) -> tuple[ZstdDict, int] | None:
    """The base as what came before; one of a few bytes is none to the library."""
    return ZstdDict(base, is_raw=True).as_prefix if len(base) >= _LEAST_PREFIX_BYTES else None


def _window_log(n_bytes: int) -> int:
    return min(max(n_bytes.bit_length(), _LEAST_WINDOW_LOG), _MOST_WINDOW_LOG)
