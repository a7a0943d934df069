"""What an index of features answers: which pictures share most of them with this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from common.ids import Digest
from common.similarity.features import Features

SceneOf = Callable[[Digest], Digest]
"""The scene that a picture is a shot of, named by one of its pictures; a picture alone is its own scene."""

PER_SCENE = 3
"""Pictures of one scene in an answer: a burst of shots must not crowd out the one picture that was cropped or turned."""


class Match(NamedTuple):
    """A picture that shares features."""

    picture: Digest
    votes: float
    """The weight of the shared ones, more is better; comparable within one answer only."""


class FeatureIndex(Protocol):
    """Pictures by their features. Derived: whatever is lost is inserted again from the features kept elsewhere."""

    def __len__(self) -> int:
        """The number of pictures."""

    def __contains__(self, picture: Digest) -> bool: ...

    def insert(self, picture: Digest, features: Features) -> None:
        """Remembers a picture; one that is known already stays as it is."""

    def remove(self, picture: Digest) -> None:
        """Forgets a picture, if it is known."""

    def query(self, features: Features, k: int, *, scene_of: SceneOf | None = None) -> list[Match]:
        """At most `k` pictures that share features with these, or with their mirror image: most votes first, ties by digest.

        With `scene_of`, at most `PER_SCENE` of them are of one scene.
        """


def best(votes: dict[Digest, float], k: int, *, scene_of: SceneOf | None = None) -> list[Match]:
    """The `k` pictures of most votes, ties by digest, no more than `PER_SCENE` of one scene."""
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    chosen: list[Match] = []
    by_scene: dict[Digest, int] = {}
    for picture, weight in ranked:
        if scene_of is not None:
            scene = scene_of(picture)
            by_scene[scene] = by_scene.get(scene, 0) + 1
            if by_scene[scene] > PER_SCENE:
                continue
        chosen.append(Match(picture, weight))
        if len(chosen) == k:
            break
    return chosen
