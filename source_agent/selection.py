"""Which part a file plays in its group of near-duplicates, and which pictures the groups are of. Pure.

Grouping says what belongs together and which picture is the richest. Here its word meets what the journal has and what the
user said: a confirmed group keeps its pictures, a chosen representative stays, and a group keeps its number, so that a person
who looks twice finds it again [S §III-A, Fig. 2]. Of pictures that come together the richest stands for all: most features,
then pixels, metadata, bytes. One that comes later takes over only if it shows more, in features or pixels: a tag added to a
copy makes no picture worth sending whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from common.ids import Digest
from common.magic import is_image
from common.model import Role
from common.similarity.places import Group, Place, Rank

GroupId = int


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group as the journal has it."""

    id: GroupId
    representative: Digest
    places: tuple[Place, ...]
    """In the order in which the pictures were placed, the representative among them."""
    is_pinned: bool = False
    """The user chose the representative."""
    is_confirmed: bool = False
    """The user said that these belong together."""

    @property
    def pictures(self) -> frozenset[Digest]:
        """The digests of its pictures."""
        return frozenset(place.picture.digest for place in self.places)


@dataclass(frozen=True, slots=True)
class ChosenGroup:
    """A group as it is to be journalled."""

    id: GroupId | None
    """None for a new one."""
    representative: Digest
    pictures: frozenset[Digest]


def choose(before: Iterable[KnownGroup], after: Iterable[Group], rank: Callable[[Digest], Rank]) -> list[ChosenGroup]:
    """The groups to journal in place of those `before`, whose pictures are all among those of `after`; `rank` knows them all."""
    known = {group.id: group for group in before}
    kept: dict[GroupId, set[Digest]] = {group.id: set(group.pictures) for group in known.values() if group.is_confirmed}
    home = {picture: group.id for group in known.values() for picture in group.pictures}
    free: list[tuple[Digest, frozenset[Digest]]] = []
    for group in after:
        pictures = {group.representative, *(member.picture.digest for member in group.members)}
        confirmed = home.get(group.representative)
        loose = frozenset(picture for picture in pictures if home.get(picture) not in kept)
        if confirmed in kept:
            # What has a group stays there: the user may have taken it, or what stands here, out of the other's.
            kept[confirmed] |= loose - home.keys()
            loose &= home.keys()
        if loose:
            richest = min(loose, key=lambda picture: (*(-one for one in rank(picture)), picture))
            free.append((group.representative if group.representative in loose else richest, loose))
    chosen = [ChosenGroup(number, known[number].representative, frozenset(held)) for number, held in kept.items()]
    taken = set(kept)
    pinned = {group.representative: group.id for group in known.values() if group.is_pinned}
    # Those that the user chose for come first, then those that kept their representative, so that no other takes their number.
    by_claim = sorted(free, key=lambda one: (not one[1] & pinned.keys(), not _stands(known, home, one[0]), one[0]))
    for representative, loose in by_claim:
        users = min((pinned[picture] for picture in loose & pinned.keys() if pinned[picture] not in taken), default=None)
        number = _number(home, representative, loose, taken) if users is None else users
        if number is None:
            chosen.append(ChosenGroup(None, representative, loose))
            continue
        taken.add(number)
        old = known[number].representative
        stays = old in loose and (known[number].is_pinned or _shown(rank(old)) >= _shown(rank(representative)))
        chosen.append(ChosenGroup(number, old if stays else representative, loose))
    return chosen


def _shown(rank: Rank) -> tuple[int, int]:
    return rank.n_features, rank.pixels


def _stands(known: dict[GroupId, KnownGroup], home: dict[Digest, GroupId], picture: Digest) -> bool:
    return picture in home and known[home[picture]].representative == picture


def _number(
    home: dict[Digest, GroupId], representative: Digest, pictures: Iterable[Digest], taken: set[GroupId]
) -> GroupId | None:
    """The number that a group goes on under: its representative's, else that of most of its pictures; None for a new one."""
    own = home.get(representative)
    if own is not None and own not in taken:
        return own
    numbers = Counter(home[picture] for picture in pictures if picture in home and home[picture] not in taken)
    return min(numbers, key=lambda number: (-numbers[number], number), default=None)


def role_of(head: bytes) -> Role:
    """The role of a content by its first bytes (16 are enough), where pictures are not compared: each stands for itself."""
    return Role.REPRESENTATIVE if is_image(head) else Role.NONE
