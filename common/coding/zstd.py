"""One Zstandard frame with a content checksum: for whatever is not a JPEG.

Level 9: on SQL dumps, firmware, documents and databases it saves within 1.5 % of what level 19 does at twenty times its speed;
levels 10 to 15 save nothing more that would be worth their time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backports.zstd import CompressionParameter, DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError, compress

from common.coding.streams import PIECE_BYTES, Readable, Writable, most_coded_bytes, pieces, size_of
from common.errors import ContentError

LEVEL = 9
WINDOW_LOG_MAX = 27
"""A frame that asks for a window above 128 MiB is refused: this bounds what a peer's frame can make us allocate."""

PROBE_BYTES = 128 * 1024
PROBE_STRIDE_BYTES = 32 * 1024 * 1024
MAX_PROBES = 64


class Zstd:
    """One frame, one thread. Holds a few pieces and the windows: below 64 MiB to encode, 160 MiB to decode the worst frame."""

    name = "zstd"

    def encode(self, source: Readable, target: Writable) -> None:
        """Writes one frame.

        A content that does not compress costs little: above half a MiB, samples of 128 KiB (head, middle, end; one for each
        32 MiB of larger contents, at most 64) are compressed at the fastest level first, and if they save less than
        1.5 % together nothing more is read. What that misses: a compressible part that lies between the samples, and
        repetitions that are further apart than a sample is long. Such a content is sent as it is.

        Errors: ContentError `not_smaller`; `changed` where `source` grew or shrank meanwhile; `memory`.
        """
        size = size_of(source)
        most = most_coded_bytes(size)
        if not _promising(source, size):
            raise ContentError("not_smaller", "zstd: samples of the content do not compress")
        source.seek(0)
        n_bytes = 0
        with _zstd_errors("changed"):
            compressor = ZstdCompressor(
                options={CompressionParameter.compression_level: LEVEL, CompressionParameter.checksum_flag: 1}
            )
            # Smaller tables for small contents, and the content's size in the frame.
            compressor.set_pledged_input_size(size)
            for coded in _compressed(compressor, source):
                n_bytes += len(coded)
                if n_bytes > most:
                    raise ContentError("not_smaller", f"zstd: {size} bytes do not become fewer than {most}")
                target.write(coded)

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Writes what the one frame in `source` holds.

        Errors: ContentError `too_long`, `damaged` (bad checksum, a second frame, trailing bytes, too few bytes), `memory`.
        """
        n_bytes = 0
        decompressor = ZstdDecompressor(options={DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
        with _zstd_errors("damaged"):
            for coded in pieces(source):
                if decompressor.eof:
                    raise ContentError("damaged", "zstd: bytes after the frame")
                for piece in _decompressed(decompressor, coded):
                    n_bytes += len(piece)
                    if n_bytes > size:
                        raise ContentError("too_long", f"zstd: more than the {size} bytes of the content")
                    target.write(piece)
        if not decompressor.eof or decompressor.unused_data:
            raise ContentError(
                "damaged", "zstd: the frame is cut short" if not decompressor.eof else "zstd: bytes after the frame"
            )
        if n_bytes < size:
            raise ContentError("damaged", f"zstd: {n_bytes} of the {size} bytes of the content")


def _compressed(compressor: ZstdCompressor, source: Readable) -> Iterator[bytes]:
    for piece in pieces(source):
        yield compressor.compress(piece)
    yield compressor.flush(ZstdCompressor.FLUSH_FRAME)


def _decompressed(decompressor: ZstdDecompressor, coded: bytes) -> Iterator[bytes]:
    yield decompressor.decompress(coded, PIECE_BYTES)
    while not decompressor.eof and not decompressor.needs_input:
        yield decompressor.decompress(b"", PIECE_BYTES)


def _promising(source: Readable, size: int) -> bool:
    n_probes = min(MAX_PROBES, max(3, size // PROBE_STRIDE_BYTES))
    if size < (n_probes + 1) * PROBE_BYTES:
        return True
    n_read = n_coded = 0
    for n in range(n_probes):
        source.seek((size - PROBE_BYTES) * n // (n_probes - 1))
        sample = source.read(PROBE_BYTES)
        n_read += len(sample)
        n_coded += len(compress(sample, level=1))
    return n_coded <= most_coded_bytes(n_read)


@contextmanager
def _zstd_errors(reason: str) -> Iterator[None]:
    try:
        yield
    except ZstdError as error:
        # The library has one class for all its errors; only its words tell a lack of memory from bad bytes.
        raise ContentError("memory" if "memory" in str(error).lower() else reason, f"zstd: {error}") from error
