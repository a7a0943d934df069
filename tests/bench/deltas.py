"""Case `deltas`: what near-duplicates cost over their originals, by operation, and what that takes.

Needs `--corpus` with edits that other programs made, or makes its own by Pillow from `--photos`. Every delta is encoded in a
fresh process and decoded in another one. Seconds are of CPU; megapixels are the target's, or those of the larger of both.
"""

from __future__ import annotations

import csv
import io
import random
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import lepton_jpeg_python
from PIL import Image

from common import delta, magic
from tests.bench.edits import EDITS, FORMAT, TRANSFORMATION
from tests.bench.measured import Failed
from tests.bench.parts import PARTS, watching
from tests.bench.setting import Figures, Setting
from tests.fakes import pictures
from tests.fakes.forked import Cost, Lost, forked

SEED = 1
HIGH = 0.40
"""A target that takes more than this share of itself found no base."""
SLACK_BYTES = 64
LEAST_MP = 1.0
"""Of the pictures whose memory is told by the pixel: smaller ones are dwarfed by what tables take."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A target and the original that it was made of."""

    operation: str
    base: bytes
    target: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What one delta took."""

    pair: Pair
    n_bytes: int
    method: str
    lepton_bytes: int
    """What Lepton makes of the target, or the target's own."""
    encode: Cost
    decode: Cost
    parts_s: Mapping[str, float]
    target_mp: float
    larger_mp: float

    @property
    def ratio(self) -> float:
        """Of the target's bytes."""
        return self.n_bytes / len(self.pair.target)

    @property
    def is_jpeg(self) -> bool:
        """Whether the target is one."""
        return self.pair.target.startswith(magic.JPEG)


def deltas(setting: Setting) -> Figures:
    """Bytes, seconds and memory of deltas."""
    taken = []
    for pair in _pairs(setting):
        taken.append(_taken(pair))
        one = taken[-1]
        print(
            f"  {one.pair.operation:24} {one.method:18} {one.n_bytes:9} {one.ratio:7.4f} {one.encode.cpu_s:6.2f} s",
            file=sys.stderr,
        )
    if not taken:
        raise Failed("no edits to make deltas of")
    return _sizes(taken) | _by_operation(taken) | _methods(taken) | _costs(taken)


def _taken(pair: Pair) -> Taken:
    try:
        (made, parts_s), encode = forked(partial(_encoded, pair), _warm_up)
        is_same, decode = forked(partial(_decodes, made, pair), _warm_up)
        lepton_bytes, _ = forked(partial(_lepton_bytes, pair.target))
    except Lost as error:
        raise Failed(f"{pair.operation}: {error}") from error
    if not is_same:
        raise Failed(f"{pair.operation}: other bytes came out")
    mp = _megapixels(pair.target), _megapixels(pair.base)
    return Taken(pair, len(made), delta.described(made)[0], lepton_bytes, encode, decode, parts_s, mp[0], max(mp))


def _encoded(pair: Pair) -> tuple[bytes, dict[str, float]]:
    with watching() as watch:
        return delta.encode_best(pair.target, pair.base), dict(watch.spent_s)


def _decodes(made: bytes, pair: Pair) -> bool:
    return delta.decode(made, pair.base) == pair.target


def _warm_up() -> None:
    """A small delta, so that libraries and tables are resident before anything is measured."""
    base, target = _small()
    delta.decode(delta.encode_best(target, base), base)


@cache
def _small() -> tuple[bytes, bytes]:
    picture = pictures.photo(1, (160, 120))
    return pictures.jpeg_of(picture, quality=90), pictures.jpeg_of(picture.resize((80, 60)), quality=80)


def _sizes(taken: Sequence[Taken]) -> Figures:
    jpegs = [one for one in taken if one.is_jpeg]
    figures: Figures = {
        "targets": len(taken),
        "bytes_ratio": _bytes_ratio(taken),
        "above_0.40_share": statistics.mean(one.ratio > HIGH for one in taken),
    }
    if jpegs:
        figures |= {
            "jpeg_targets": len(jpegs),
            "jpeg_bytes_ratio": _bytes_ratio(jpegs),
            "jpeg_median": statistics.median(one.ratio for one in jpegs),
            "jpeg_above_0.40_share": statistics.mean(one.ratio > HIGH for one in jpegs),
            "jpeg_above_lepton": sum(one.n_bytes > one.lepton_bytes + SLACK_BYTES for one in jpegs),
        }
    return figures


