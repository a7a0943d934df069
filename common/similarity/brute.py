"""The feature index that looks at everything: what the fast one is measured against, and enough for a few hundred pictures."""

from __future__ import annotations

import numpy as np

from common.ids import Digest
from common.similarity.feature_index import Match, SceneOf, best
from common.similarity.features import N_INDEXED, Features, mirrored, strongest
from common.similarity.projection import Vectors, projection

MATCH_DISTANCE = 0.40
"""Descriptions of length 1 that lie closer than this show the same."""


class BruteIndex:
    """Counts for each picture how many points of the query have one of its points near. Not thread-safe."""

    def __init__(self) -> None:
        self._vectors: dict[Digest, Vectors] = {}

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, picture: Digest) -> bool:
        return picture in self._vectors

    def insert(self, picture: Digest, features: Features) -> None:
        """As `FeatureIndex`."""
        self._vectors.setdefault(picture, strongest(features, N_INDEXED).vectors)

    def remove(self, picture: Digest) -> None:
        """As `FeatureIndex`."""
        self._vectors.pop(picture, None)

    def query(self, features: Features, k: int, *, scene_of: SceneOf | None = None) -> list[Match]:
        """As `FeatureIndex`. Cost: 200 x 200 distances for each picture known, twice."""
        features = strongest(features, N_INDEXED)
        limit = MATCH_DISTANCE * projection(features.description).steps
        asked = np.concatenate([features.vectors, mirrored(features).vectors]).astype(np.float32)
        own = (asked * asked).sum(axis=1)
        votes = {}
        for picture, vectors in self._vectors.items():
            if not len(vectors) or not len(features):
                continue
            theirs = vectors.astype(np.float32)
            squared = own[:, None] + (theirs * theirs).sum(axis=1)[None] - 2 * asked @ theirs.T
            is_near = (squared.min(axis=1) < limit * limit).reshape(2, -1)
            if is_near.any():
                votes[picture] = float(is_near.sum(axis=1).max())
        return best(votes, k, scene_of=scene_of)
