"""Case `hash_rivals`: perceptual hashes, and what decides here, on the same edits among 10,000 pictures.

A hash's threshold is the largest at which at most one in a thousand strangers has any of the 10,000 within it. It finds an edit
if the picture it was made of is within. Ours are asked at the thresholds that are shipped: `early`, summary keys and
then PDQ, and `ours`, that or the feature index (30 candidates) and registration, which must say `near`. Hashes and `early`
see distractors and strangers (`distractors`) at 64 pixels, which is all they look at.

CPU ms are from the decoded picture on; `ours` extracts features, asks the index and relates to the original.
"""

from __future__ import annotations

import csv
import itertools
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.images.decode import Pixels, decode
from common.similarity import alignment, features, pdq, vector
from common.similarity.affinity import AffinityIndex
from common.similarity.asv import Glance
from common.similarity.eyes import TOP_K
from common.similarity.features import Features
from common.similarity.grouping import EARLY_BITS
from common.similarity.hashes import RIVALS, Rival
from common.similarity.lsh import LshIndex
from common.similarity.registration import Kind, relate
from common.similarity.sight import Sight
from tests.bench.distractors import Photos, Tiles
from tests.bench.edits import FORMAT, TRANSFORMATION, edited
from tests.bench.growth import EDITS_OF_EACH, N_STRANGERS, N_TILES
from tests.bench.setting import Figures, Setting

N_PICTURES = 10_000
FALSE_POSITIVES = 1e-3
N_EDITS = 500
"""Of a corpus; drawn with a seed."""
_OURS = ("early", "ours")
_NOBODY = digest_of(b"")

