"""Groups as an operator sees them: values read from the journal, each page of them at one moment. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import paths
from common.database import Connection, Row
from common.errors import ContentError
from common.ids import Digest, digest_from
from common.model import Role
from common.paths import RelPath, relpath
from common.similarity.places import Place
from source_agent.deliveries import RootId, RootKey
from source_agent.groups import place_from
from source_agent.journal import Journal
from source_agent.roots import Root
from source_agent.rows import stands
from source_agent.selection import GroupId
from source_agent.states import State

MOST_PATHS = 50
"""Paths that are told of one picture."""
MOST_SHOWN = 200
"""Characters of a name that nothing has."""
_RICHEST = "n_features DESC, pixels DESC, n_metadata DESC, n_bytes DESC, digest"
_MAX_NUMBER = (1 << 63) - 1
_AT_ONCE = 200
"""Groups whose paths are looked at together: the journal is lent for as long."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path with the root that it is below."""

    root: RootKey
    path: RelPath

    def __str__(self) -> str:
        return f"{self.root.policy}/{self.root.name}/{paths.show(self.path)}"


@dataclass(frozen=True, slots=True)
class HeldMatch:
    """A picture that the destination holds and found like one of ours."""

    digest: Digest
    size: int
    sd: float
    inliers: int


@dataclass(frozen=True, slots=True)
class DeltaView:
    """How the bytes of a member travel over its base; `n_bytes` is 0 and `method` empty while that is not made."""

    state: str
    method: str
    n_bytes: int
    is_announced: bool


@dataclass(frozen=True, slots=True)
class PictureView:
    """One content, whatever the number of files that have it."""

    place: Place
    group: GroupId
    is_representative: bool
    role: Role
    state: str
    """Of its newest version; empty where there is none."""
    files: tuple[FilePath, ...]
    """Those that have it now, `MOST_PATHS` at most."""
    n_files: int
    last_file: FilePath | None
    """Where it was last, if no file has it now."""
    base_file: FilePath | None
    matches: tuple[HeldMatch, ...]
    delta: DeltaView | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group, and some of its pictures."""

    number: GroupId
    n_pictures: int
    n_bytes: int
    is_pinned: bool
    is_confirmed: bool
    review_until_ns: int
    told: tuple[PictureView, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which groups are asked for."""

    in_review: bool = False
    singles: bool = False
    policy: str = ""
    min_bytes: int = 0
    fits: Callable[[RelPath], bool] | None = None


