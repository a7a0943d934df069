"""The feature index on disk: p-stable buckets of single descriptions, and votes of a picture's descriptions for pictures.

Insertion. Every vector of a picture has a key in each of L tables (`keys`); the posting (key, picture) goes to a table in memory,
and with enough of them, or on `flush`, into a segment (`segment`), which younger ones merge into as they grow.
Query. The keys of a picture's vectors and of its mirror image's, with the neighbouring buckets that they almost fell into, are
looked up. A vector votes once for each picture that it meets, the less the fuller the bucket; a bucket beyond the cap says
nothing. Of plain and mirrored votes the better count.

A process holds little of it: what no `flush` has written yet, and of the segments what a look-up has just touched (`segment`).

The folder holds segments and `index`, which names them and their dead pictures. Order of writes: segment durable, then
`index`, then what was merged is removed; so a crash leaves the index before or after, and files that nobody names, which
`open` removes. Pictures inserted since the last `flush` are lost then: the index is derived, and whoever keeps the features
inserts what it does not contain.

Paper: [S §III-B, III-C1]; departs: probes [Lv et al., 25 there], weights, and caps, without which a million pictures of sky meet.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from blake3 import blake3

from common.durable import make_directory, remove, write_file
from common.errors import IntegrityError
from common.ids import Digest
from common.logs import get
from common.similarity import segment
from common.similarity.feature_index import Match, SceneOf, best
from common.similarity.features import N_INDEXED, Features, strongest
from common.similarity.keys import KeyFamily
from common.similarity.projection import DIMENSIONS
from common.similarity.segment import MAX_PICTURES, Fresh, Segment
from common.similarity.voting import Part, Question, short, votes

FAMILY = KeyFamily("lsh 1", DIMENSIONS, projections=16, tables=4, width=140.0)
N_PROBES = 2
FRESH_PICTURES = 256
"""So many pictures in memory become a segment."""
_MERGE_RATIO = 3
"""A segment takes in its elder while that is not more than so many times longer: each picture is rewritten log4(n) times."""
_SHORTLIST = 8
"""Pictures ranked for each one asked for, before scenes are told apart."""
_log = get("index")
_VERSION = 2


class LshIndex:
    """Pictures by their features, in a folder of its own. Not thread-safe, and one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Opens the index in a folder, or begins one.

        Errors:  IntegrityError where a file is damaged or of another version: remove the folder and insert again.
        """
        self._folder = folder
        self._sealed: dict[str, Segment] = {}
        """By file name, eldest first."""
        self._fresh = Fresh(FAMILY.tables, capacity=FRESH_PICTURES)
        self._fresh_slots: dict[Digest, int] = {}
        self._n_written = 0
        """Segments ever written, for their names."""
        self._is_clean = True
        make_directory(folder)
        if self._manifest.exists():
            self._read()
        for path in folder.iterdir():
            if path.name not in self._sealed and path != self._manifest:
                remove(path)

    @classmethod
    def mended(cls, folder: Path) -> LshIndex:
        """Opens the index in a folder; one that is damaged is begun anew, for whoever keeps the features inserts them again."""
        try:
            return cls(folder)
        except (IntegrityError, ValueError, KeyError) as error:
            _log.warning("index_damaged", folder=str(folder), reason=str(error))
            shutil.rmtree(folder)
            return cls(folder)

    def __len__(self) -> int:
        return sum(len(part) - int(part.dead.sum()) for part in self._parts)

    def __contains__(self, picture: Digest) -> bool:
        return self._place(picture) is not None

    def __iter__(self) -> Iterator[Digest]:
        for part in self._parts:
            yield from (part.digest(slot) for slot in np.flatnonzero(~part.dead[: len(part)]).tolist())

    def insert(self, picture: Digest, features: Features) -> None:
        """As `FeatureIndex`; on disk after the next `flush`, or when enough pictures have come."""
        if picture in self:
            return
        keys = short(FAMILY.keys(strongest(features, N_INDEXED).vectors))
        self._fresh_slots[picture] = self._fresh.insert(picture, keys)
        self._is_clean = False
        if len(self._fresh) == FRESH_PICTURES:
            self.flush()

    def remove(self, picture: Digest) -> None:
        """As `FeatureIndex`; on disk after the next `flush`."""
        place = self._place(picture)
        if place is not None:
            part, slot = place
            part.dead[slot] = True
            self._fresh_slots.pop(picture, None)
            self._is_clean = False

    def query(self, features: Features, k: int, *, scene_of: SceneOf | None = None) -> list[Match]:
        """As `FeatureIndex`.

        Cost:    2 * 200 * L * (1 + N_PROBES) look-ups in each part, of which there are some log(pictures), and their buckets.
        """
        parts = [part for part in self._parts if len(part)]
        if not parts or not len(features):
            return []
        question = Question.of(strongest(features, N_INDEXED), FAMILY, n_probes=N_PROBES)
        return best(votes(parts, question, most=_SHORTLIST * k), k, scene_of=scene_of)

    def flush(self) -> None:
        """Makes everything so far durable, and merges what has grown enough.

        Errors:  IntegrityError where a segment that would be merged turns out to be damaged: build the index anew.
        """
        if self._is_clean:
            return
        merged: list[str] = []
        if len(self._fresh):
            merged = self._elders()
            parts: list[segment.Mergeable] = [*(self._sealed[name] for name in merged), self._fresh.sealed()]
            self._n_written += 1
            name = f"{self._n_written:08d}.seg"
            segment.write(self._folder / name, parts, n_tables=FAMILY.tables)
            self._sealed = {kept: part for kept, part in self._sealed.items() if kept not in merged}
            self._fresh = Fresh(FAMILY.tables, capacity=FRESH_PICTURES)
            self._fresh_slots.clear()
            self._sealed[name] = segment.opened(self._folder / name)
        manifest = {"version": _VERSION, "family": repr(FAMILY), "n_written": self._n_written}
        parts_of = {name: np.flatnonzero(part.dead).tolist() for name, part in self._sealed.items()}
        body = json.dumps({**manifest, "dead_by_segment": parts_of}).encode()
        # must: the segments are durable before they are named, and named before what they replace is removed
        write_file(self._manifest, blake3(body).hexdigest().encode() + b"\n" + body)
        for name in merged:
            remove(self._folder / name)
        self._is_clean = True

    @property
    def _manifest(self) -> Path:
        return self._folder / "index"

    @property
    def _parts(self) -> tuple[Part, ...]:
        return *self._sealed.values(), self._fresh

    def _elders(self) -> list[str]:
        """The segments that the next one takes in: the youngest ones, as long as none is much longer than all after it."""
        chosen: list[str] = []
        n_pictures = len(self._fresh)
        for name, part in reversed(self._sealed.items()):
            if len(part) > _MERGE_RATIO * n_pictures or len(part) + n_pictures > MAX_PICTURES:
                break
            chosen.insert(0, name)
            n_pictures += len(part)
        return chosen

    def _place(self, picture: Digest) -> tuple[Part, int] | None:
        """Where a picture is that was not removed."""
        if picture in self._fresh_slots:
            return self._fresh, self._fresh_slots[picture]
        places = ((part, part.slot(picture)) for part in self._sealed.values())
        return next(((part, slot) for part, slot in places if slot is not None), None)

    def _read(self) -> None:
        """Opens what the manifest names."""
        digest, _, body = self._manifest.read_bytes().partition(b"\n")
        if blake3(body).hexdigest().encode() != digest:
            raise IntegrityError(f"{self._manifest} is damaged")
        manifest = json.loads(body)
        if manifest["version"] != _VERSION or manifest["family"] != repr(FAMILY):
            raise IntegrityError(f"{self._manifest} is of another version")
        self._n_written = manifest["n_written"]
        for name, dead in manifest["dead_by_segment"].items():
            try:
                part = self._sealed[name] = segment.opened(self._folder / name)
            except FileNotFoundError as error:
                raise IntegrityError(f"{self._folder / name} is missing") from error
            part.dead[dead] = True
