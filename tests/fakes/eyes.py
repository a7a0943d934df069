"""A world of strips: shots of scenes, cut to intervals, so that what is near to what can be said without a pixel.

Two strips of one shot are near where they overlap by enough of the shorter; of one scene's other shots, a scene; else nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.ids import Digest, digest_of
from common.similarity.places import Picture, Rank

OVERLAP = 0.5
"""Part of the shorter strip that must be shared."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The part `low`..`high` of a shot of a scene. Equal `look` is what PDQ would call one picture."""

    scene: str
    shot: int = 0
    low: int = 0
    high: int = 100
    look: int = 0
    pixels: int = 0
    moment: bytes = b""
    tables: bytes = b""
    n_features: int = 200
    vague: bool = False
    """Related to nothing unless one looks closer."""

    @property
    def digest(self) -> Digest:
        """The name of its bytes."""
        return digest_of(repr(self).encode())

    @property
    def picture(self) -> Picture:
        """What grouping is told."""
        rank = Rank(self.n_features, self.pixels or self.high - self.low, 0, 0)
        return Picture(self.digest, rank, self.moment, self.tables)


@dataclass(frozen=True, slots=True)
class Seen:
    """What comparing two strips gives."""

    kind: str
    inliers: int
    sd: float

    @property
    def ncc(self) -> float:
        """Whatever is near looks equally alike."""
        return 1.0 if self.kind == "near" else 0.5


class StripEyes:
    """Eyes that have seen exactly the strips they were shown, and count how often they were asked to compare."""

    def __init__(self) -> None:
        self.strips: dict[Digest, Strip] = {}
        self.n_compared = 0
        self.blind_to_keys = False
        """Whether summary keys miss everything, as an ASV may."""

    def show(self, strip: Strip) -> Picture:
        """Remembers a strip."""
        self.strips[strip.digest] = strip
        return strip.picture

    def hinted(self, picture: Digest) -> Sequence[tuple[Digest, int]]:
        """Strips of one look are 0 bits apart, those of the same shot 60, others have no key in common."""
        asked = self.strips[picture]
        if self.blind_to_keys:
            return []
        return [
            (digest, 0 if strip.look == asked.look and strip.look else 60)
            for digest, strip in self.strips.items()
            if digest != picture and (strip.scene, strip.shot) == (asked.scene, asked.shot)
        ]

    def similar(self, picture: Digest, scene_of: Callable[[Digest], Digest]) -> Sequence[Digest]:  # noqa: ARG002 - it sees all
        """All strips of the scene, those of the same shot first."""
        asked = self.strips[picture]
        found = [strip for digest, strip in self.strips.items() if digest != picture and strip.scene == asked.scene]
        return [strip.digest for strip in sorted(found, key=lambda strip: (strip.shot != asked.shot, strip.digest))]

    def relate(self, a: Digest, b: Digest) -> Seen:
        """By overlap; a vague strip is related to nothing."""
        self.n_compared += 1
        one, two = self.strips[a], self.strips[b]
        return Seen("none", 0, 0.0) if one.vague or two.vague else self.look_closer(a, b)

    def look_closer(self, a: Digest, b: Digest) -> Seen:
        """By overlap alone."""
        one, two = self.strips[a], self.strips[b]
        shared = min(one.high, two.high) - max(one.low, two.low)
        if one.scene != two.scene or shared < OVERLAP * min(one.high - one.low, two.high - two.low):
            return Seen("none", 0, 0.0)
        return Seen("near" if one.shot == two.shot else "scene", shared, shared / 100)