class GroupViews:
    """Reads groups. Threads: as the journal's."""

    def __init__(self, journal: Journal, roots: Iterable[Root]) -> None:
        self._journal = journal
        self._roots = tuple(roots)
        self._keys: dict[RootId, RootKey] = {root.id: root.key for root in self._roots}

    def listed(
        self, wanted: Wanted, *, after: tuple[int, GroupId] | None = None, backwards: bool = False
    ) -> Iterator[tuple[int, GroupId]]:
        """The groups that are wanted as (pictures, number), the largest first, or backwards; those behind `after`, if given."""
        # Without a sum the index alone tells how large groups are.
        where = "WHERE of_group IN (SELECT id FROM picture_group WHERE review_until_ns > 0)" if wanted.in_review else ""
        having = f"n >= {1 if wanted.singles else 2}" + (" AND sum(n_bytes) >= :least" if wanted.min_bytes else "")
        query = f"SELECT count(*) AS n, of_group FROM picture {where} GROUP BY of_group HAVING {having} ORDER BY n DESC, of_group"  # noqa: S608 - words only
        with self._journal.reading() as db:
            rows = db.execute(query, {"least": min(wanted.min_bytes, _MAX_NUMBER)}).fetchall()
        sign = -1 if backwards else 1
        behind = [
            (n, number)
            for n, number in rows[::sign]
            if after is None or (-n * sign, number * sign) > (-after[0] * sign, after[1] * sign)
        ]
        for at in range(0, len(behind), _AT_ONCE):
            some = behind[at : at + _AT_ONCE]
            fitting = self._fitting([number for _, number in some], wanted)
            yield from (one for one in some if one[1] in fitting)

    def standing(self, number: GroupId) -> tuple[int, GroupId]:
        """Where a group stands in a list. Errors: ContentError `unknown` where there is none of this number."""
        return self.group(number, most=1, with_scenes=False).n_pictures, number

    def _fitting(self, numbers: Sequence[GroupId], wanted: Wanted) -> set[GroupId]:
        """Those of some groups of which a path is wanted."""
        if not wanted.policy and wanted.fits is None:
            return set(numbers)
        found: set[GroupId] = set()
        query = (
            "SELECT p.of_group, v.root, v.path, v.seq FROM picture p JOIN version v USING (digest)"  # noqa: S608 - marks only
            f" WHERE p.of_group IN ({','.join('?' * len(numbers))})"
        )
        with self._journal.reading() as db:
            for row in db.execute(query, numbers):
                key = self._keys.get(row["root"])
                if row["of_group"] in found or key is None or wanted.policy not in {"", key.policy}:
                    continue
                if (wanted.fits is None or wanted.fits(RelPath(row["path"]))) and stands(db, row):
                    found.add(row["of_group"])
        return found

    def group(self, number: GroupId, *, first: int = 0, most: int = _MAX_NUMBER, with_scenes: bool = True) -> GroupView:
        """A group and a page of its pictures: the representative, the others from the richest on, then its scenes.

        Errors: ContentError `unknown` where there is none of this number.
        """
        with self._journal.reading() as db:
            row = None
            if number <= _MAX_NUMBER:
                row = db.execute("SELECT * FROM picture_group WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise ContentError("unknown", f"there is no group {number}")
            totals = "SELECT count(*), coalesce(sum(n_bytes), 0) FROM picture WHERE of_group = ?"
            n_pictures, n_bytes = db.execute(totals, (number,)).fetchone()
            query = f"SELECT * FROM picture WHERE of_group = ? ORDER BY digest = ? DESC, {_RICHEST} LIMIT ? OFFSET ?"  # noqa: S608
            rows = db.execute(query, (number, row["representative"], most, first)).fetchall()
            if with_scenes and len(rows) < most:
                rows += _scenes(db, number, first=max(0, first - n_pictures), most=most - len(rows))
            return GroupView(
                number=number,
                n_pictures=n_pictures,
                n_bytes=n_bytes,
                is_pinned=bool(row["is_pinned"]),
                is_confirmed=bool(row["is_confirmed"]),
                review_until_ns=row["review_until_ns"],
                told=tuple(self._picture(db, one) for one in rows),
            )

    # names

    def called(self, path: bytes, *, file: bytes = b"") -> Digest:
        """The content of the picture that an operator means by a path: root-relative, ROOT/PATH or POLICY/ROOT/PATH.

        `file` is where the path is on this machine, and wins where it is below a root.
        Errors: ContentError `unknown`; ValueError where it means several.
        """
        with self._journal.reading() as db:
            meant = self._stood(db, self._below_roots(file)) or self._stood(db, self._spelled(path))
        if not meant:
            raise ContentError("unknown", f"{_short(path)}: nothing that this source has seen is called so")
        if len({digest for _, digest in meant}) > 1:
            names = ", ".join(str(one) for one, _ in meant)
            raise ValueError(f"{_short(path)} means several: {names}; name one as POLICY/ROOT/PATH")
        one, digest = meant[0]
        if digest is None:
            raise ContentError("unknown", f"{one}: is no file")
        return digest

    def placed(self, digest: bytes) -> GroupId:
        """The number of a picture's group. Errors: ContentError `unknown`, saying why it has none; ValueError for no digest."""
        known = digest_from(digest)
        with self._journal.reading() as db:
            if (row := db.execute("SELECT of_group FROM picture WHERE digest = ?", (known,)).fetchone()) is not None:
                return int(row[0])
            unseen = db.execute("SELECT reason FROM unseen WHERE digest = ?", (known,)).fetchone()
            versions = _versions(db, known)
        if unseen is not None:
            raise ContentError("unknown", f"that picture cannot be looked at: {unseen[0]}")
        if not versions:
            raise ContentError("unknown", f"no file of this source has the digest {known.hex()}")
        if versions[0]["state"] == State.IDENTIFIED:
            raise ContentError("unknown", "that picture has not been compared with others yet: ask again a little later")
        raise ContentError("unknown", "that is no picture, or its policy does not compare pictures")

    def _below_roots(self, file: bytes) -> Iterator[FilePath]:
        name = Path(os.fsdecode(file)) if file else None
        for root in self._roots if name is not None else ():
            for folder in {root.folder, root.folder.resolve()}:
                if name is not None and name.is_relative_to(folder):
                    yield FilePath(root.key, RelPath(bytes(name.relative_to(folder))))

    def _spelled(self, path: bytes) -> Iterator[FilePath]:
        for root in self._roots:
            prefixes = (b"", f"{root.key.name}/".encode(), f"{root.key.policy}/{root.key.name}/".encode())
            for prefix in prefixes:
                if path.startswith(prefix):
                    yield FilePath(root.key, RelPath(path.removeprefix(prefix)))

    def _stood(self, db: Connection, files: Iterable[FilePath]) -> list[tuple[FilePath, Digest | None]]:
        """Those of some paths at which something stands, with its content."""
        query = "SELECT v.digest FROM entry e JOIN version v USING (seq) WHERE e.root = ? AND e.directory = ? AND e.name = ?"
        found: list[tuple[FilePath, Digest | None]] = []
        for file in dict.fromkeys(files):
            try:
                at = relpath(file.path)
            except ValueError:
                continue  # no path that anything could stand at
            row = db.execute(query, (file.root.id, paths.parent(at), paths.name(at))).fetchone()
            if row is not None:
                found.append((file, None if row[0] is None else Digest(row[0])))
        return found

    # pictures

    def _picture(self, db: Connection, row: Row) -> PictureView:
        place = place_from(row)
        digest = place.picture.digest
        versions = _versions(db, digest)
        files = self._files(db, versions)
        stood = "SELECT representative FROM picture_group WHERE id = ?"
        representative = db.execute(stood, (row["of_group"],)).fetchone()[0]
        held = db.execute("SELECT * FROM found_match WHERE digest = ? ORDER BY inliers DESC, match", (digest,))
        return PictureView(
            place=place,
            group=row["of_group"],
            is_representative=representative == digest,
            role=Role(row["role"]),
            state=versions[0]["state"] if versions else "",
            files=tuple(files[:MOST_PATHS]),
            n_files=len(files),
            last_file=None if files else next(self._named(versions), None),
            base_file=None if place.base is None else self._shown(db, place.base),
            matches=tuple(HeldMatch(Digest(one["match"]), one["size"], one["sd"], one["inliers"]) for one in held),
            delta=_delta(db, digest),
        )

    def _shown(self, db: Connection, digest: Digest) -> FilePath | None:
        """A path to call a content by: where it stands, else where it was."""
        versions = _versions(db, digest)
        return next(iter(self._files(db, versions)), None) or next(self._named(versions), None)

    def _files(self, db: Connection, versions: Sequence[Row]) -> list[FilePath]:
        standing = self._named([row for row in versions if stands(db, row)])
        return sorted(standing, key=lambda file: (file.root.policy, file.root.name, file.path))

    def _named(self, versions: Iterable[Row]) -> Iterator[FilePath]:
        return (FilePath(self._keys[row["root"]], RelPath(row["path"])) for row in versions if row["root"] in self._keys)


def _short(path: bytes) -> str:
    text = paths.show(path)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _versions(db: Connection, digest: Digest) -> list[Row]:
    """The versions with a content, the newest first."""
    return db.execute("SELECT * FROM version WHERE digest = ? ORDER BY seq DESC", (digest,)).fetchall()


def _delta(db: Connection, digest: Digest) -> DeltaView | None:
    row = db.execute("SELECT * FROM delta WHERE target = ? ORDER BY id DESC LIMIT 1", (digest,)).fetchone()
    return None if row is None else DeltaView(row["state"], row["method"], row["n_bytes"], bool(row["announced"]))


def _scenes(db: Connection, number: GroupId, *, first: int, most: int) -> list[Row]:
    """Pictures of other groups that hang on one of this group as other shots of its scene."""
    inside = "SELECT digest FROM picture WHERE of_group = ?"
    where = f"bond = 'scene' AND of_group <> ? AND base IN ({inside})"
    query = f"SELECT * FROM picture WHERE {where} ORDER BY {_RICHEST} LIMIT ? OFFSET ?"  # noqa: S608 - names only
    return db.execute(query, (number, number, most, first)).fetchall()
