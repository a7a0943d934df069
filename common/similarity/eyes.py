"""What has been seen so far, answering what grouping asks: summary vector and keys, PDQ, the feature index, registration.

Holds per picture its keys (some 200 bytes) and its place in the feature index; first looks and features themselves are
fetched when two pictures are compared, so a library need not fit into memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from common.ids import Digest
from common.similarity import pdq
from common.similarity.affinity import AffinityIndex
from common.similarity.asv import Asv, Glance
from common.similarity.feature_index import FeatureIndex, SceneOf
from common.similarity.first_look import FirstLook
from common.similarity.registration import Relation, relate
from common.similarity.sight import Sight

TOP_K = 30
"""Pictures asked of the feature index, three of a group at most."""
_CACHED = 512
_UNLIKE_BITS = 256
_MAX_HINTS = 16
_LEAST_EXPECTED = 64


class KeptEyes:
    """Eyes over everything remembered so far. Not thread-safe."""

    def __init__(
        self,
        looks: Callable[[Digest], FirstLook],
        sights: Callable[[Digest], Sight],
        features: FeatureIndex,
        *,
        expected: int,
    ) -> None:
        """`looks` and `sights` give what was kept of a picture; `expected` pictures size the summary vector, which grows."""
        self._looks = looks
        self._sights = sights
        self._asv = Asv.sized(max(expected, _LEAST_EXPECTED))
        self._keys = AffinityIndex()
        self._hints: dict[Digest, list[tuple[Digest, int]]] = {}
        self._features = features
        self._recent: OrderedDict[Digest, Sight] = OrderedDict()
        self.n_surely_new = 0
        """First looks that the summary vector sent away: nothing else was asked."""

    def glance(self, picture: Digest, look: FirstLook) -> None:
        """Compares a first look with all before, and remembers it."""
        glance = Glance(picture, look.vector, look.moment)
        seen = self._keys.candidates(glance) if self._asv.may_hold(glance) else []
        self.n_surely_new += not seen
        self._hints[picture] = self._hint(look, seen)
        self.remember(picture, look)

    def remember(self, picture: Digest, look: FirstLook) -> None:
        """Makes a first look known to those that come; one that is known already stays as it is."""
        glance = Glance(picture, look.vector, look.moment)
        if picture not in self._keys:
            self._asv.insert(glance)
            self._keys.insert(glance)

    def forget_hints(self) -> None:
        """Lets go of what `glance` found: of pictures that are placed, features alone are asked."""
        self._hints.clear()

    def see(self, picture: Digest) -> int:
        """Remembers the features of a picture that was glanced at, and says how many there are."""
        features = self._sight(picture).features
        self._features.insert(picture, features)
        return len(features)

    def hinted(self, picture: Digest) -> Sequence[tuple[Digest, int]]:
        """As `grouping.Eyes`, of the pictures glanced at before; one too flat to hash is 256 bits from all others."""
        return self._hints.get(picture, ())

    def similar(self, picture: Digest, scene_of: SceneOf) -> Sequence[Digest]:
        """As `grouping.Eyes`."""
        found = self._features.query(self._sight(picture).features, TOP_K + 1, scene_of=scene_of)
        return [match.picture for match in found if match.picture != picture]

    def relate(self, a: Digest, b: Digest) -> Relation:
        """As `grouping.Eyes`."""
        return relate(self._sight(a), self._sight(b))

    def _hint(self, look: FirstLook, seen: list[Digest]) -> list[tuple[Digest, int]]:
        looks = {other: self._looks(other) for other in seen}
        hashed = [other for other in seen if min(look.quality, looks[other].quality) >= pdq.LEAST_QUALITY]
        found = [(other, _UNLIKE_BITS) for other in seen if other not in set(hashed)]
        if hashed:
            bits = pdq.distances(look.pdq, np.stack([looks[other].pdq[0] for other in hashed])).min(axis=0)
            found += zip(hashed, bits.tolist(), strict=True)
        return sorted(found, key=lambda one: (one[1], one[0]))[:_MAX_HINTS]

    def _sight(self, picture: Digest) -> Sight:
        if picture in self._recent:
            self._recent.move_to_end(picture)
            return self._recent[picture]
        sight = self._recent[picture] = self._sights(picture)
        if len(self._recent) > _CACHED:
            self._recent.popitem(last=False)
        return sight
