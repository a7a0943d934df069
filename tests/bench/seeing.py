"""Cases `identify` and `novel`: how well near-duplicates of real pictures are found, and how rarely strangers are taken for any.

Need `--photos` to be the real pictures: folders `cameras`, `scenes`, `kodak`, `wallpapers` and others, with `GROUPS.tsv`
(superset, group, kind, path) beside their folder, and near that `corpus/make_corpus.py` and `measure/score_groups.py`. The corpus
is made by other people's programs, every operation once on each of 24 originals.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.looks import Looks
from common.similarity import first_look, sight
from common.similarity.eyes import KeptEyes
from common.similarity.first_look import FirstLook
from common.similarity.grouping import Grouping
from common.similarity.lsh import LshIndex
from common.similarity.places import Bond, Picture, Rank
from common.similarity.registration import relate
from common.similarity.sight import Sight
from tests.bench.libraries import MB
from tests.bench.measured import Failed, run, tree_bytes
from tests.bench.setting import Figures, Setting

N_ORIGINALS = 24
SEED = 7
ORIGINALS = ("cameras", "scenes", "kodak", "wallpapers")
SHOTS = ("cameras", "scenes", "neardup")
N_NOVEL = 5_000
SIDES = (0.3, 0.9)
"""Of a novel query: shares of its picture's width and height."""
LEAST_SIDE = 96
_IN_PART = 3
"""The exit code of a command that has named a file it could not read."""
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class Real:
    """The real pictures and what is known of them."""

    photos: Path

    @classmethod
    def of(cls, setting: Setting) -> Real:
        """Errors: Failed where they are not there."""
        if setting.photos is None or not (setting.photos.parent / "GROUPS.tsv").is_file():
            raise Failed("needs --photos with real pictures, and GROUPS.tsv beside that folder")
        return cls(setting.photos)

    def script(self, name: str) -> Path:
        """One of the programs near the pictures."""
        return self.photos.parents[1] / name

    def groups(self) -> list[dict[str, str]]:
        """The rows of GROUPS.tsv."""
        with (self.photos.parent / "GROUPS.tsv").open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    def other_shots(self) -> dict[str, str]:
        """Path below the photos -> scene, for pictures of which there are other shots."""
        rows = self.groups()
        return {row["path"]: row["superset"] for row in rows if row["kind"] == "burst" or row["kind"].startswith("same_scene")}

    def families(self) -> dict[str, str]:
        """File name -> whatever it is related through to others."""
        return {Path(row["path"]).name: row["superset"] for row in self.groups()}


def identify(setting: Setting) -> Figures:
    """Recall for each operation and precision on a stress corpus, and what pairs of shots of one scene are called."""
    real = Real.of(setting)
    corpus = _corpus(setting, real)
    report = corpus.parent / "identify.json"
    found = _identified(setting, corpus / "files")
    report.write_text(json.dumps(found))
    scores = run(
        [sys.executable, real.script("measure/score_groups.py"), corpus / "truth.csv", report, "--json"], corpus
    ).result()
    figures: Figures = {"files": found["images"], "features_needed": found["features_needed"]}
    figures["mb_per_s"] = tree_bytes(corpus / "files") / MB / found["seconds"]
    operations = {name: value for name, value in scores.items() if "/" in name}
    return figures | scores | {"least_operation": min(operations.values())} | _pairs_of_shots(setting, real)


def novel(setting: Setting) -> Figures:
    """Parts of pictures that have no relative in the index: each that is called near to something is wrong."""
    real = Real.of(setting)
    corpus = _corpus(setting, real)
    with Looks(setting.scratch / "cache" / "smarter" / "looks.db") as looks:
        asked = _Asked(looks, setting.scratch / "novel")
        for path in sorted((corpus / "files").rglob("*")):
            if path.is_file():
                asked.show(path.read_bytes())
        asked.place_all()
        answers = Counter(asked.ask(query) for query in _novel_queries(real, corpus))
    n_asked = sum(answers.values())
    return {
        "pictures": asked.n_pictures,
        "queries": n_asked,
        "near": answers[Bond.NEAR],
        "near_share": answers[Bond.NEAR] / n_asked,
        "scene_share": answers[Bond.SCENE] / n_asked,
    }


