"""Which pictures belong together, decided one picture at a time: the flow of [S §III-A, Fig. 2] with geometry as the judge.

1. A content that is known already ends here: it is an exact duplicate, and pictures are placed once.
2. `settle_early`: pictures whose summary keys meet this one's (ASV) are compared by PDQ in its eight dihedral forms. So few
   bits apart they are one picture, and no feature is needed: the division of labour that makes a source fast.
3. `place`: else the pictures that share most features are related to this one by registration. `near` is the same picture
   transformed, and joins a group; `scene` is another shot, worth predicting from; neither makes a group of its own.
4. `doubts`: pictures taken by one camera in one second that features could not relate, such as a small crop of a large
   original. Who can open the files again looks closer and says what it saw (`resolve`).
5. `finish`: groups are gathered anew around their richest pictures, so that the order of arrival matters little.

Pure decisions over answers that `Eyes` gives; no I/O, no arrays. The paper accepts at SD >= 0.75 [S §IV-B]; departs: at that
threshold a crop is never found, so registration accepts and SD is only reported. Where the paper leaves the order of
arrival open, a picture that joins two groups merges them, unless their representatives are two shots of one scene.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from common.ids import Digest
from common.similarity.places import Bond, Eyes, Group, Likeness, Picture, Place, Rank

EARLY_BITS = 31
"""PDQ distance, of 256 bits, up to which two pictures are one; no false positive in 7,834 unrelated pictures."""
_NCC_STEP = 0.03
MAX_DOUBTS = 4
"""Closer looks that one picture may ask for; a camera without a clock gives all its pictures the same time."""


@dataclass(slots=True)
class _Set:
    """A group in the making: the one that stands for it, and its pictures."""

    representative: Digest
    pictures: set[Digest] = field(default_factory=set)


class Grouping:
    """Groups of everything placed so far. Each picture is placed once, by `settle_early` or else by `place`."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._places: dict[Digest, Place] = {}
        self._since: dict[Digest, int] = {}
        """The how manieth each was placed."""
        self._sets: dict[Digest, _Set] = {}
        """By picture; all pictures of a group share one object."""
        self._moments: dict[bytes, list[Digest]] = defaultdict(list)
        self._likenesses: dict[tuple[Digest, Digest], Likeness] = {}
        self._near: dict[Digest, set[Digest]] = defaultdict(set)
        """Pictures that were found near to each other."""

    def __contains__(self, picture: Digest) -> bool:
        return picture in self._places

    def __len__(self) -> int:
        return len(self._places)

    def restore(self, places: Iterable[Place], representative: Digest) -> None:
        """Takes up a group as it was left, its pictures in the order in which they were placed; then more can be placed."""
        group = _Set(representative)
        known = list(places)
        inside = {place.picture.digest for place in known}
        for place in known:
            # What it was recognised as may have left the group since, by the user's word; its own features may be lost.
            is_loose = not place.has_features and place.witness not in inside and place.picture.digest != representative
            digest = self._keep(replace(place, witness=representative) if is_loose else place).picture.digest
            group.pictures.add(digest)
            self._sets[digest] = group
            if place.base is not None and place.likeness is not None:
                self._learn(digest, place.base, place.likeness)

    def settle_early(self, picture: Picture) -> Place | None:
        """Places a picture that summary keys and PDQ recognise; None where its features must decide.

        A picture that would be richer than what it is recognised as is not settled here: as a representative it needs features.
        """
        close = [(bits, seen) for seen, bits in self._eyes.hinted(picture.digest) if bits <= EARLY_BITS and seen in self._places]
        for _, seen in sorted(close):
            representative = self._places[self._sets[seen].representative]
            if _outranks(picture.rank, representative.picture.rank):
                continue
            return self._join(Place(picture, base=representative.picture.digest, bond=Bond.NEAR, witness=seen))
        return None

    def place(self, picture: Picture) -> Place:
        """Places a picture by relating it to those that look like it; one without features stands alone."""
        if not picture.rank.n_features:
            return self._found(Place(picture))
        near, scenes = self._related(picture.digest)
        if not near:
            base = _best(scenes)
            if base is None:
                return self._found(Place(picture, has_features=True))
            return self._found(Place(picture, base, Bond.SCENE, scenes[base], has_features=True))
        first, *others = sorted(near, key=lambda seen: (_distance(near[seen]), seen))
        placed = self._join(Place(picture, first, Bond.NEAR, near[first], has_features=True))
        for other in others:
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
        """Takes the word of a closer look at two representatives; of the smaller digest to the larger."""
        self._learn(a, b, likeness)
        if likeness.kind == Bond.NONE:
            return
        rich, poor = sorted((a, b), key=self._order)
        if likeness.kind == Bond.NEAR:
            self._merge(rich, poor)
        if self._places[poor].bond is Bond.NONE:
            self._places[poor] = replace(self._places[poor], base=rich, bond=Bond(likeness.kind), likeness=likeness)

    def finish(self) -> Iterator[Digest]:
        """Puts right what arrived in an unlucky order: groups, then bases of members, then scenes of representatives.

        Groups are gathered anew around their richest pictures, so that those which only a poor witness joined come apart.
        Yields each picture when it is done, for it may take a while; to be run to its end.
        """
        parts: dict[Digest, _Set] = {}
        tops_of: dict[int, list[Digest]] = defaultdict(list)
        for picture in sorted((p for p, place in self._places.items() if place.has_features), key=self._order):
            inside = tops_of[id(self._sets[picture])]
            near = self._nearest(picture, [*inside, *(parts[p].representative for p in self._near[picture] if p in parts)])
            part = parts[picture] = parts[near] if near else _Set(picture)
            part.pictures.add(picture)
            if near is None:
                inside.append(picture)
            yield picture
        self._bridge(parts)
        for picture in sorted(self._places, key=self._since.__getitem__):
            # A witness was placed before it, and so is done before it here.
            witness = self._places[picture].witness
            if picture not in parts:
                part = parts[picture] = parts[witness] if witness in parts else _Set(picture)
                part.pictures.add(picture)
        self._sets = parts
        for top in sorted({part.representative for part in parts.values()}):
            self._hang(parts[top])
            yield top
        for top in sorted({part.representative for part in parts.values()}):
            self._places[top] = self._as_scene(self._places[top])
            yield top

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

    def __getitem__(self, picture: Digest) -> Place:
        """The place of a picture. Errors: KeyError where it was not placed."""
        return self._places[picture]

    def placed_at(self, picture: Digest) -> int:
        """The how manieth a picture was placed. Errors: KeyError where it was not."""
        return self._since[picture]

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

    def _nearest(self, picture: Digest, tops: Iterable[Digest]) -> Digest | None:
        """The one of some representatives that a picture is nearest to, if to any."""
        return _best({top: found for top in tops if (found := self._likeness(picture, top)).kind == Bond.NEAR})

    def _bridge(self, parts: dict[Digest, _Set]) -> None:
        """Joins groups that some picture belongs to both of, unless what stands for them are two shots of one scene."""
        bridges = {_pair(a, b) for a in parts for b in self._near[a] if b in parts and parts[a] is not parts[b]}
        for a, b in sorted(bridges, key=lambda pair: (_distance(self._likeness(*pair)), pair)):
            rich, poor = sorted((parts[a], parts[b]), key=lambda part: self._order(part.representative))
            if rich is not poor and self._likeness(rich.representative, poor.representative).kind != Bond.SCENE:
                rich.pictures |= poor.pictures
                parts |= dict.fromkeys(poor.pictures, rich)

    def _hang(self, group: _Set) -> None:
        """Gives each picture of a group the base that leads to its representative in the fewest steps."""
        top = group.representative
        if self._places[top].bond is Bond.NEAR:
            self._places[top] = Place(self._places[top].picture, has_features=self._places[top].has_features)
        reached, rest = [top], {picture for picture in group.pictures if self._places[picture].has_features} - {top}
        for base in reached:
            found = sorted((p for p in rest & self._near[base]), key=lambda p: (_distance(self._likeness(p, base)), p))
            for picture in found:
                place = self._places[picture]
                self._places[picture] = Place(place.picture, base, Bond.NEAR, self._likeness(picture, base), has_features=True)
            reached += found
            rest -= set(found)
        for picture in group.pictures - {top}:
            if not self._places[picture].has_features:
                self._places[picture] = replace(self._places[picture], base=top, bond=Bond.NEAR)

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
        return Place(place.picture, base_or_none, Bond.SCENE, likeness, has_features=True)

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
        self._since[digest] = len(self._since)
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

    def _likeness(self, a: Digest, b: Digest) -> Likeness:
        pair = _pair(a, b)
        if pair not in self._likenesses:
            self._learn(*pair, self._eyes.relate(*pair))
        return self._likenesses[pair]

    def _learn(self, a: Digest, b: Digest, likeness: Likeness) -> None:
        self._likenesses[_pair(a, b)] = likeness
        if likeness.kind == Bond.NEAR:
            self._near[a].add(b)
            self._near[b].add(a)

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
    return min(found, key=lambda seen: (_distance(found[seen]), seen), default=None)


def _distance(likeness: Likeness) -> tuple[int, int]:
    """Sorts the likest first: by what is laid over each other, in steps above its noise, then by how many points agree."""
    return -round(likeness.ncc / _NCC_STEP), -likeness.inliers


def _outranks(rank: Rank, other: Rank) -> bool:
    """Whether a picture without features yet would be richer: then it has more pixels."""
    return rank.pixels > other.pixels
