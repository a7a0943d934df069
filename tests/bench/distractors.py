"""Very many pictures from few real ones, so that an index can grow to 100,000 and still hold what cameras see.

1. Photos are cut into tiles of 384x288 pixels, at full size, a half and a quarter of it, on a grid and between it, and each
   tile is enlarged to 512 pixels as a small picture is. Features are extracted from it like from any other picture.
2. When the tiles are used up, halves are joined: the left half of one tile beside the right half of another, a pair drawn with
   a seed. Its small picture (64x64, of which the layout vector is made) is joined from theirs, made equally bright, or all
   would be a dark half beside a light one; its features are theirs that lie in the half, moved by noise of 0.25, which is more
   than what re-encoding does and less than what may still match (0.40). So a feature of a tile lives in many pictures, as
   those of windows, leaves and letters do.

Photos of one folder are of one kind, often of one scene: whole folders are asked about, are strangers, or are cut into tiles.
What was extracted is kept in a cache, for it takes a tenth of a second each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.images.decode import COLOUR_SIDE, Pixels, decode
from common.similarity import features, vector
from common.similarity.asv import Glance
from common.similarity.features import DESCRIPTION, N_POINTS, Features
from common.similarity.projection import DIMENSIONS, TOP, projection
from tests.bench.measured import Failed

TILE = (384, 288)
NOISE = 0.25
_SHAPE = (384, 512)
_SCALES = (1, 2, 4)
_LEAST_POINTS = 40
_LEAST_CONTRAST = 20.0
"""Standard deviation of the luma. Tiles of sky and blur are left out: two in five tiles, but hardly any photo, are such."""
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"}
_LEAST_TILES = 10
_NOTHING = Features(np.zeros((0, 4), np.float32), np.zeros((0, DIMENSIONS), np.int8), _SHAPE)
_TURNS = ("tiles", "asked", "strangers", "tiles")


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos of a library by what they serve for."""

    tiles: list[Path]
    asked: list[Path]
    """Originals, which are put into the index whole, and whose edits are asked for."""
    strangers: list[Path]
    """Cut into tiles that are asked for and are not there."""

    @classmethod
    def of(cls, library: Path) -> Photos:
        """Splits a library by folders; one with fewer than four gives its pictures in turn."""
        found = sorted(path for path in library.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
        parents = [str(path.parent.relative_to(library)) for path in found]
        few = len(set(parents)) < len(_TURNS)
        keys = [path.name if few else parent for path, parent in zip(found, parents, strict=True)]
        order = sorted(set(keys), key=lambda key: digest_of(key.encode()))
        turn_of = {key: _TURNS[n % len(_TURNS)] for n, key in enumerate(order)}
        split: dict[str, list[Path]] = {turn: [] for turn in _TURNS}
        for path, key in zip(found, keys, strict=True):
            split[turn_of[key]].append(path)
        return cls(**split)

    def without(self, names: set[str]) -> Photos:
        """The same but for some files."""
        return Photos(*([path for path in paths if path.name not in names] for paths in (self.tiles, self.asked, self.strangers)))


@dataclass(frozen=True, slots=True)
class Distractor:
    """A picture nobody took."""

    digest: Digest
    features: Features
    small: Pixels
    """(64, 64) uint8."""

    def glance(self) -> Glance:
        """What a summary vector sees of it."""
        return Glance(self.digest, vector.vector_of(self.small))


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Tiles that were looked at."""

    vectors: NDArray[np.int8]
    """(n_tiles, 400, 36), zeros beyond each tile's number."""
    points: NDArray[np.float32]
    """(n_tiles, 400, 4)."""
    n_points: NDArray[np.int64]
    small: Pixels
    """(n_tiles, 64, 64)."""

    def __len__(self) -> int:
        return len(self.n_points)

    @classmethod
    def cut(cls, photos: Sequence[Path], *, most: int, cache: Path) -> Tiles:
        """At most so many tiles of photos, from each photo its share; from the cache where it has them. Errors: Failed."""
        cache.mkdir(parents=True, exist_ok=True)
        key = digest_of(
            "\n".join([DESCRIPTION, str(TILE), str(most), *(f"{p.name} {p.stat().st_size}" for p in photos)]).encode()
        )
        stored = cache / f"{key.hex()[:16]}.npz"
        if not stored.exists():
            found = list(_looked_at(photos, most=most)) or [(_NOTHING, np.zeros((COLOUR_SIDE, COLOUR_SIDE), np.uint8))]
            part = stored.with_suffix(".part.npz")
            np.savez(
                part,
                vectors=np.stack([_padded(one.vectors) for one, _ in found]),
                points=np.stack([_padded(one.points) for one, _ in found]),
                n_points=np.array([len(one) for one, _ in found]),
                small=np.stack([small for _, small in found]),
            )
            part.rename(stored)
        with np.load(stored) as arrays:
            has_contrast = arrays["small"].std(axis=(1, 2)) >= _LEAST_CONTRAST
            tiles = cls(**{name: arrays[name][has_contrast] for name in ("vectors", "points", "n_points", "small")})
        if len(tiles) < _LEAST_TILES:
            raise Failed(f"{len(photos)} photos gave {len(tiles)} tiles: too few, ask for a larger library by --photos")
        return tiles

    def tile(self, n: int) -> Distractor:
        """A tile as a picture."""
        found = Features(self.points[n, : self.n_points[n]], self.vectors[n, : self.n_points[n]], _SHAPE)
        return Distractor(_name(found), found, self.small[n])

    def joined(self, seed: int) -> Distractor:
        """Halves of two tiles side by side; another seed is another picture."""
        rng = np.random.default_rng(seed)
        left, right = rng.choice(len(self), 2, replace=False).tolist()
        middle = _SHAPE[1] / 2
        chosen = []
        for n, is_left in ((left, True), (right, False)):
            points = self.points[n, : self.n_points[n]]
            chosen += [(rank, n) for rank in np.flatnonzero((points[:, 0] < middle) == is_left).tolist()]
        rank, tile = np.array(sorted(chosen), np.intp).reshape(-1, 2).T
        step = NOISE * projection(DESCRIPTION).steps / DIMENSIONS**0.5
        moved = self.vectors[tile, rank] + rng.normal(0, step, (len(rank), DIMENSIONS))
        halves = self.small[left][:, : COLOUR_SIDE // 2], self.small[right][:, COLOUR_SIDE // 2 :]
        small = np.concatenate([halves[0], np.clip(halves[1] + (halves[0].mean() - halves[1].mean()), 0, 255)], axis=1)
        found = Features(self.points[tile, rank], np.clip(np.rint(moved), -TOP, TOP).astype(np.int8), _SHAPE)
        return Distractor(_name(found), found, small.astype(np.uint8))

    def pictures(self, n: int) -> Iterator[Distractor]:
        """So many pictures: tiles in a mixed order while they last, then joined ones."""
        order = np.random.default_rng(0).permutation(len(self))[:n].tolist()
        yield from (self.tile(one) for one in order)
        yield from (self.joined(seed) for seed in range(n - len(order)))


def _looked_at(photos: Sequence[Path], *, most: int) -> Iterator[tuple[Features, Pixels]]:
    places = [(n, *place) for n, path in enumerate(photos) for place in _places(path)]
    kept = np.sort(np.random.default_rng(1).permutation(len(places))[:most])
    last, grey = None, np.zeros((0, 0), np.uint8)
    for n, scale, x, y in (places[at] for at in kept.tolist()):
        if (n, scale) != last:
            last, grey = (n, scale), _grey(photos[n], scale)
        tile = grey[y : y + TILE[1], x : x + TILE[0]]
        found = features.extract(np.asarray(cv2.resize(tile, _SHAPE[::-1], interpolation=cv2.INTER_LINEAR), np.uint8))
        if len(found) >= _LEAST_POINTS:
            yield found, np.asarray(cv2.resize(tile, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _places(path: Path) -> Iterator[tuple[int, int, int]]:
    """Scale and corner of each tile of a photo; none of what cannot be read."""
    try:
        seen = decode(path.read_bytes(), long_side=TILE[0])
    except ContentError:
        return
    for scale in _SCALES:
        width, height = seen.width // scale, seen.height // scale
        for shift in (0, 1):
            for y in range(shift * TILE[1] // 2, height - TILE[1], TILE[1]):
                yield from ((scale, x, y) for x in range(shift * TILE[0] // 2, width - TILE[0], TILE[0]))


def _grey(path: Path, scale: int) -> Pixels:
    """A photo so many times smaller than it is."""
    content = path.read_bytes()
    seen = decode(content, long_side=TILE[0])
    return decode(content, long_side=max(seen.width, seen.height) // scale).grey


def _name(found: Features) -> Digest:
    return digest_of(features.to_bytes(found))


def _padded(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([rows, np.zeros((N_POINTS - len(rows), *rows.shape[1:]), rows.dtype)])