def _corpus(setting: Setting, real: Real) -> Path:
    corpus = setting.scratch / "stress"
    if not (corpus / "truth.csv").exists():
        folders = [str(real.photos / name) for name in ORIGINALS]
        chosen = ["--profile", "stress", "--seed", str(SEED), "--limit", str(N_ORIGINALS)]
        make = [sys.executable, str(real.script("corpus/make_corpus.py")), "--out", str(corpus)]
        run([*make, *chosen, "--originals", *folders], setting.scratch)
        with (corpus / "SCENES.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["original", "scene"])
            table.writerows((Path(path).name, scene) for path, scene in real.other_shots().items())
    return corpus


def _identified(setting: Setting, folder: Path) -> dict[str, Any]:
    """What `smarter identify` says of a folder, with nothing in its cache but what earlier cases saw."""
    command = [sys.executable, "-c", "from admin_client.cli import main; main()", "identify", str(folder), "--json"]
    cache = {"XDG_CACHE_HOME": str(setting.scratch / "cache")}
    return run(command, setting.scratch, env=cache, codes=(0, _IN_PART)).result()


def _pairs_of_shots(setting: Setting, real: Real) -> Figures:
    """Of the pairs of two shots of one scene: what registration calls them, and what `identify` makes of them."""
    shots = real.other_shots()
    pairs = [pair for pair in itertools.combinations(sorted(shots), 2) if shots[pair[0]] == shots[pair[1]]]
    sights = {path: sight.see((real.photos / path).read_bytes()) for path in shots}
    directly = Counter(str(relate(sights[a], sights[b]).kind) for a, b in pairs)
    folder = setting.scratch / "shots"
    folder.mkdir(exist_ok=True)
    for name in SHOTS:
        for path in sorted((real.photos / name).rglob("*")):
            if path.is_file():
                copy = folder / path.relative_to(real.photos)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    standing = _Standing(_identified(setting, folder)["groups"])
    grouped = Counter(standing.of(a, b) for a, b in pairs)
    return {"shots_pairs": len(pairs)} | _told("shots_related", directly) | _told("shots_grouped", grouped)


def _told(name: str, found: Mapping[str, int]) -> Figures:
    """Counts, and the share of scenes in what is related at all."""
    near, scene = found.get("near", 0), found.get("scene", 0)
    return {
        f"{name}_near": near,
        f"{name}_scene": scene,
        f"{name}_none": found.get("none", 0),
        f"{name}_scene_share": scene / max(1, near + scene),
    }


class _Standing:
    """How two files stand to each other in the groups that `identify` told."""

    def __init__(self, groups: Sequence[dict[str, Any]]) -> None:
        self._near: dict[str, int] = {}
        self._scene: dict[int, int] = {}
        for n, group in enumerate(groups):
            for path in (group["representative"], *(one["path"] for one in group["members"] if one["relation"] != "scene")):
                self._near[path] = n
        for n, group in enumerate(groups):
            for path in (one["path"] for one in group["members"] if one["relation"] == "scene"):
                # One that stands for itself alone has no group of its own in the report.
                own = self._near.setdefault(path, len(groups) + len(self._near))
                self._scene[own] = n

    def of(self, a: str, b: str) -> str:
        """`near` in one group, `scene` in groups of one scene, else `none`."""
        if a not in self._near or b not in self._near:
            return "none"
        one, other = self._near[a], self._near[b]
        if one == other:
            return "near"
        return "scene" if self._root(one) == self._root(other) else "none"

    def _root(self, group: int) -> int:
        while group in self._scene:
            group = self._scene[group]
        return group


class _FrozenEyes(KeptEyes):
    """Eyes that, once frozen, compare what they are shown and forget it, so that no query meets another."""

    frozen = False

    def remember(self, picture: Digest, look: FirstLook) -> None:
        """As its base, until frozen."""
        if not self.frozen:
            super().remember(picture, look)


class _Asked:
    """The groups of a corpus, and what they say to pictures that do not belong to it: as `smarter identify`, but for workers."""

    def __init__(self, looks: Looks, folder: Path) -> None:
        self._looks = looks
        self._contents: dict[Digest, bytes] = {}
        self._eyes = _FrozenEyes(self._first_look, self._sight, LshIndex(folder), expected=N_ORIGINALS * 45)
        self._grouping = Grouping(self._eyes)

    @property
    def n_pictures(self) -> int:
        """Pictures in the index, with those settled without features."""
        return len(self._grouping)

    def show(self, content: bytes) -> None:
        """One more picture for the index; what cannot be read is left out."""
        digest = digest_of(content)
        self._contents[digest] = content
        try:
            self._first_look(digest)
        except ContentError:
            del self._contents[digest]

    def place_all(self) -> None:
        """Groups what was shown, the largest first; from now on nothing is remembered."""
        order = sorted(self._contents, key=lambda digest: (-self._rank(digest).pixels, digest))
        for digest in order:
            self._eyes.glance(digest, self._first_look(digest))
            if self._grouping.settle_early(self._picture(digest)) is None:
                self._eyes.see(digest)
                self._grouping.place(self._picture(digest))
        list(self._grouping.finish())
        self._eyes.frozen = True

    def ask(self, content: bytes) -> Bond:
        """What a picture would be called."""
        digest = digest_of(content)
        self._contents[digest] = content
        self._eyes.glance(digest, self._first_look(digest))
        place = self._grouping.settle_early(self._picture(digest)) or self._grouping.place(self._picture(digest))
        return place.bond

    def _picture(self, digest: Digest) -> Picture:
        return Picture(digest, self._rank(digest), self._first_look(digest).moment)

    def _rank(self, digest: Digest) -> Rank:
        look = self._first_look(digest)
        return Rank(0, look.width * look.height, look.n_metadata, look.n_bytes)

    def _first_look(self, digest: Digest) -> FirstLook:
        seen = self._looks.get(digest, "glance")
        if seen is None:
            seen = first_look.to_bytes(first_look.first_look(self._contents[digest]))
            self._looks.keep(digest, "glance", seen)
        return first_look.from_bytes(seen)

    def _sight(self, digest: Digest) -> Sight:
        seen = self._looks.get(digest, "see")
        if seen is None:
            seen = sight.to_bytes(sight.see(self._contents[digest]))
            self._looks.keep(digest, "see", seen)
        return sight.from_bytes(seen)


def _novel_queries(real: Real, corpus: Path) -> Iterator[bytes]:
    """Parts of pictures that nothing relates to the originals of the corpus, as many of each; JPEGs without EXIF."""
    families = real.families()
    with (corpus / "truth.csv").open(newline="") as file:
        originals = {row["original"] for row in csv.DictReader(file)}
    taken = {families.get(name, name) for name in originals}
    pictures = defaultdict(list)
    for path in sorted(real.photos.rglob("*")):
        if path.suffix.lower() in SUFFIXES and families.get(path.name, path.name) not in taken:
            pictures[families.get(path.name, path.name)].append(path)
    rng = random.Random(SEED)
    chosen = [rng.choice(pictures[family]) for family in sorted(pictures)]
    sources = [path for path in chosen if _is_large_enough(path)]
    per_source = -(-N_NOVEL // len(sources))
    queries = itertools.chain.from_iterable(_parts(path, rng, n=per_source) for path in sources)
    return itertools.islice(queries, N_NOVEL)


def _is_large_enough(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return min(image.size) * SIDES[0] >= LEAST_SIDE
    except (OSError, ValueError):
        return False


def _parts(path: Path, rng: random.Random, *, n: int) -> Iterator[bytes]:
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError):
        return
    for _ in range(n):
        width, height = (round(side * rng.uniform(*SIDES)) for side in picture.size)
        left, top = rng.randrange(picture.width - width), rng.randrange(picture.height - height)
        file = io.BytesIO()
        picture.crop((left, top, left + width, top + height)).save(file, "JPEG", quality=85)
        yield file.getvalue()
