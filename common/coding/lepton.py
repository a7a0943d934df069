"""JPEG recoded without loss: the entropy coding is replaced by an arithmetic coder with a better model.

About 0.75 of the JPEG, bit for bit the same after decoding, at some 9 MB/s a core in both directions. The library takes
whole contents in memory and refuses what is not quite a JPEG (four colours, arithmetic coding, broken scans): about one
real file in a hundred, which then goes another way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import lepton_jpeg_python

from common.coding.streams import Readable, Writable, check_size, first_bytes, most_coded_bytes, size_of
from common.errors import ContentError
from common.magic import JPEG

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Larger JPEGs are not tried. Coefficients take up to 6 bytes a pixel, so a picture of many pixels may need more memory
than a worker has although its file is below this; it then ends as any content that needs too much."""

_CONFIG: Final = {
    # One partition: 1 % smaller than eight, and one thread, since the worker beside this one uses the other core.
    "max_partitions": 1,
    "max_jpeg_width": 65535,
    "max_jpeg_height": 65535,
    "max_jpeg_file_size": LIMIT_BYTES,
}
_CODED_MAGIC = b"\xcf\x84"
_CODED_SIZE = slice(20, 24)
"""Where a coded form says, little-endian, how many bytes it decodes to."""


class Lepton:
    """Deterministic: a JPEG has one coded form. Holds the content, its coded form and all coefficients in memory at once."""

    name = "lepton"

    def encode(self, source: Readable, target: Writable) -> None:
        """Writes the coded form of a JPEG.

        Errors: ContentError `unsupported` with the library's word for it in the message, `not_smaller`, `memory`, `crashed`.
        """
        size = size_of(source)
        if size > LIMIT_BYTES:
            raise ContentError("unsupported", f"lepton: a JPEG of {size} bytes: at most {LIMIT_BYTES} are taken")
        content = first_bytes(source, LIMIT_BYTES)
        if not content.startswith(JPEG):
            raise ContentError("unsupported", "lepton: not a JPEG")
        coded = _call(lambda: lepton_jpeg_python.compress_bytes(content, _CONFIG), "unsupported")
        if len(coded) > most_coded_bytes(len(content)):
            raise ContentError("not_smaller", f"lepton: {len(content)} bytes become {len(coded)}")
        target.write(coded)

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Writes the JPEG whose coded form `source` holds.

        Errors: ContentError `damaged`, `too_long` (before anything is decoded, if the coded form says so), `memory`, `crashed`.
        """
        coded = first_bytes(source, LIMIT_BYTES)
        if len(coded) > LIMIT_BYTES:
            raise ContentError("damaged", f"lepton: a coded form of more than {LIMIT_BYTES} bytes")
        if not coded.startswith(_CODED_MAGIC):
            raise ContentError("damaged", "lepton: not a coded form")
        check_size(int.from_bytes(coded[_CODED_SIZE], "little"), size)
        content = _call(lambda: lepton_jpeg_python.decompress_bytes(coded, _CONFIG), "damaged")
        check_size(len(content), size)
        target.write(content)


def _call(library: Callable[[], bytes], reason: str) -> bytes:
    try:
        return library()
    except RuntimeError as error:
        # "Compression failed: UnsupportedJpeg: what\n at file:line ...": the words are for people, the places for its authors.
        words = str(error).partition("\n")[0].partition(": ")[2]
        raise ContentError("memory" if words.startswith("OutOfMemory") else reason, f"lepton: {words}") from error
    except MemoryError as error:
        raise ContentError("memory", "lepton: not enough memory") from error
    except BaseException as error:
        # A Rust panic comes as a BaseException whose class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise ContentError("crashed", f"lepton: {error}") from error
