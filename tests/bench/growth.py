"""Case `growth`: summary vectors and the feature index at 1,000, 10,000 and 100,000 pictures.

Most of the pictures are distractors (`distractors`); among them stand the originals, whose edits (`edits`) are asked for.
Strangers have no relative in the index; what the summary vector calls known of them is wrong.
"""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.images.decode import decode
from common.similarity import features, vector
from common.similarity.asv import Glance
from common.similarity.features import Features
from common.similarity.lsh import LshIndex
from common.similarity.summaries import SUMMARIES
from tests.bench.distractors import Photos, Tiles
from tests.bench.edits import FORMAT, TRANSFORMATION, edited
from tests.bench.measured import tree_bytes
from tests.bench.resident import K, measured
from tests.bench.setting import Figures, Setting

SIZES = (1_000, 10_000, 100_000)
N_TILES = 6_000
N_STRANGERS = 5_000
N_QUERIES = 500
EDITS_OF_EACH = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture with what both indexes see of it."""

    glance: Glance
    features: Features

    @classmethod
    def of(cls, content: bytes) -> Seen:
        """Looks at a picture."""
        grey = decode(content).grey
        # The moment is left out: copies of one camera's picture would be known by it alone.
        return cls(Glance(digest_of(content), vector.vector_of(grey)), features.extract(grey))


@dataclass(frozen=True, slots=True)
class Asked:
    """An edit of an original that is in the index."""

    seen: Seen
    original: Digest
    level: str


def growth(setting: Setting) -> Figures:
    """Both indexes at each size up to the one asked for."""
    photos = Photos.of(setting.library())
    originals, asked = _asked(photos.asked)
    strangers = Tiles.cut(photos.strangers, most=N_TILES, cache=setting.cache)
    strange = [one.glance() for one in strangers.pictures(N_STRANGERS)]
    glances = [one.glance for one in originals]
    index = LshIndex(setting.scratch / "growth")
    for original in originals:
        index.insert(original.glance.digest, original.features)
    tiles = Tiles.cut(photos.tiles, most=N_TILES, cache=setting.cache)
    coming = tiles.pictures(setting.n_pictures - len(originals))
    figures: Figures = {"tiles": len(tiles), "originals": len(originals), "edits_asked": len(asked), "strangers": len(strange)}
    for n in (size for size in SIZES if size <= setting.n_pictures):
        spent_s = n_new = 0.0
        for one in itertools.islice(coming, n - len(glances)):
            glances.append(one.glance())
            spent_s += _cpu_s(partial(index.insert, one.digest, one.features))
            n_new += 1
        figures[f"inserts_per_s_{n}"] = n_new / (spent_s + _cpu_s(index.flush))
        figures |= {f"{name}_{n}": value for name, value in _of_index(index, setting.scratch / "growth", asked).items()}
        figures |= {f"{name}_{n}": value for name, value in _of_summaries(glances, asked, strange)}
    return figures


def _cpu_s(do: Callable[[], object]) -> float:
    start_cpu_s = process_time()
    do()
    return process_time() - start_cpu_s


def _asked(paths: Sequence[Path]) -> tuple[list[Seen], list[Asked]]:
    """The originals, and edits of each. Equal for equal libraries."""
    originals, asked = [], []
    for path in paths:
        content = path.read_bytes()
        try:
            original = Seen.of(content)
        except ContentError:
            continue
        if not len(original.features):
            continue
        originals.append(original)
        rng = random.Random(path.name)
        asked += [
            Asked(Seen.of(edit), original.glance.digest, level) for level, edit in edited(content, n=EDITS_OF_EACH, rng=rng)
        ]
    random.Random(0).shuffle(asked)
    return originals, asked


def _of_index(index: LshIndex, folder: Path, asked: Sequence[Asked]) -> Figures:
    cpu_ms, wall_ms, found = [], [], []
    for one in asked:
        start_cpu_s, start_s = process_time(), perf_counter()
        matches = index.query(one.seen.features, K)
        cpu_ms.append(1e3 * (process_time() - start_cpu_s))
        wall_ms.append(1e3 * (perf_counter() - start_s))
        found.append(one.original in {match.picture for match in matches})
    grown = measured(folder, [one.seen.features for one in asked[:N_QUERIES]], folder.parent)
    figures: Figures = {"recall_at_10": statistics.mean(found)}
    for name, times in (("cpu", cpu_ms), ("wall", wall_ms)):
        figures |= {f"query_p50_ms_{name}": statistics.median(times), f"query_p99_ms_{name}": float(np.percentile(times, 99))}
    figures["disk_bytes"] = tree_bytes(folder) / len(index)
    return figures | {name: n_bytes / len(index) for name, n_bytes in grown.items()}


def _of_summaries(glances: Sequence[Glance], asked: Sequence[Asked], strange: Sequence[Glance]) -> Iterator[tuple[str, float]]:
    """Bits for each picture and how often each summary vector is wrong, of those sized for so many pictures."""
    for name, sized in SUMMARIES.items():
        summary = sized(len(glances))
        for glance in glances:
            summary.insert(glance)
        yield f"{name}_bits", summary.n_bits / len(glances)
        for level in (FORMAT, TRANSFORMATION):
            missed = [not summary.may_hold(one.seen.glance) for one in asked if one.level == level]
            yield f"{name}_missed_{level}", statistics.mean(missed)
        yield f"{name}_strangers_held", statistics.mean(summary.may_hold(glance) for glance in strange)
