"""Which pictures belong together, decided one picture at a time: the flow of [S §III-A, Fig. 2] with geometry as the judge.

1. A content that is known already ends here: it is an exact duplicate, and pictures are placed once.
2. `settle_early`: pictures whose summary keys meet this one's (ASV) are compared by PDQ in its eight dihedral forms. So few
   bits apart they are one picture, and no feature is needed: the division of labour that makes a source fast.
3. `place`: else the pictures that share most features are related to this one by registration. `near` is the same picture
   transformed, and joins a group; `scene` is another shot, worth predicting from; neither makes a group of its own.
4. `doubts`: pictures taken by one camera in one second that features could not relate, such as a small crop of a large
   original. Who can open the files again looks closer and says what it saw (`resolve`).
5. `finish`: members move to the representative that they turn out to belong to, so that the order of arrival matters little.

Pure decisions over answers that `Eyes` gives; no I/O, no arrays. The paper accepts at SD >= 0.75 [S §IV-B]; departs: at that
threshold a crop is never found, so registration accepts and SD is only reported. Where the paper leaves the order of
arrival open, a picture that joins two groups merges them, unless their representatives are two shots of one scene.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from common.ids import Digest

EARLY_BITS = 31
"""PDQ distance, of 256 bits, up to which two pictures are one; no false positive in 7,834 unrelated pictures."""
MAX_DOUBTS = 4
"""Closer looks that one picture may ask for; a camera without a clock gives all its pictures the same time."""


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


class Likeness(Protocol):
    """What a comparison of two pictures found. `common.similarity.registration.Relation` is one."""

    @property
    def kind(self) -> str:
        """`near`, `scene` or `none`."""

    @property
    def inliers(self) -> int:
        """Matches that one affine transform explains."""

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
    """Where a picture hangs: on itself, or on a base by a bond."""

    picture: Picture
    base: Digest | None = None
    bond: Bond = Bond.NONE
    """NEAR puts it into its base's group. SCENE does not: it only names what to predict from."""
    sd: float = 1.0
    inliers: int = 0
    has_features: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Near-duplicates of one another: the richest stands for all; `members` in the order of their digests, without it."""

    representative: Digest
    members: tuple[Place, ...]
    scenes: tuple[Place, ...] = ()
    """Representatives of other groups, by digest, that are other shots of this scene; each hangs on a richer one of it."""


@dataclass(slots=True)
class _Set:
    """A group in the making: its pictures, and the one that stands for them."""

    representative: Digest
    pictures: set[Digest] = field(default_factory=set)


class Grouping:
    """Groups of everything placed so far. Each picture is placed once, by `settle_early` or else by `place`."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._places: dict[Digest, Place] = {}
        self._sets: dict[Digest, _Set] = {}
        """By picture; all pictures of a group share one object."""
        self._moments: dict[bytes, list[Digest]] = defaultdict(list)
        self._likenesses: dict[tuple[Digest, Digest], Likeness] = {}

    def __contains__(self, picture: Digest) -> bool:
        return picture in self._places

    def __len__(self) -> int:
        return len(self._places)

    def settle_early(self, picture: Picture) -> Place | None:
        """Places a picture that summary keys and PDQ recognise; None where its features must decide.

        A picture that would be richer than what it is recognised as is not settled here: as a representative it needs features.
        """
        close = [(bits, seen) for seen, bits in self._eyes.hinted(picture.digest) if bits <= EARLY_BITS and seen in self._places]
        for _, seen in sorted(close):
            representative = self._places[self._sets[seen].representative]
            if _outranks(picture.rank, representative.picture.rank):
                continue
            return self._join(Place(picture, base=self._anchor(seen), bond=Bond.NEAR, sd=1.0))
        return None

    def place(self, picture: Picture) -> Place:
        """Places a picture that has features by relating it to those that look like it."""
        near, scenes = self._related(picture.digest)
        if not near:
            base = _best(scenes)
            bond = Bond.SCENE if base else Bond.NONE
            sd, inliers = (scenes[base].sd, scenes[base].inliers) if base else (1.0, 0)
            return self._found(Place(picture, base, bond, sd=sd, inliers=inliers, has_features=True))
        first = _best(near)
        assert first is not None  # noqa: S101 - near is not empty
        likeness = near[first]
        placed = self._join(
            Place(picture, base=first, bond=Bond.NEAR, sd=likeness.sd, inliers=likeness.inliers, has_features=True)
        )
        for other in sorted(near, key=lambda seen: (-near[seen].inliers, seen)):
            self._merge(first, other)
        return placed

    def doubts(self) -> Iterator[tuple[Digest, Digest]]:
        """Pairs of representatives taken in one moment that nothing relates so far: worth a closer look. Richer one first."""
        for moment in sorted(self._moments):
            tops = sorted({self._sets[seen].representative for seen in self._moments[moment]}, key=self._order)
            for at, poor in enumerate(tops):
                rich = [top for top in tops[:at] if not self._knows_bond(top, poor)]
                yield from ((top, poor) for top in rich[:MAX_DOUBTS])

    def resolve(self, a: Digest, b: Digest, likeness: Likeness) -> None:
        """Takes the word of a closer look at two representatives."""
        self._likenesses[_pair(a, b)] = likeness
        if likeness.kind == Bond.NEAR and self._sets[a] is not self._sets[b]:
            rich, poor = sorted((a, b), key=self._order)
            self._merge(rich, poor)
            self._rehang(poor, rich, likeness)
        elif likeness.kind == Bond.SCENE:
            rich, poor = sorted((a, b), key=self._order)
            if self._places[poor].bond is Bond.NONE:
                self._rehang(poor, rich, likeness)

    def finish(self) -> Iterator[Digest]:
        """Hangs members on their representative where they are near to it, and representatives on the best richer scene.

        Yields each picture when it is done, for it may take a while; to be run to its end.
        """
        for picture in sorted(self._places, key=self._order):
            place = self._places[picture]
            top = self._sets[picture].representative
            if picture == top:
                self._places[picture] = self._as_scene(place)
            elif place.base != top and place.has_features:
                likeness = self._likeness(picture, top)
                if likeness.kind == Bond.NEAR or place.bond is not Bond.NEAR:
                    self._rehang(picture, top, likeness)
            yield picture

    def groups(self) -> list[Group]:
        """All groups, also those of one picture, by the digest of their representative."""
        tops = sorted({one.representative for one in self._sets.values()})
        scenes: dict[Digest, list[Place]] = defaultdict(list)
        for top in tops:
            root = self._scene(top)
            if root != top:
                scenes[root].append(self._places[top])
        return [
            Group(top, tuple(self._places[member] for member in sorted(self._sets[top].pictures - {top})), tuple(scenes[top]))
            for top in tops
        ]

    def representative(self, picture: Digest) -> Digest:
        """The picture that stands for this one. Errors: KeyError where it was not placed."""
        return self._sets[picture].representative

    def _related(self, picture: Digest) -> tuple[dict[Digest, Likeness], dict[Digest, Likeness]]:
        """The best near and scene relations of a picture, at most one of each kind for each group."""
        near: dict[Digest, Likeness] = {}
        scenes: dict[Digest, Likeness] = {}
        joined: list[_Set] = []
        for seen in self._candidates(picture):
            if any(self._sets[seen] is one for one in joined):
                continue
            likeness = self._likeness(picture, seen)
            if likeness.kind == Bond.NEAR:
                top = self._sets[seen].representative
                if top != seen and self._places[top].has_features and self._likeness(picture, top).kind == Bond.SCENE:
                    # The member is a poor witness: what stands for its group is another shot.
                    scenes[top] = self._likeness(picture, top)
                    continue
                near[seen] = likeness
                joined.append(self._sets[seen])
            elif likeness.kind == Bond.SCENE:
                scenes[seen] = likeness
        return near, scenes

    def _as_scene(self, place: Place) -> Place:
        """The place of a representative on the best of those richer that show its scene, if any."""
        alone = Place(place.picture, has_features=place.has_features)
        if not place.has_features:
            return alone
        picture = place.picture.digest
        scenes = {}
        known = [place.base] if place.bond is Bond.SCENE and place.base is not None else []
        for seen in dict.fromkeys((*known, *self._candidates(picture))):
            top = self._sets[seen].representative
            if self._order(top) < self._order(picture) and self._likeness(picture, seen).kind == Bond.SCENE:
                direct = self._places[top].has_features and self._likeness(picture, top).kind == Bond.SCENE
                base = top if direct else seen
                scenes[base] = self._likeness(picture, base)
        base_or_none = _best(scenes)
        if base_or_none is None:
            return alone
        likeness = scenes[base_or_none]
        return Place(place.picture, base_or_none, Bond.SCENE, sd=likeness.sd, inliers=likeness.inliers, has_features=True)

    def _scene(self, top: Digest) -> Digest:
        """The representative that a scene's other shots hang on at last, each on a richer one, so that no chain is a ring."""
        while (place := self._places[top]).bond is Bond.SCENE and place.base is not None:
            richer = self._sets[place.base].representative
            if self._order(richer) >= self._order(top):
                break
            top = richer
        return top

    def _candidates(self, picture: Digest) -> Iterable[Digest]:
        hinted = [seen for seen, bits in sorted(self._eyes.hinted(picture), key=lambda one: (one[1], one[0]))]
        for seen in dict.fromkeys((*hinted, *self._eyes.similar(picture, self._set_of))):
            if seen != picture and seen in self._places and self._places[seen].has_features:
                yield seen

    def _set_of(self, seen: Digest) -> Digest:
        return self._sets[seen].representative if seen in self._sets else seen

    def _found(self, place: Place) -> Place:
        digest = place.picture.digest
        self._sets[digest] = _Set(digest, {digest})
        return self._keep(place)

    def _join(self, place: Place) -> Place:
        if place.base is None:
            raise ValueError("a picture joins a group by a base")
        joined = self._sets[place.base]
        digest = place.picture.digest
        joined.pictures.add(digest)
        self._sets[digest] = joined
        kept = self._keep(place)
        self._crown(joined)
        return kept

    def _keep(self, place: Place) -> Place:
        digest = place.picture.digest
        self._places[digest] = place
        if place.picture.moment:
            self._moments[place.picture.moment].append(digest)
        return place

    def _merge(self, a: Digest, b: Digest) -> None:
        """Makes one group of two, unless what stands for them are two shots of one scene."""
        left, right = self._sets[a], self._sets[b]
        if left is right:
            return
        tops = left.representative, right.representative
        both_seen = all(self._places[top].has_features for top in tops)
        if both_seen and self._likeness(*tops).kind == Bond.SCENE:
            return
        left.pictures |= right.pictures
        for picture in right.pictures:
            self._sets[picture] = left
        self._crown(left)

    def _crown(self, group: _Set) -> None:
        """Names the richest picture that has features as representative."""
        seen = [picture for picture in group.pictures if self._places[picture].has_features]
        group.representative = min(seen or group.pictures, key=self._order)

    def _anchor(self, seen: Digest) -> Digest:
        """The base for what is recognised as `seen`: its group's representative."""
        return self._sets[seen].representative

    def _rehang(self, picture: Digest, base: Digest, likeness: Likeness) -> None:
        old = self._places[picture]
        bond = Bond.NEAR if self._sets[picture] is self._sets[base] else Bond(likeness.kind)
        self._places[picture] = Place(
            old.picture, base, bond, sd=likeness.sd, inliers=likeness.inliers, has_features=old.has_features
        )

    def _likeness(self, a: Digest, b: Digest) -> Likeness:
        pair = _pair(a, b)
        if pair not in self._likenesses:
            self._likenesses[pair] = self._eyes.relate(*pair)
        return self._likenesses[pair]

    def _knows_bond(self, a: Digest, b: Digest) -> bool:
        known = self._likenesses.get(_pair(a, b))
        return known is not None and known.kind != Bond.NONE

    def _order(self, picture: Digest) -> tuple[int, int, int, int, Digest]:
        """Richest first; ties by digest, so that no order of arrival decides."""
        rank = self._places[picture].picture.rank
        return -rank.n_features, -rank.pixels, -rank.n_metadata, -rank.n_bytes, picture


def _pair(a: Digest, b: Digest) -> tuple[Digest, Digest]:
    return (a, b) if a <= b else (b, a)


def _best(found: Mapping[Digest, Likeness]) -> Digest | None:
    return min(found, key=lambda seen: (-found[seen].inliers, seen), default=None)


def _outranks(rank: Rank, other: Rank) -> bool:
    """Whether a picture without features yet would be richer: then it has more pixels."""
    return rank.pixels > other.pixels
