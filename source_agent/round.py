"""A round of grouping: pictures that are placed together, among the groups of everything that is like one of them.

The order is: `hint`, features of `wanted`, `take_up`, `place`, features of `postponed`, `place_rest`, a closer look at `doubts`,
`finish`, `placing`. Long steps yield after each picture, so that whoever runs them can stop in between; nothing is journalled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from common.ids import Digest
from common.similarity.grouping import Grouping
from common.similarity.places import Place
from common.similarity.registration import Relation
from source_agent.album import Album
from source_agent.groups import Groups, Placing
from source_agent.selection import GroupId, KnownGroup, choose


class Round:
    """One round. To be used by one thread at a time."""

    def __init__(self, album: Album, groups: Groups, order: Sequence[Digest]) -> None:
        """`order`: the pictures, all glanced at, the richest first."""
        self._album, self._groups = album, groups
        self.order = tuple(order)
        self.wanted: list[Digest] = []
        """Pictures that no first look recognises: their features are needed."""
        self.postponed: list[Digest] = []
        """Pictures that were recognised as one that is no help: their features are needed after all."""
        self._grouping = Grouping(album.eyes)
        self._before: dict[GroupId, KnownGroup] = {}
        self._n_words = groups.n_words

    def anew(self) -> Round:
        """The same round from `take_up` on, with the groups as they are now."""
        again = Round(self._album, self._groups, self.order)
        again.wanted = self.wanted
        return again

    def hint(self) -> Iterator[None]:
        """Compares the first looks with all before, each other's among them."""
        for digest in self.order:
            if not self._album.hint(digest):
                self.wanted.append(digest)
            yield

    def take_up(self) -> Iterator[None]:
        """Takes up the groups that any of the pictures may belong to."""
        for digest in self.order:
            alike = self._album.candidates(digest, self._groups.scene_of)
            alike += self._groups.of_moment(self._album.look(digest).moment)
            for group in self._groups.around(alike):
                if group.id not in self._before:
                    self._before[group.id] = group
                    self._grouping.restore(map(self._as_kept, group.places), group.representative)
            yield

    def place(self) -> Iterator[None]:
        """Places every picture that its keys, or its features, can place."""
        for digest in self.order:
            if self._grouping.settle_early(self._album.picture(digest, with_features=False)) is None:
                if self._album.has(digest, "see"):
                    self._grouping.place(self._album.picture(digest, with_features=True))
                else:
                    self.postponed.append(digest)
            yield

    def place_rest(self) -> Iterator[None]:
        """Places the postponed; one whose features cannot be had stands alone."""
        for digest in self.postponed:
            self._grouping.place(self._album.picture(digest, with_features=self._album.has(digest, "see")))
            yield

    def doubts(self) -> list[tuple[Digest, Digest]]:
        """Pairs that are worth a closer look, each with a new picture."""
        fresh = set(self.order)
        return [pair for pair in self._grouping.doubts() if fresh & set(pair)]

    def resolve(self, found: Mapping[tuple[Digest, Digest], Relation]) -> None:
        """Takes the word of the closer looks."""
        for (a, b), relation in sorted(found.items(), key=lambda one: one[0]):
            self._grouping.resolve(a, b, relation)

    def finish(self) -> Iterator[Digest]:
        """Puts right what arrived in an unlucky order."""
        return self._grouping.finish()

    def _as_kept(self, place: Place) -> Place:
        """A place as far as what was seen of the picture is still there: its file may be gone since, and the features lost.

        How it is quantised is not journalled; the first look tells.
        """
        digest = place.picture.digest
        tables = self._album.look(digest).tables if self._album.has(digest, "glance") else b""
        has_features = place.has_features and self._album.has(digest, "see")
        return replace(place, picture=replace(place.picture, tables=tables), has_features=has_features)

    def placing(self, *, now_ns: int, review_ns: Mapping[Digest, int]) -> Placing:
        """What is to be journalled."""
        chosen = choose(self._before.values(), self._grouping.groups(), lambda digest: self._grouping[digest].picture.rank)
        fresh = frozenset(self.order)
        old = [place.picture.digest for group in self._before.values() for place in group.places]
        placed = [*old, *sorted(fresh, key=self._grouping.placed_at)]
        places = {digest: self._grouping[digest] for digest in placed}
        return Placing(places, chosen, fresh, now_ns, review_ns, self._n_words)
