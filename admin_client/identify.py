"""`smarter identify`: the groups of near-duplicates below a directory, found without an agent.

1. The pictures are listed and digested; equal digests are exact duplicates and are looked at once.
2. Each gets a first look in a worker process, or has one in the cache. What a worker cannot read is named and left alone.
3. The richest first, each is recognised by keys and PDQ as one before it, or its features are wanted.
4. Wanted features are extracted in the workers, all processors at once, and kept in the cache.
5. Pictures are placed in groups, in the same order; doubts are settled by a closer look in the workers.

Interrupted at any step it loses some seconds of work: the cache holds the rest, and nothing else is written.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from admin_client.gallery import Gallery, digest_file, survey
from admin_client.progress import Progress
from admin_client.seeing import Seeing, Source
from common import paths
from common.clock import SystemClock, monotonic_s
from common.errors import ContentError
from common.ids import Digest
from common.looks import Looks
from common.paths import RelPath, show
from common.similarity import first_look, registration, sight
from common.similarity.eyes import KeptEyes
from common.similarity.first_look import FirstLook
from common.similarity.grouping import EARLY_BITS, Grouping
from common.similarity.lsh import LshIndex
from common.similarity.places import Bond, Group, Picture, Place
from common.workers import Workers, each

_CLOCK = SystemClock()


@dataclass(slots=True)
class IdentifyReport:
    """What was found. Paths are relative to the directory."""

    n_files: int = 0
    n_images: int = 0
    n_exact_groups: int = 0
    """Contents that stand at more than one path."""
    n_early: int = 0
    """Contents recognised without features."""
    n_seen: int = 0
    """Contents whose features were needed."""
    seconds: float = 0.0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason."""
    groups: list[dict[str, Any]] = field(default_factory=list)
    """As in the JSON, the largest first; those of one file are left out."""

    def as_json(self) -> dict[str, Any]:
        """The report as the command prints it."""
        return {
            "files": self.n_files,
            "images": self.n_images,
            "exact_groups": self.n_exact_groups,
            "settled_early": self.n_early,
            "features_needed": self.n_seen,
            "seconds": round(self.seconds, 3),
            "unreadable": [path for path, _ in self.unreadable],
            "groups": self.groups,
        }


async def identify(root: Path, *, looks: Looks, n_workers: int, progress: Progress) -> IdentifyReport:
    """Groups the pictures below a directory. Errors: OSError where it cannot be opened; DatabaseError of the cache."""
    begun_s = monotonic_s()
    root_fd = paths.open_root(root)
    workers = Workers(n_workers)
    try:
        progress.stage("Finding pictures")
        gallery = await asyncio.to_thread(survey, root_fd)
        copies = await _digested(root_fd, gallery, progress=progress)
        seeing = Seeing(root_fd, workers, n_workers, looks)
        identification = _Identification(seeing, copies, progress)
        groups = await identification.run()
    finally:
        await workers.close()
        os.close(root_fd)
    report = IdentifyReport(
        n_files=gallery.n_files,
        n_images=len(gallery.images),
        n_exact_groups=sum(len(paths_of) > 1 for paths_of in copies.paths.values()),
        n_early=identification.n_early,
        n_seen=identification.n_seen,
        unreadable=_unreadable(gallery, copies, seeing.refused),
        groups=list(_described(groups, copies)),
    )
    report.seconds = monotonic_s() - begun_s
    return report


@dataclass(slots=True)
class _Copies:
    """The contents of a gallery, and every path of each in the order of their bytes."""

    paths: dict[Digest, list[RelPath]] = field(default_factory=lambda: defaultdict(list))
    n_bytes: dict[Digest, int] = field(default_factory=dict)

    def source(self, digest: Digest) -> Source:
        return Source(digest, self.paths[digest][0], self.n_bytes[digest])


async def _digested(root_fd: int, gallery: Gallery, *, progress: Progress) -> _Copies:
    copies = _Copies()

    def digest(path: RelPath) -> Digest:
        fd = paths.open_file(root_fd, path)
        try:
            return digest_file(fd)
        finally:
            os.close(fd)

    async def one(image: tuple[RelPath, int]) -> None:
        path, n_bytes = image
        try:
            content = await asyncio.to_thread(digest, path)
        except OSError as error:
            gallery.unreadable.append((path, error.strerror or str(error)))
        else:
            copies.paths[content].append(path)
            copies.n_bytes[content] = n_bytes
        progress.advance(n_bytes)

    progress.stage("Reading", total_bytes=sum(n_bytes for _, n_bytes in gallery.images))
    await each(gallery.images, one, n_at_once=os.cpu_count() or 1)
    for found in copies.paths.values():
        found.sort()
    return copies


