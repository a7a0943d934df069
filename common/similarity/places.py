"""The nouns of grouping: pictures as it knows them, the places they get, and what it must be told by eyes.

Values and protocols, without arrays: the rules that use them are in `grouping`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from common.ids import Digest


class Bond(StrEnum):
    """What a picture is to the base that it hangs on."""

    NONE = "none"
    NEAR = "near"
    SCENE = "scene"


class Rank(NamedTuple):
    """How much a picture says, the larger the better: compared from left to right [S §III-A: most features first]."""

    n_features: int
    pixels: int
    n_metadata: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What grouping must know of a content by itself."""

    digest: Digest
    rank: Rank
    moment: bytes = b""
    """Exact time and camera, empty where unknown. Equal moments are a reason to look closer, never a proof."""
    tables: bytes = b""
    """How a JPEG was quantised; empty for other formats. A piece cut out without loss has those of the whole."""


class Likeness(Protocol):
    """What a comparison of two pictures found. `common.similarity.registration.Relation` is one."""

    @property
    def kind(self) -> str:
        """`near`, `scene` or `none`."""

    @property
    def inliers(self) -> int:
        """Matches that one affine transform explains."""

    @property
    def ncc(self) -> float:
        """The correlation of one laid over the other, -1 to 1."""

    @property
    def sd(self) -> float:
        """The similarity degree, 0 to 1 [S §IV-B]."""


class Eyes(Protocol):
    """What has been seen so far, and how two pictures compare."""

    def hinted(self, picture: Digest) -> Sequence[tuple[Digest, int]]:
        """Remembered pictures whose summary keys meet this one's, each with its PDQ distance in bits (0-256)."""

    def similar(self, picture: Digest, scene_of: Callable[[Digest], Digest]) -> Sequence[Digest]:
        """Remembered pictures that share most features with this one, best first, few of those that `scene_of` calls one."""

    def relate(self, a: Digest, b: Digest) -> Likeness:
        """How two pictures compare; both have features. Deterministic and symmetric in kind."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture hangs: on nothing, or on a base by a bond."""

    picture: Picture
    base: Digest | None = None
    bond: Bond = Bond.NONE
    """NEAR puts it into its base's group. SCENE does not: it only names what to predict from."""
    likeness: Likeness | None = None
    """To the base, of the smaller digest to the larger; None without a base, or where no features were compared."""
    has_features: bool = False
    witness: Digest | None = None
    """What the picture was recognised as, where that was settled without features."""


@dataclass(frozen=True, slots=True)
class Group:
    """Near-duplicates of one another: the richest stands for all; `members` in the order of their digests, without it."""

    representative: Digest
    members: tuple[Place, ...]
    scenes: tuple[Place, ...] = ()
    """Representatives of other groups, by digest, that are other shots of this scene; each hangs on a richer one of it."""
