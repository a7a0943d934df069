"""Zstandard with something known as what came before: what the content has in common with it costs next to nothing.

Frames are bare: without magic, size and checksum, as every user proves what comes out by its digest. Long-distance matching
finds what moved; the window covers both, so a known content of any size serves.
"""

from __future__ import annotations

from typing import Final

from backports.zstd import CompressionParameter, DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

from common.errors import ContentError

LEVEL: Final = 12
_BEST_LEVEL: Final = 19
_BEST_BYTES: Final = 256 * 1024
"""Of content and known together: up to this size the best level costs nothing that anybody would notice."""
_LEAST_WINDOW_LOG: Final = 10
_MOST_WINDOW_LOG: Final = 30
_LEAST_KNOWN_BYTES: Final = 8
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


def compress(content: bytes, known: bytes) -> bytes:
    """A bare frame of the content. Holds some six times both. Errors: ContentError `unsupported`, `memory`."""
    size = len(known) + len(content)
    options: dict[int, int] = {
        CompressionParameter.compression_level: _BEST_LEVEL if size <= _BEST_BYTES else LEVEL,
        CompressionParameter.window_log: _window_log(size),
        CompressionParameter.enable_long_distance_matching: 1,
        CompressionParameter.content_size_flag: 0,
    }
    try:
        compressor = ZstdCompressor(options=options, zstd_dict=_prefix(known))
        compressor.set_pledged_input_size(len(content))
        return compressor.compress(content, ZstdCompressor.FLUSH_FRAME).removeprefix(_MAGIC)
    except (ZstdError, ValueError) as error:
        raise ContentError("unsupported", f"zstd: {error}") from error
    except MemoryError as error:
        raise ContentError("memory", "zstd: not enough memory") from error


def decompress(frame: bytes, known: bytes, *, size: int) -> bytes:
    """The `size` bytes of a frame over what was known. Errors: ContentError `damaged`, `memory`."""
    content, rest = decompress_first(frame, known, most=size)
    if len(content) != size or rest:
        raise ContentError("damaged", "a frame of another size than its content")
    return content


def decompress_first(body: bytes, known: bytes, *, most: int) -> tuple[bytes, bytes]:
    """The content, of `most` bytes or fewer, of the frame that a body begins with, and what follows it. Errors: likewise."""
    options: dict[int, int] = {DecompressionParameter.window_log_max: _window_log(len(known) + most)}
    try:
        decompressor = ZstdDecompressor(options=options, zstd_dict=_prefix(known))
        content = decompressor.decompress(_MAGIC + body, most + 1)
    except (ZstdError, ValueError) as error:
        raise ContentError("damaged", f"zstd: {error}") from error
    except MemoryError as error:
        raise ContentError("memory", "zstd: not enough memory") from error
    if len(content) > most or not decompressor.eof:
        raise ContentError("damaged", "a frame that holds more than it may, or ends early")
    return content, decompressor.unused_data


def _prefix(known: bytes) -> tuple[ZstdDict, int] | None:
    """What came before; of a few bytes it is nothing to the library."""
    return ZstdDict(known, is_raw=True).as_prefix if len(known) >= _LEAST_KNOWN_BYTES else None


def _window_log(n_bytes: int) -> int:
    return min(max(n_bytes.bit_length(), _LEAST_WINDOW_LOG), _MOST_WINDOW_LOG)
