"""Samples of every method and of every step, which come out as they did for ever: what this program once wrote, it reads.

    samples/METHOD-N.delta   a delta; samples.tsv says over which base, and the digest of its target
    samples/STEP-N.edit      an edit with such a step; samples.tsv says the digest of the picture that it makes of its base
    samples/DIGEST.base      a base

`python -m tests.common.delta.golden` adds what is missing, as it is made today. A sample that is there is left alone: who
changes a format keeps the old way to read it, under its old name or number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import delta
from common.delta import edits
from common.delta.opened import Opened
from common.ids import Digest, digest_of
from common.kernel.pixels import Samples

SAMPLES = Path(__file__).parent / "samples"
TABLE = SAMPLES / "samples.tsv"


@dataclass(frozen=True, slots=True)
class Sample:
    """Something that was written once."""

    name: str
    """Of its file."""
    base: str
    """Of its base's file; empty where none is needed."""
    digest: str
    """Of what comes out, in hex."""

    @property
    def content(self) -> bytes:
        """The delta or the edit."""
        return (SAMPLES / self.name).read_bytes()

    def comes_out(self) -> Digest:
        """The digest of what comes out today."""
        base = (SAMPLES / self.base).read_bytes() if self.base else None
        if self.name.endswith(".delta"):
            return digest_of(delta.decode(self.content, base))
        return picture_digest(edits.render(edits.from_bytes(self.content), Opened(base or b"")))


def samples() -> Iterator[Sample]:
    """All that there are."""
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield Sample(row["sample"], row["base"], row["digest"])


def picture_digest(picture: Samples) -> Digest:
    """Of its shape and its pixels."""
    return digest_of(repr(picture.shape).encode() + picture.tobytes())
