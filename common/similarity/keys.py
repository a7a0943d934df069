"""Compound p-stable keys: vectors that lie close together fall into the same bucket in at least one of several tables.

One projection is h(v) = floor((a.v + b) / w), a drawn from the normal distribution, which is 2-stable, and b from [0, w)
[S §III-C1]. A key joins `k` projections, and a picture has `tables` keys: near vectors share one of them with high probability,
others hardly ever. A probe is the key of the neighbouring bucket that the vector almost fell into.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from common.similarity.dihedral import Floats

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class KeyFamily:
    """A family of compound keys, the same on every machine: everything random about it is drawn from its name."""

    name: str
    dimensions: int
    """Of the vectors that it takes."""
    projections: int
    """In one key, `k`."""
    tables: int
    """Keys of one vector, `L`."""
    width: float
    """Of a bucket along one projection, `w`, in the vectors' own unit."""

    def keys(self, vectors: NDArray[np.generic]) -> Keys:
        """The keys of vectors.

        Shapes:  vectors (n, dimensions), any real type; result (n, tables) uint64.
        Paper:   [S §III-C1]; departs: `projections` of them make one key, since single ones fill the vector at once.
        """
        return self._mixed(np.floor(self._placed(vectors)).astype(np.int64))

    def probes(self, vectors: NDArray[np.generic], n_more: int) -> Keys:
        """The keys of vectors, and after each those of the `n_more` neighbouring buckets whose borders are nearest.

        Shapes:  vectors (n, dimensions); result (n, tables, 1 + n_more) uint64. `n_more` <= 2 * projections.
        """
        placed = self._placed(vectors)
        floor = np.floor(placed)
        keys = self._mixed(floor.astype(np.int64))
        if not n_more:
            return keys[:, :, None]
        above = (floor + 1 - placed).astype(np.float32)
        to_border = np.concatenate([1 - above, above], axis=2)
        nearest = np.argsort(to_border, axis=2, kind="stable")[:, :, :n_more]
        step = np.take_along_axis(np.broadcast_to(self._multipliers, placed.shape), nearest % self.projections, axis=2)
        down = nearest < self.projections
        return np.concatenate([keys[:, :, None], np.where(down, keys[:, :, None] - step, keys[:, :, None] + step)], axis=2)

    def _placed(self, vectors: NDArray[np.generic]) -> Floats:
        """Where vectors lie along each projection, in buckets. Shape: (n, tables, projections) float32."""
        along = (np.asarray(vectors, np.float32) @ self._directions + self._offsets) / np.float32(self.width)
        return along.reshape(len(along), self.tables, self.projections)

    def _mixed(self, cells: NDArray[np.int64]) -> Keys:
        """One number for each row of cells; a step along a projection adds or takes away that projection's multiplier."""
        return np.asarray((cells.astype(np.uint64) * self._multipliers).sum(axis=2, dtype=np.uint64) + self._salts)

    @cached_property
    def _directions(self) -> Floats:
        """Shape: (dimensions, tables * projections)."""
        n = self.tables * self.projections
        # Box and Muller's transform of uniform numbers: two of them make one normal number.
        uniform = self._uniform("directions", 2 * self.dimensions * n).reshape(2, self.dimensions, n)
        return np.asarray(np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1]), np.float32)

    @cached_property
    def _offsets(self) -> Floats:
        """Shape: (tables * projections,), in the vectors' unit."""
        return np.asarray(self._uniform("offsets", self.tables * self.projections) * self.width, np.float32)

    @cached_property
    def _multipliers(self) -> Keys:
        """Odd, so that no step is lost. Shape: (tables, projections)."""
        return (self._drawn("multipliers", self.tables * self.projections) | np.uint64(1)).reshape(self.tables, self.projections)

    @cached_property
    def _salts(self) -> Keys:
        """So that the middle of one table is not the middle of all. Shape: (tables,)."""
        return self._drawn("salts", self.tables)

    def _uniform(self, what: str, n: int) -> NDArray[np.float64]:
        """Numbers in (0, 1]."""
        return ((self._drawn(what, n) >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53

    def _drawn(self, what: str, n: int) -> Keys:
        """Numbers from BLAKE3's stream: numpy's own generators may change with its version."""
        return np.frombuffer(blake3(f"smarter {self.name} {what}".encode()).digest(length=8 * n), "<u8").astype(np.uint64)


def scrambled(keys: Keys) -> Keys:
    """Keys whose every bit depends on every bit of the key (the finaliser of SplitMix64)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
