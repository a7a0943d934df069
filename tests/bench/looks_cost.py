"""Cases `looks_cost` and `identify_cost`: what looking at a picture costs, in CPU time of one processor.

The pictures are the largest photos of the library, resized to each number of pixels and written as a camera would (JPEG, quality
95). Those that had fewer pixels are enlarged, so they have fewer bytes than a camera's: the MB/s are on the low side.
"""

from __future__ import annotations

import io
import itertools
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

from PIL import Image

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.images.decode import decode
from common.images.metadata import metadata
from common.similarity import alignment, features, first_look, interest, pdq, sight, vector
from common.similarity.asv import Glance, asked_keys, inserted_keys
from common.similarity.brute import BruteIndex
from common.similarity.eyes import KeptEyes
from common.similarity.grouping import EARLY_BITS
from common.similarity.lsh import LshIndex
from common.similarity.projection import DESCRIPTIONS, projection
from common.similarity.registration import relate
from common.similarity.sight import Sight
from tests.bench.edits import EDITS, FORMAT, edited
from tests.bench.libraries import MB
from tests.bench.measured import run, tree_bytes
from tests.bench.setting import Figures, Setting

SIZES_MP = (0.5, 4, 12)
GLANCED_MP = 0.3
N_PICTURES = 12
ROUNDS = 3
_LEAST_BITS_PER_PIXEL = 0.4
"""A blank page is no photo."""


def looks_cost(setting: Setting) -> Figures:
    """CPU ms of each stage, the median over pictures of the quickest of some rounds."""
    figures: Figures = {}
    for mp in SIZES_MP:
        contents = list(resized(setting.library(), mp=mp))
        figures[f"mb_{mp}mp"] = statistics.median(map(len, contents)) / MB
        stages = _stages(list(map(_Looked.at, contents)), LshIndex(setting.scratch / f"looks-{mp}"))
        figures |= {f"{name}_ms_{mp}mp": 1e3 * statistics.median(map(_quickest_s, tries)) for name, tries in stages}
    return figures


def identify_cost(setting: Setting) -> Figures:
    """`smarter identify` with one worker over camera originals, by CPU seconds; what settles early, at which price.

    The start of the two processes is told apart: a dozen pictures are few.
    """
    folder = setting.scratch / "originals"
    folder.mkdir()
    for n, content in enumerate(resized(setting.library(), mp=12)):
        (folder / f"{n}.jpg").write_bytes(content)
    command: list[str | Path] = [Path(sys.executable).parent / "smarter", "identify", "--workers", "1", "--json", "--cache"]
    ended = run([*command, setting.scratch / "looks.db", folder], setting.scratch)
    nothing = setting.scratch / "one"
    nothing.mkdir()
    (nothing / "0.jpg").write_bytes(next(resized(setting.library(), mp=0.01)))
    startup_s = run([*command, setting.scratch / "one.db", nothing], setting.scratch).cpu_s
    figures: Figures = {
        "startup_s": startup_s,
        "originals_mb": tree_bytes(folder) / MB,
        "originals_mb_per_s": tree_bytes(folder) / MB / (ended.cpu_s - startup_s),
        "originals_mb_per_s_with_startup": tree_bytes(folder) / MB / ended.cpu_s,
        "settled_per_s_0.3mp": _settled_per_s(list(resized(setting.library(), mp=GLANCED_MP))),
    }
    corpus = setting.corpus / "files" if setting.corpus else _edits(setting)
    found = run([*command, setting.scratch / "corpus.db", corpus], setting.scratch).result()
    n_contents = found["settled_early"] + found["features_needed"]
    in_groups = sum(len([m for m in group["members"] if m["relation"] == "near"]) for group in found["groups"])
    figures |= {"corpus_files": found["images"], "settled_early_of_contents": found["settled_early"] / n_contents}
    return figures | {"settled_early_of_near": found["settled_early"] / in_groups if in_groups else 0.0}


def resized(library: Path, *, mp: float) -> Iterator[bytes]:
    """The library's largest photos, with so many megapixels, as JPEG files."""
    found = []
    for path in sorted(path for path in library.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}):
        content = path.read_bytes()
        try:
            seen = decode(content, long_side=64)
        except ContentError:
            continue
        pixels = seen.width * seen.height
        if 8 * len(content) >= _LEAST_BITS_PER_PIXEL * pixels:
            found.append((-pixels, path.name, content))
    for _, _, content in sorted(found)[:N_PICTURES]:
        with Image.open(io.BytesIO(content)) as image:
            scale = (mp * 1e6 / (image.width * image.height)) ** 0.5
            size = round(image.width * scale), round(image.height * scale)
            target = io.BytesIO()
            image.convert("RGB").resize(size).save(target, "JPEG", quality=95, exif=image.info.get("exif", b""))
        yield target.getvalue()


