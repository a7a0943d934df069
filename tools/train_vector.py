"""Trains the whitening of the layout vector: `python tools/train_vector.py FOLDER...` writes common/similarity/whitening_1.npz.

Every picture of the folders is edited as people edit, in ways that keep its layout. What the edits do to its 20 coefficients is
the covariance within, what distinguishes pictures and parts of them that between; the directions are sorted by their ratio
(Fisher's linear discriminant) and scaled so that the covariance within is one. The file names the pictures by their digests.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common.ids import digest_of
from common.similarity.vector import DIMENSIONS, coefficients_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif"}
TARGET = Path(__file__).parents[1] / "common/similarity/whitening_1.npz"
LEAST_SIDE, LONG_SIDE = 64, 512
SHRINKAGE = 0.05
"""This share of the mean variance within is added to each, so that no direction that was hardly seen counts for all."""

Grey = NDArray[np.uint8]


def main() -> None:
    """Reads the folders, trains and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    paths = sorted(p for folder in arguments.folders for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    rng = np.random.default_rng(1)
    within, between, digests = [], [], []
    for path in paths:
        content = path.read_bytes()
        grey = decoded(content)
        if min(grey.shape) < LEAST_SIDE:
            continue
        grey = scaled(grey, LONG_SIDE / max(grey.shape))
        digests.append(digest_of(content).hex())
        own = coefficients_of(grey)
        within += [coefficients_of(edited) - own for edited in edits(grey, rng)]
        between += [own, *(coefficients_of(part) for part in parts(grey, rng))]
    whitening = discriminant(np.array(within), np.array(between))
    np.savez_compressed(arguments.out, whitening=whitening, pictures=np.array(sorted(digests), "S64"))
    print(f"{len(digests)} pictures, {len(within)} edits, {len(between)} parts -> {arguments.out}")


def edits(grey: Grey, rng: np.random.Generator) -> Iterator[Grey]:
    """Renditions that keep the layout of a picture."""
    h, w = grey.shape
    full = grey.astype(np.float32)
    for scale in (0.5, 0.25):
        yield scaled(grey, scale)
    for quality in (75, 30):
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        yield decoded(coded.tobytes())
    for gain, offset in ((1.2, 0.0), (0.8, 0.0), (1.0, 30.0), (1.0, -30.0), (1.3, -20.0)):
        yield clipped((full - 128) * gain + 128 + offset)
    for gamma in (0.8, 1.25):
        yield clipped(255 * (full / 255) ** gamma)
    yield cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.uint8)
    yield clipped(2 * full - cv2.GaussianBlur(full, (0, 0), 2))
    yield clipped(full + rng.normal(0, 12, grey.shape))
    marked = grey.copy()
    cv2.putText(marked, "example.org", (w // 20, h * 9 // 10), cv2.FONT_HERSHEY_SIMPLEX, w / 400, 255, 2)
    yield marked
    yield scaled_to(grey, round(w * 0.9), h)


def parts(grey: Grey, rng: np.random.Generator) -> Iterator[Grey]:
    """Parts of a picture that stand for other pictures."""
    h, w = grey.shape
    for _ in range(12):
        share = rng.uniform(0.35, 0.7)
        y, x = rng.integers(0, int(h * (1 - share))), rng.integers(0, int(w * (1 - share)))
        yield grey[y : y + int(h * share), x : x + int(w * share)]


def discriminant(within: NDArray[np.float32], between: NDArray[np.float32]) -> NDArray[np.float64]:
    """The matrix after which the covariance within is one, directions of the best ratio first. Shape: (20, 20)."""
    low, high = np.percentile(within, [2, 98], axis=0)
    differences = np.clip(within, low, high).astype(np.float64)
    noise = differences.T @ differences / len(differences)
    noise += np.eye(DIMENSIONS) * np.trace(noise) / DIMENSIONS * SHRINKAGE
    values, vectors = np.linalg.eigh(noise)
    sphere = vectors / np.sqrt(values)
    ratios, turn = np.linalg.eigh(sphere.T @ np.cov(between.T.astype(np.float64)) @ sphere)
    return np.asarray((sphere @ turn)[:, np.argsort(-ratios)], np.float64)


def decoded(content: bytes) -> Grey:
    """The luma of a coded picture; one pixel where it is none."""
    grey = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.zeros((1, 1), np.uint8) if grey is None else np.asarray(grey, np.uint8)


def scaled(grey: Grey, factor: float) -> Grey:
    """A picture enlarged or reduced."""
    h, w = grey.shape
    return scaled_to(grey, round(w * factor), round(h * factor))


def scaled_to(grey: Grey, width: int, height: int) -> Grey:
    """A picture of the size given."""
    method = cv2.INTER_AREA if width < grey.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(grey, (max(1, width), max(1, height)), interpolation=method).astype(np.uint8)


def clipped(values: NDArray[np.generic]) -> Grey:
    """Values as pixels."""
    return np.clip(np.round(np.asarray(values, np.float32)), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
