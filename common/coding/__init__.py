"""Whole-content codings: how all bytes of a content are stored and sent, each proved by decoding.

A name in `CODINGS` is in journals, on the wire and on disks: it stays for ever, and a changed algorithm gets a new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from common import magic
from common.coding.jpeg import Jpeg
from common.coding.lepton import LIMIT_BYTES, Lepton
from common.coding.raw import Raw
from common.coding.streams import Readable, Writable
from common.coding.zstd import Zstd

WORTH_CODING_BYTES = 64
"""Contents below this go raw: no coding's own frame leaves them much to save."""


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


CODINGS: Mapping[str, Coding] = MappingProxyType({coding.name: coding for coding in (Raw(), Zstd(), Lepton(), Jpeg())})


def candidates(head: bytes, size: int, *, is_fast: bool = False) -> tuple[str, ...]:
    """The codings worth trying on a content of `size` bytes that starts with `head`, best first, `raw` always last.

    `is_fast` leaves out what takes long for the last few percent. A JPEG that none takes is tried with zstd: camera files of many
    kinds carry uncompressed previews or padding, and the probe of zstd gives up on the others after a few hundred KiB.
    """
    if size < WORTH_CODING_BYTES:
        return ("raw",)
    if head.startswith(magic.JPEG) and size <= LIMIT_BYTES:
        return ("lepton", "zstd", "raw") if is_fast else ("jpeg", "lepton", "zstd", "raw")
    return ("zstd", "raw")
