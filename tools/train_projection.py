#!/usr/bin/env python3
"""Trains the projection of interest points' descriptions and freezes it, with the digests of the pictures it has seen.

    python tools/train_projection.py FOLDER [FOLDER ...] --out common/similarity/projection_1.npz

The pictures must not be among those that detection is measured on. Run once: the file is part of a stored format. Another run
makes a slightly different one, since points are chosen a little differently than on the day of the first; the digests stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.errors import ContentError
from common.ids import digest_of
from common.images.decode import Pixels, decode
from common.similarity import interest
from common.similarity.projection import DESCRIPTIONS, train

MAX_PATCHES = 8_000
"""Long descriptions are taken from so many points, evenly: 3,042 numbers each."""
MAX_POINTS = 40_000
POINTS_PER_PICTURE = 200


def pictures(folders: list[Path]) -> dict[bytes, Pixels]:
    """The readable pictures below the folders as features see them, by digest and in the order of their digests."""
    contents: Iterator[bytes] = (path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file())
    found: dict[bytes, Pixels] = {}
    for content in contents:
        try:
            found[digest_of(content)] = decode(content).grey
        except ContentError as error:
            print(f"passed over: {error}")
    return dict(sorted(found.items()))


def main() -> None:
    """Writes the file and says what each projection keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    seen = pictures(arguments.folders)
    points = {digest: interest.find(grey, n_points=POINTS_PER_PICTURE) for digest, grey in seen.items()}
    stored: dict[str, np.ndarray] = {"pictures": np.frombuffer(b"".join(seen), np.uint8).reshape(-1, 32)}
    for name, description in DESCRIPTIONS.items():
        described = np.concatenate([description.describe(grey, points[digest]) for digest, grey in seen.items()])
        limit = MAX_POINTS if described.shape[1] == interest.HISTOGRAM else MAX_PATCHES
        described = described[:: -(-len(described) // limit)]
        learned = train(described, description.mirror)
        centred = described - learned.mean
        kept = float(((centred @ learned.axes) ** 2).sum() / (centred**2).sum())
        what = f"{len(described)} points of {len(seen)} pictures"
        print(f"{name}: {what}, {kept:.1%} kept, {learned.is_odd.sum()} odd, {learned.steps:.1f} steps")
        stored |= {
            f"{name}/mean": learned.mean.astype(np.float16 if limit == MAX_PATCHES else np.float32),
            f"{name}/axes": learned.axes.astype(np.float16),
            f"{name}/is_odd": learned.is_odd,
            f"{name}/steps": np.array(learned.steps),
        }
    np.savez_compressed(arguments.out, allow_pickle=False, **stored)


if __name__ == "__main__":
    main()