Tries = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the later stages start from."""

    content: bytes
    small: interest.Bytes
    """As a first look decodes it."""
    grey: interest.Bytes
    glance: Glance
    points: interest.Interest
    sight: Sight
    like: Sight
    """Of an edited copy."""

    @classmethod
    def at(cls, content: bytes) -> _Looked:
        """Looks at a picture and at a copy of it that is half as large and brighter."""
        small, grey = decode(content, long_side=first_look.LONG_SIDE).grey, decode(content).grey
        rng = random.Random(1)
        copy = EDITS["resize_50"].apply(EDITS["bright"].apply(content, rng), rng)
        glance = Glance(digest_of(content), vector.vector_of(small))
        return cls(content, small, grey, glance, interest.find(grey), sight.see(content), sight.see(copy))

    def described(self) -> object:
        """RootSIFT of the points, projected."""
        described = DESCRIPTIONS[features.DESCRIPTION].describe(self.grey, self.points)
        return projection(features.DESCRIPTION).project(described)

    def keys(self) -> object:
        """The layout vector, what is kept under it and what is asked for."""
        glance = Glance(self.glance.digest, vector.vector_of(self.small))
        return inserted_keys(glance), asked_keys(glance)


def _stages(looked: Sequence[_Looked], index: LshIndex) -> Iterator[tuple[str, Sequence[Tries]]]:
    """Each stage, as something to do for each picture."""
    beside = [*looked[1:], looked[0]]
    yield "decode_256", [partial(decode, one.content, long_side=first_look.LONG_SIDE) for one in looked]
    yield "decode_512", [partial(decode, one.content) for one in looked]
    yield "metadata", [partial(metadata, one.content) for one in looked]
    yield "vector_and_keys", [one.keys for one in looked]
    yield "pdq", [partial(pdq.hashes, one.small) for one in looked]
    yield "first_look_in_all", [partial(first_look.first_look, one.content) for one in looked]
    yield "points", [partial(interest.find, one.grey) for one in looked]
    yield "describe", [one.described for one in looked]
    yield "sight_in_all", [partial(sight.see, one.content) for one in looked]
    names = (digest_of(b"%d" % n) for n in itertools.count())
    yield "lsh_insert", [partial(_insert_next, index, names, one.sight.features) for one in looked]
    index.flush()
    yield "lsh_query_of_few", [partial(index.query, one.like.features, 10) for one in looked]
    yield "relate_near", [partial(relate, one.sight, one.like) for one in looked]
    yield "relate_stranger", [partial(relate, one.sight, other.sight) for one, other in zip(looked, beside, strict=True)]
    laid = [(one, relate(one.sight, one.like).transform) for one in looked]
    yield "ncc", [partial(alignment.correlation, one.sight.grey, one.like.grey, transform) for one, transform in laid]


def _insert_next(index: LshIndex, names: Iterator[Digest], found: features.Features) -> None:
    """Inserts a picture under a new name: one that is known would cost nothing."""
    index.insert(next(names), found)


def _quickest_s(do: Tries) -> float:
    """CPU seconds of the quickest of some rounds: others use the machine too."""
    return min(_cpu_s(do) for _ in range(ROUNDS))


def _cpu_s(do: Tries) -> float:
    start_s = process_time()
    do()
    return process_time() - start_s


def _settled_per_s(contents: Sequence[bytes]) -> float:
    """Pictures a CPU second, of copies in another format that a first look recognises; all steps from bytes to that word."""
    looks = {digest_of(content): first_look.first_look(content) for content in contents}
    eyes = KeptEyes(looks.__getitem__, _never, BruteIndex(), expected=len(contents))
    for digest, look in looks.items():
        eyes.glance(digest, look)
    spent_s, n_settled = 0.0, 0
    for content in contents:
        for name in (name for name, edit in EDITS.items() if edit.level == FORMAT and edit.kind == "JPEG"):
            copy = EDITS[name].apply(content, random.Random(0))
            start_s = process_time()
            digest = digest_of(copy)
            looks[digest] = first_look.first_look(copy)
            eyes.glance(digest, looks[digest])
            is_settled = any(bits <= EARLY_BITS for _, bits in eyes.hinted(digest))
            spent_s += (process_time() - start_s) * is_settled
            n_settled += is_settled
    return n_settled / spent_s


def _never(_: Digest) -> Sight:
    raise AssertionError("a first look fetches no features")


def _edits(setting: Setting) -> Path:
    """Edits of small versions of the photos, in a folder."""
    folder = setting.scratch / "edits"
    folder.mkdir()
    for n, content in enumerate(resized(setting.library(), mp=1)):
        (folder / f"{n}.jpg").write_bytes(content)
        for m, (_, edit) in enumerate(edited(content, n=len(EDITS), rng=random.Random(n))):
            (folder / f"{n}-{m}").with_suffix(_suffix(edit)).write_bytes(edit)
    return folder


def _suffix(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as image:
        return f".{(image.format or 'bin').lower()}"
