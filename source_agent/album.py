"""What has been seen of this source's pictures, and which of them are alike: kept beside the journal, derived from the pictures.

    looks.sqlite    first looks and features of every picture, by digest: each is looked at once
    features/       the index of features (LSH), filled again from looks.sqlite where it lacks something
    in memory       summary vector and keys (ASV), filled from looks.sqlite at the start

What is kept here is durable before the journal knows the place of a picture. Where it is lost or damaged all the same, the
pictures are looked at again; until then they are compared with nothing. One thread at a time.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from common.durable import remove
from common.errors import ContentError
from common.ids import Digest
from common.logs import get
from common.looks import Looks
from common.model import Match, Sketch
from common.similarity import first_look, sight, sketch
from common.similarity.eyes import KeptEyes
from common.similarity.feature_index import SceneOf
from common.similarity.first_look import FirstLook
from common.similarity.grouping import EARLY_BITS
from common.similarity.lsh import LshIndex
from common.similarity.places import Picture, Rank
from common.similarity.sight import Sight

LOOKS = "looks.sqlite"
FEATURES = "features"
FIRST_EXPECTED = 10_000
"""Pictures that the summary vector of a new source is sized for; it grows by itself."""

_ASKED = 10
"""Of our pictures, for one that the destination holds."""

_log = get("source.album")


class Album:
    """Pictures as they were seen. To be used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Opens what is kept in a folder, made if absent. Errors: DatabaseError, OSError."""
        self._looks = Looks(folder / LOOKS)
        if self._looks.problem:
            _log.warning("looks_set_aside", reason=self._looks.problem, mend="smarter-source reindex")
        self._features = LshIndex.mended(folder / FEATURES)
        self.eyes = KeptEyes(self.look, self._sight, self._features, expected=FIRST_EXPECTED)

    def close(self) -> None:
        """Makes what was seen durable and closes. Errors: DatabaseError."""
        self._features.flush()
        self._looks.__exit__(None, None, None)

    def take_up(self, placed: Iterable[tuple[Digest, bool]]) -> list[Digest]:
        """Makes placed pictures known again after a start, each with whether it has features; those that must be seen again."""
        lost: list[Digest] = []
        for digest, has_features in placed:
            look = self.glanced(digest)
            if look is None or (has_features and not self.has(digest, "see")):
                lost.append(digest)
                continue
            self.eyes.remember(digest, look)
            if has_features and digest not in self._features:
                self.eyes.see(digest)
        return lost

    def has(self, digest: Digest, job: str) -> bool:
        """Whether what a job (`glance`, `see`) makes of a picture is kept, and can be read."""
        try:
            _READ[job](self._kept(digest, job))
        except ContentError:
            return False
        return True

    def keep(self, digest: Digest, job: str, seen: bytes) -> None:
        """Keeps what a worker made of a picture. Errors: ContentError where it makes no sense; DatabaseError."""
        _READ[job](seen)
        self._looks.keep(digest, job, seen)

    def glanced(self, digest: Digest) -> FirstLook | None:
        """The first look at a picture; None where it is not kept, or cannot be read."""
        try:
            return self.look(digest)
        except ContentError:
            return None

    def look(self, digest: Digest) -> FirstLook:
        """The first look at a picture. Errors: ContentError `damaged` where it is not kept."""
        return first_look.from_bytes(self._kept(digest, "glance"))

    def hint(self, digest: Digest) -> bool:
        """Compares a picture with those before by its first look; whether it is recognised so far that it needs no features."""
        self.eyes.glance(digest, self.look(digest))
        return any(bits <= EARLY_BITS for _, bits in self.eyes.hinted(digest))

    def sync(self) -> None:
        """Makes everything kept so far durable: afterwards the journal may rely on it. Errors: DatabaseError, IntegrityError."""
        self._looks.commit()
        self._features.flush()

    def candidates(self, digest: Digest, scene_of: SceneOf) -> list[Digest]:
        """The remembered pictures that one is worth comparing with: by its keys and, where it has features, by those."""
        hinted = [seen for seen, _ in self.eyes.hinted(digest)]
        return [*hinted, *self.eyes.similar(digest, scene_of)] if self.has(digest, "see") else hinted

    def picture(self, digest: Digest, *, with_features: bool) -> Picture:
        """What grouping must know of a picture; its features, if asked for, are remembered for those that come."""
        look = self.look(digest)
        n_features = self.eyes.see(digest) if with_features else 0
        return Picture(digest, first_look.rank_of(look, n_features), look.moment, look.tables)

    def sketch(self, digest: Digest) -> Sketch | None:
        """What a picture is recognised by at the destination; None where its features are not known."""
        try:
            features = self._sight(digest).features
        except ContentError:
            return None
        look = self.look(digest)
        rank = first_look.rank_of(look, len(features))
        return Sketch(sketch.to_bytes(features), rank.n_features, rank.pixels, rank.n_metadata)

    def like(self, matches: Iterable[Match]) -> dict[Digest, list[Match]]:
        """Our pictures that what the destination holds is like, and richer than [S §III-B]."""
        found: dict[Digest, list[Match]] = defaultdict(list)
        for match in matches:
            try:
                features = sketch.from_bytes(match.sketch.features)
            except ContentError:
                continue  # not a sketch of ours to read: what it is good for, it was good for at the destination
            for digest, _ in self._features.query(features, _ASKED):
                look, ours = self.look(digest), self._sight(digest).features
                agreed = sketch.lay(sketch.from_bytes(sketch.to_bytes(ours)), features)
                theirs = Rank(match.sketch.n_features, match.sketch.pixels, match.sketch.n_metadata, match.size)
                if agreed.inliers >= sketch.MIN_INLIERS and theirs > first_look.rank_of(look, len(ours)):
                    found[digest].append(replace(match, sd=agreed.sd, inliers=agreed.inliers))
        return found

    def _sight(self, digest: Digest) -> Sight:
        return sight.from_bytes(self._kept(digest, "see"))

    def _kept(self, digest: Digest, job: str) -> bytes:
        seen = self._looks.get(digest, job)
        if seen is None:
            raise ContentError("damaged", f"nothing is kept of the picture {digest.hex()}")
        return seen


def discard(folder: Path) -> None:
    """Removes all that is kept in a folder: it is made again from the pictures that still stand. A crash leaves some of it."""
    for name in (LOOKS, f"{LOOKS}-wal", f"{LOOKS}-shm"):
        remove(folder / name)
    if (folder / FEATURES).exists():
        shutil.rmtree(folder / FEATURES)


_READ = {"glance": first_look.from_bytes, "see": sight.from_bytes}
