"""Whole-content codings: how all bytes of a content are stored and sent, each proved by decoding.

A name in `CODINGS` is in journals, on the wire and on disks: it stays for ever, and a changed algorithm gets a new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from common import magic
from common.coding import lepton, raster
from common.coding.jpeg import Jpeg
from common.coding.lepton import Lepton
from common.coding.raster import Raster
from common.coding.raw import Raw
from common.coding.streams import Readable, Writable
from common.coding.zstd import Zstd

WORTH_CODING_BYTES = 64
"""Contents below this go raw: no coding's own frame leaves them much to save."""


class Effort(StrEnum):
    """What a content's bytes are worth."""

    BEST = "best"
    """Whatever saves any."""
    PROMPT = "prompt"
    """The link waits: what saves many for its time."""
    LEAST = "least"
    """The processor has other things to do."""


class Coding(Protocol):
    """One way to keep all bytes of a content. Stateless, so one object serves every thread.

    Neither call knows digests: the caller computes them over what passes, and a decoding is a proof only with that digest.
    Errors of both: ContentError with a reason of `unsupported`, `not_smaller`, `memory`, `damaged`, `too_long`, `changed`;
    what `source` and `target` raise passes unchanged. After an error the target holds a part, or nothing.
    """

    @property
    def name(self) -> str:
        """The coding's name in `CODINGS`."""

    def encode(self, source: Readable, target: Writable) -> None:
        """Writes the coded form of everything in `source`, from its first byte wherever it stands.

        Errors: ContentError: `not_smaller` when the coded form does not save enough to be worth decoding.
        """

    def decode(self, source: Readable, target: Writable, *, size: int) -> None:
        """Writes the content of `size` bytes whose coded form `source` holds from where it stands.

        Errors: ContentError: `too_long` as soon as there would be more than `size` bytes, of which no more than one piece
        beyond `size` is ever in memory; `damaged` where there are fewer, or bytes follow the coded form.
        """


CODINGS: Mapping[str, Coding] = MappingProxyType({coding.name: coding for coding in (Raw(), Zstd(), Lepton(), Jpeg(), Raster())})


_JPEG = {Effort.BEST: ("jpeg", "lepton"), Effort.PROMPT: ("lepton",), Effort.LEAST: ("lepton",)}
_PNG = {Effort.BEST: ("raster",), Effort.PROMPT: ("raster",), Effort.LEAST: ()}
_PLAIN = {Effort.BEST: ("raster",), Effort.PROMPT: ("raster",), Effort.LEAST: ("raster",)}
_SUITED: Mapping[bytes, tuple[int, Mapping[Effort, tuple[str, ...]]]] = MappingProxyType(
    {
        magic.JPEG: (lepton.LIMIT_BYTES, _JPEG),
        magic.PNG: (raster.LIMIT_BYTES, _PNG),
        **dict.fromkeys((magic.BMP, *magic.TIFFS), (raster.LIMIT_BYTES, _PLAIN)),
    }
)
"""By what a content begins with: what is tried on it up to which size, before zstd.

Bytes saved for each second of a core, in MB: `lepton` 2, `raster` 0.4 of PNGs and 5 of pixels that are packed badly or not at
all, `jpeg` 0.03 more than `lepton`. A link that carries less than that has nothing to gain from sending earlier.
"""


def candidates(head: bytes, size: int, effort: Effort = Effort.BEST) -> tuple[str, ...]:
    """The codings worth trying on a content of `size` bytes that starts with `head`, best first, `raw` always last.

    A JPEG that none takes is tried with zstd: camera files of many kinds carry uncompressed previews or padding, and the probe
    of zstd gives up on the others after a few hundred KiB.
    """
    if size < WORTH_CODING_BYTES:
        return ("raw",)
    for start, (limit_bytes, suited) in _SUITED.items():
        if head.startswith(start) and size <= limit_bytes:
            return (*suited[effort], "zstd", "raw")
    return ("zstd", "raw")