Bits = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit as a file, and what it was made of."""

    content: bytes
    original: bytes
    level: str


def hash_rivals(setting: Setting) -> Figures:
    """Recall and cost of each."""
    names, edits = _corpus(setting)
    photos = Photos.of(setting.library()).without(names)
    known = _Known(LshIndex(setting.scratch / "rivals"))
    for distractor in Tiles.cut(photos.tiles, most=N_TILES, cache=setting.cache).pictures(N_PICTURES):
        known.remember(distractor.digest, distractor.small, distractor.features)
    originals: dict[bytes, _Original] = {}
    looks = []
    for edit in edits:
        try:
            if edit.original not in originals:
                original = originals[edit.original] = _Original.of(edit.original)
                known.remember(original.digest, original.grey, original.sight.features)
            looks.append(_looked(decode(edit.content).grey, edit.level, original=originals[edit.original], known=known))
        except ContentError:
            continue
    strangers = Tiles.cut(photos.strangers, most=N_TILES, cache=setting.cache)
    strange = [one.small for one in strangers.pictures(N_STRANGERS)]
    figures: Figures = {"edits": len(looks), "pictures": N_PICTURES + len(originals), "strangers": len(strange)}
    limits = dict.fromkeys(_OURS, 0) | {name: known.threshold(name, rival, strange) for name, rival in RIVALS.items()}
    for name, limit in limits.items():
        if name in RIVALS:
            figures[f"{name}_threshold_bits"] = limit
        for level in (FORMAT, TRANSFORMATION):
            found = [one.bits[name] <= limit for one in looks if one.level == level]
            figures[f"{name}_recall_{level}"] = statistics.mean(found) if found else "none asked"
        figures[f"{name}_ms"] = statistics.median(one.ms[name] for one in looks)
    figures["early_strangers_held"] = statistics.mean(bool(known.early(one)) for one in strange)
    return figures


@dataclass(frozen=True, slots=True)
class _Original:
    digest: Digest
    grey: Pixels
    hashes: Mapping[str, Pixels]
    """What is stored of it by each rival, (n_bits / 8,)."""
    sight: Sight

    @classmethod
    def of(cls, content: bytes) -> _Original:
        grey = decode(content).grey
        hashes = {name: rival.of(grey)[0] for name, rival in RIVALS.items()}
        return cls(digest_of(content), grey, hashes, Sight(features.extract(grey), alignment.small_grey(grey)))


class _Known:
    """Pictures by what is seen of them."""

    def __init__(self, index: LshIndex) -> None:
        self._keys = AffinityIndex()
        self._pdq: dict[Digest, Pixels] = {}
        self._stored: dict[str, list[Pixels]] = {name: [] for name in RIVALS}
        self._index = index

    def remember(self, picture: Digest, grey: Pixels, found: Features) -> None:
        """Stores all hashes, keys and features."""
        for name, rival in RIVALS.items():
            self._stored[name].append(rival.of(grey)[0])
        self._keys.insert(Glance(picture, vector.vector_of(grey)))
        if pdq.quality(grey) >= pdq.LEAST_QUALITY:
            self._pdq[picture] = self._stored["pdq"][-1]
        self._index.insert(picture, found)

    def early(self, grey: Pixels) -> set[Digest]:
        """Those that a picture would be recognised as without features."""
        if pdq.quality(grey) < pdq.LEAST_QUALITY:
            return set()
        forms = pdq.hashes(grey)
        met = [one for one in self._keys.candidates(Glance(_NOBODY, vector.vector_of(grey))) if one in self._pdq]
        return {one for one in met if pdq.closest(forms, self._pdq[one])[0] <= EARLY_BITS}

    def candidates(self, found: Features) -> set[Digest]:
        """Those that a picture would be related to."""
        return {match.picture for match in self._index.query(found, TOP_K)}

    def threshold(self, name: str, rival: Rival, strange: Sequence[Pixels]) -> int:
        """The largest distance in bits that at most one in a thousand strangers comes within; -1 where all are too close."""
        stored = np.stack(self._stored[name])
        nearest = sorted(int(_distances(rival.of(grey), stored).min()) for grey in strange)
        return nearest[int(FALSE_POSITIVES * len(nearest))] - 1


@dataclass(frozen=True, slots=True)
class _Look:
    """How an edit was recognised."""

    level: str
    bits: Mapping[str, int]
    """By hash, how far away the original is; of ours 0 where it was found, and 1."""
    ms: Mapping[str, float]


def _looked(grey: Pixels, level: str, *, original: _Original, known: _Known) -> _Look:
    bits: dict[str, int] = {}
    ms: dict[str, float] = {}
    for name, rival in RIVALS.items():
        start_s = process_time()
        forms = rival.of(grey)
        ms[name] = 1e3 * (process_time() - start_s)
        bits[name] = int(_distances(forms, original.hashes[name][None]).min())
    start_s = process_time()
    bits["early"] = int(original.digest not in known.early(grey))
    ms["early"] = 1e3 * (process_time() - start_s)
    start_s = process_time()
    seen = Sight(features.extract(grey), alignment.small_grey(grey))
    is_near = original.digest in known.candidates(seen.features) and relate(seen, original.sight).kind is Kind.NEAR
    ms["ours"] = 1e3 * (process_time() - start_s)
    bits["ours"] = bits["early"] * (not is_near)
    return _Look(level, bits, ms)


def _distances(forms: Pixels, stored: Pixels) -> Bits:
    """Shapes: (m, n_bytes) and (n, n_bytes) -> (m, n) bits."""
    a, b = np.ascontiguousarray(forms).view(np.uint64), np.ascontiguousarray(stored).view(np.uint64)
    return np.asarray(np.bitwise_count(a[:, None] ^ b[None]).sum(axis=2), np.int64)


def _corpus(setting: Setting) -> tuple[set[str], Iterator[Edited]]:
    """The names of the originals, and the edits that others made, or else some of our own."""
    if setting.corpus is None:
        asked = Photos.of(setting.library()).asked
        return {path.name for path in asked}, itertools.chain.from_iterable(map(_own, asked))
    with (setting.corpus / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    originals = {row["original"]: setting.corpus / "files" / row["path"] for row in rows if row["level"] == "original"}
    made = [row for row in rows if row["level"] in {FORMAT, TRANSFORMATION} and row["original"] in originals]
    made = random.Random(0).sample(made, min(N_EDITS, len(made)))
    return set(originals), (
        Edited((setting.corpus / "files" / row["path"]).read_bytes(), originals[row["original"]].read_bytes(), row["level"])
        for row in made
    )


def _own(path: Path) -> Iterator[Edited]:
    content = path.read_bytes()
    try:
        decode(content, long_side=64)
    except ContentError:
        return
    rng = random.Random(path.name)
    yield from (Edited(edit, content, level) for level, edit in edited(content, n=EDITS_OF_EACH, rng=rng))