class _Identification:
    """Steps 2 to 5 over the contents of a gallery."""

    def __init__(self, seeing: Seeing, copies: _Copies, progress: Progress) -> None:
        self._seeing = seeing
        self._copies = copies
        self._progress = progress
        self.n_early = self.n_seen = 0

    async def run(self) -> list[Group]:
        """The groups of all contents that could be read."""
        await self._look("glance", sorted(self._copies.paths))
        glanced = {digest: look for digest in self._copies.paths if (look := self._first_look(digest))}
        order = sorted(glanced, key=lambda digest: _richness(digest, glanced[digest]))
        with tempfile.TemporaryDirectory(prefix="smarter-identify-", ignore_cleanup_errors=True) as folder:
            eyes = KeptEyes(glanced.__getitem__, self._sight, LshIndex(Path(folder) / "features"), expected=len(order))
            wanted = [digest for digest in order if not _recognised(eyes, digest, glanced[digest])]
            await self._look("see", wanted)
            grouping = Grouping(eyes)
            self._progress.stage("Grouping", total_bytes=sum(self._copies.n_bytes[digest] for digest in order))
            for digest in order:
                if digest not in self._seeing.refused:
                    self._place(grouping, eyes, digest, glanced[digest])
                self._progress.advance(self._copies.n_bytes[digest])
                await _CLOCK.sleep(0)  # a Ctrl-C is heard between two pictures
            await self._look_closer(grouping)
            for _ in grouping.finish():
                await _CLOCK.sleep(0)
            return grouping.groups()

    def _place(self, grouping: Grouping, eyes: KeptEyes, digest: Digest, look: FirstLook) -> None:
        if grouping.settle_early(Picture(digest, first_look.rank_of(look, 0), look.moment, look.tables)) is not None:
            self.n_early += 1
            return
        # Recognised above as a picture that could not be placed itself, so without features: it then stands alone.
        n_features = 0
        if self._seeing.looks.get(digest, "see") is not None:
            self.n_seen += 1
            n_features = eyes.see(digest)
        grouping.place(Picture(digest, first_look.rank_of(look, n_features), look.moment, look.tables))

    async def _look_closer(self, grouping: Grouping) -> None:
        pairs = [(self._copies.source(a), self._copies.source(b)) for a, b in grouping.doubts()]
        found = await self._seeing.compare(pairs, progress=self._progress)
        for (a, b), seen in sorted(found.items()):
            grouping.resolve(a, b, registration.from_bytes(seen))

    async def _look(self, job: str, digests: list[Digest]) -> None:
        await self._seeing.look(job, [self._copies.source(digest) for digest in digests], progress=self._progress)

    def _first_look(self, digest: Digest) -> FirstLook | None:
        seen = self._seeing.looks.get(digest, "glance")
        return None if seen is None else first_look.from_bytes(seen)

    def _sight(self, digest: Digest) -> sight.Sight:
        seen = self._seeing.looks.get(digest, "see")
        if seen is None:
            raise ContentError("damaged", "the cache was emptied by another process")
        return sight.from_bytes(seen)


def _richness(digest: Digest, look: FirstLook) -> tuple[int, int, int, Digest]:
    """Sorts the richest first, as far as a first look can tell."""
    return -look.width * look.height, -look.n_metadata, -look.n_bytes, digest


def _recognised(eyes: KeptEyes, digest: Digest, look: FirstLook) -> bool:
    """Whether a picture is one of those glanced at before; it is remembered as well."""
    eyes.glance(digest, look)
    return any(bits <= EARLY_BITS for _, bits in eyes.hinted(digest))


def _unreadable(gallery: Gallery, copies: _Copies, refused: dict[Digest, str]) -> list[tuple[str, str]]:
    named = [(path, reason) for digest, reason in refused.items() for path in copies.paths[digest]]
    return [(show(path), reason) for path, reason in sorted(named + gallery.unreadable)]


def _described(groups: list[Group], copies: _Copies) -> Iterator[dict[str, Any]]:
    """The groups of more than one file as the JSON has them, the largest first."""
    found = [_as_json(group, copies) for group in groups]
    placed = {digest for group in groups for digest in (group.representative, *(m.picture.digest for m in group.members))}
    lone = [digest for digest in sorted(copies.paths) if digest not in placed]
    found += [{"representative": show(copies.paths[digest][0]), "members": list(_exact(digest, copies))} for digest in lone]
    yield from sorted((one for one in found if one["members"]), key=lambda one: (-len(one["members"]), one["representative"]))


def _as_json(group: Group, copies: _Copies) -> dict[str, Any]:
    members = list(_exact(group.representative, copies))
    for place in (*group.members, *group.scenes):
        members.append(_member(place, copies))
        members += _exact(place.picture.digest, copies) if place.bond is Bond.NEAR else []
    return {"representative": show(copies.paths[group.representative][0]), "members": members}


def _member(place: Place, copies: _Copies) -> dict[str, Any]:
    base = None if place.base is None else show(copies.paths[place.base][0])
    sd = None if place.likeness is None else round(place.likeness.sd, 4)
    return {"path": show(copies.paths[place.picture.digest][0]), "relation": place.bond.value, "sd": sd, "base": base}


def _exact(digest: Digest, copies: _Copies) -> Iterator[dict[str, Any]]:
    """The other paths of a content, as exact members that hang on its first."""
    first, *others = (show(path) for path in copies.paths[digest])
    yield from ({"path": path, "relation": "exact", "sd": 1.0, "base": first} for path in others)