def _by_operation(taken: Sequence[Taken]) -> Figures:
    by_operation = defaultdict(list)
    for one in taken:
        by_operation[one.pair.operation].append(one)
    figures: Figures = {}
    for operation, some in sorted(by_operation.items()):
        figures[f"{operation}/median"] = statistics.median(one.ratio for one in some)
        figures[f"{operation}/worst"] = max(one.ratio for one in some)
        figures[f"{operation}/bytes_ratio"] = _bytes_ratio(some)
        figures[f"{operation}/methods"] = ", ".join(
            f"{name} {n}" for name, n in Counter(one.method for one in some).most_common()
        )
    return figures


def _methods(taken: Sequence[Taken]) -> Figures:
    return {f"by_{name}": n for name, n in sorted(Counter(one.method for one in taken).items())}


def _costs(taken: Sequence[Taken]) -> Figures:
    figures: Figures = {}
    for name, cost in (("encode", [one.encode for one in taken]), ("decode", [one.decode for one in taken])):
        for of, mp in (("target", [one.target_mp for one in taken]), ("larger", [one.larger_mp for one in taken])):
            shares = sorted(c.cpu_s / n for c, n in zip(cost, mp, strict=True) if n)
            if shares:
                figures[f"{name}_s_per_{of}_mp_median"] = statistics.median(shares)
                figures[f"{name}_s_per_{of}_mp_p90"] = shares[int(0.9 * len(shares))]
        large = sorted(
            c.peak_bytes / (one.larger_mp * 1e6) for c, one in zip(cost, taken, strict=True) if one.larger_mp >= LEAST_MP
        )
        if large:
            figures[f"{name}_peak_bytes_per_pixel_median"] = statistics.median(large)
            figures[f"{name}_peak_bytes_per_pixel_worst"] = large[-1]
    whole_s = sum(one.encode.cpu_s for one in taken)
    parts = {part: sum(one.parts_s.get(part, 0.0) for one in taken) for part in PARTS}
    figures |= {f"encode_share_{part}": spent_s / whole_s for part, spent_s in parts.items()}
    figures["encode_share_rest"] = 1 - sum(parts.values()) / whole_s
    return figures


def _bytes_ratio(taken: Sequence[Taken]) -> float:
    return sum(one.n_bytes for one in taken) / sum(len(one.pair.target) for one in taken)


def _lepton_bytes(content: bytes) -> int:
    try:
        return min(len(content), len(lepton_jpeg_python.compress_bytes(content, {"max_partitions": 1})))
    except RuntimeError:
        return len(content)


def _megapixels(content: bytes) -> float:
    """Of a picture; 0 of what is none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.width * image.height / 1e6
    except OSError:
        return 0.0


def _pairs(setting: Setting) -> Iterator[Pair]:
    """As many of each operation, `setting.n_targets` in all."""
    return _of_others(setting.corpus, setting.n_targets) if setting.corpus else _of_our_own(setting.library(), setting.n_targets)


def _of_others(corpus: Path, n: int) -> Iterator[Pair]:
    with (corpus / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    originals = {row["original"]: row["path"] for row in rows if row["level"] == "original"}
    by_operation = defaultdict(list)
    for row in rows:
        if row["level"] in {FORMAT, TRANSFORMATION} and row["original"] in originals:
            by_operation[row["op"]].append(row)
    rng = random.Random(SEED)
    of_each = max(1, n // max(1, len(by_operation)))
    for operation, some in sorted(by_operation.items()):
        for row in rng.sample(some, min(of_each, len(some))):
            paths = originals[row["original"]], row["path"]
            yield Pair(operation, *((corpus / "files" / path).read_bytes() for path in paths))


def _of_our_own(library: Path, n: int) -> Iterator[Pair]:
    photos = sorted(path for path in library.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    rng = random.Random(SEED)
    for operation in sorted(EDITS):
        for path in rng.sample(photos, min(max(1, n // len(EDITS)), len(photos))):
            content = path.read_bytes()
            try:
                yield Pair(operation, content, EDITS[operation].apply(content, rng))
            except OSError:
                continue
