"""The catalogue in one SQLite file. Reads never wait for a commit, for they have a connection of their own.

No read transaction outlasts a page: a listing may wait for hours for whoever reads it, and SQLite's log cannot be folded
into the file behind a reader. What a listing shows is of one moment all the same, since versions are only ever added.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.database import Connection, DatabaseError, Row, open_database, transaction
from common.ids import Digest, VersionId
from common.model import Announcement, Entry, Kind, Recipe, Refusal, RefusalCode, Role, Selection, Stored, Version
from common.paths import RelPath, show
from common.wire.versions import attributes_from_bytes, attributes_to_bytes
from dest_agent.catalogue import Arrival, Content, Picture, PictureTotals, SourceCount, Totals, announcing, recipe_rows, sketching
from dest_agent.catalogue.recipe_rows import content_of, holds, recipe_of
from dest_agent.catalogue.schema import UPGRADES
from dest_agent.catalogue.selecting import Match, matching

_PAGE = 512
_LISTED_PAGE = 128
"""Versions: at worst some 40 MiB, where each has as many extended attributes as it may."""
_CONTENT = "SELECT * FROM "
_CONTENT_OF = _CONTENT + "contents WHERE digest = ?"
_TOTALS = "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(stored_bytes), 0) FROM "
_OF_POLICY = (
    "contents WHERE EXISTS (SELECT 1 FROM versions JOIN roots ON roots.id = versions.root"
    " WHERE versions.digest = contents.digest AND roots.policy = ?)"
)


class SqliteCatalogue:
    """See Catalogue. A crash leaves each commit whole or absent."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made if absent. Errors: SchemaTooNew, DatabaseError."""
        self._path = path
        self._writer = open_database(path, UPGRADES)
        self._reader = open_database(path, UPGRADES)
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        # Ids of what is small and never removed; filled only after the transaction that made the row.
        self._source_ids: dict[str, int] = {}
        self._root_ids: dict[tuple[int | str, ...], int] = {}

    def close(self) -> None:
        """Closes the file; listings must have ended."""
        self._writer.close()
        self._reader.close()

    def commit(self, arrivals: Sequence[Arrival], *, received_ns: int) -> list[Stored | Refusal]:
        """See Catalogue."""
        with self._write_lock, _forgetting(self._source_ids, self._root_ids), transaction(self._writer) as db:
            return [self._commit_one(db, arrival, received_ns=received_ns) for arrival in arrivals]

    def held(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> set[Digest]:
        """See Catalogue."""
        with self._reading() as db:
            return {digest for digest in digests if holds(db, sharing, digest)}

    def recipes(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Recipe]:
        """See Catalogue."""
        found = self.contents(list(self.held(sharing, digests)))
        return {digest: content.recipe for digest, content in found.items()}

    def contents(self, digests: Sequence[Digest]) -> dict[Digest, Content]:
        """See Catalogue."""
        with self._reading() as db:
            rows = [db.execute(_CONTENT_OF, (digest,)).fetchone() for digest in digests]
        return {content.digest: content for row in rows if row is not None for content in (content_of(row),)}

    def every_content(self, policy: str) -> Iterator[Content]:
        """See Catalogue."""
        after = b""
        of, values = (_OF_POLICY + " AND", (policy,)) if policy else ("contents WHERE", ())
        while True:
            with self._reading() as db:
                rows = db.execute(_CONTENT + of + " digest > ? ORDER BY digest LIMIT ?", (*values, after, _PAGE)).fetchall()
            yield from map(content_of, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1]["digest"]

    def totals(self, policy: str) -> Totals:
        """See Catalogue."""
        with self._reading() as db:
            if not policy:
                return Totals(*db.execute("SELECT contents, logical_bytes, stored_bytes FROM totals").fetchone())
            return Totals(*db.execute(_TOTALS + _OF_POLICY, (policy,)).fetchone())

    def paths(self, digest: Digest, *, most: int) -> list[str]:
        """See Catalogue."""
        with self._reading() as db:
            rows = db.execute(_PATHS, (digest, most)).fetchall()
        return [f"{r['name']}:{r['policy']}/{r['root']}/{show(r['path'])}" for r in rows]

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """See Catalogue."""
        return self._entries(selection, match=matching(selection.glob))

    def sources(self) -> list[SourceCount]:
        """See Catalogue."""
        with self._reading() as db:
            rows = db.execute("SELECT * FROM sources ORDER BY name").fetchall()
            policies = db.execute("SELECT DISTINCT source, policy FROM roots ORDER BY policy").fetchall()
        return [
            SourceCount(
                name=r["name"],
                versions=r["versions"],
                last_seq=r["last_seq"],
                last_received_ns=r["last_received_ns"],
                policies=tuple(p["policy"] for p in policies if p["source"] == r["id"]),
            )
            for r in rows
        ]

    def last_seq(self, source: str) -> int:
        """See Catalogue."""
        with self._reading() as db:
            row = db.execute("SELECT last_seq FROM sources WHERE name = ?", (source,)).fetchone()
        return row["last_seq"] if row else 0

    def announce(self, announcements: Sequence[Announcement], *, sharing: AbstractSet[str], announced_ns: int) -> list[int]:
        """See Catalogue."""
        with self._write_lock, _forgetting(self._source_ids, self._root_ids), transaction(self._writer) as db:
            kept = [one for one in announcements if holds(db, sharing, one.base)]
            for one in kept:
                source = self._source_id(db, one.version.id.agent)
                root = self._root_id(db, source, one.version.policy, one.version.root)
                announcing.put(db, one, source=source, root=root, announced_ns=announced_ns)
        return [one.version.id.seq for one in kept]

    def announced(self, selection: Selection) -> Iterator[Announcement]:
        """See Catalogue."""
        return announcing.matched(self._announced(selection), selection.glob)

    def _announced(self, selection: Selection) -> Iterator[Announcement]:
        after = (0, 0)
        while True:
            with self._reading() as db:
                found = announcing.page(db, selection, after=after, limit=_LISTED_PAGE)
            yield from (one for _, one in found)
            if len(found) < _LISTED_PAGE:
                return
            after = found[-1][0]

    def sketch(self, source: str, pictures: Sequence[Picture], *, offered_ns: int) -> None:
        """See Catalogue."""
        with self._write_lock, transaction(self._writer) as db:
            sketching.put(db, source, pictures, offered_ns=offered_ns)

    def pictures(self, sharing: AbstractSet[str], digests: Sequence[Digest]) -> dict[Digest, Picture]:
        """See Catalogue."""
        with self._reading() as db:
            return sketching.held(db, sharing, digests)

    def every_picture(self, sharing: AbstractSet[str]) -> Iterator[Digest]:
        """See Catalogue."""
        after = b""
        while True:
            with self._reading() as db:
                found = sketching.page(db, sharing, after=after, limit=_PAGE)
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1]

    def picture_totals(self) -> PictureTotals:
        """See Catalogue."""
        with self._reading() as db:
            return sketching.totals(db)

    def forget_sketches(self, *, before_ns: int) -> int:
        """See Catalogue."""
        with self._write_lock, transaction(self._writer) as db:
            return sketching.forget(db, before_ns=before_ns)

    def remember(self, key: str, value: int) -> None:
        """See Catalogue."""
        with self._write_lock, transaction(self._writer) as db:
            db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def recall(self, key: str) -> int:
        """See Catalogue."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row["value"] if row else 0

    # one arrival

    def _commit_one(self, db: Connection, arrival: Arrival, *, received_ns: int) -> Stored | Refusal:
        version, content = arrival.version, arrival.content
        there = db.execute(_RECORD, (version.id.agent, version.id.seq)).fetchone()
        if there is not None:
            same = tuple(there) == _record(version)
            return Stored() if same else Refusal(RefusalCode.CONFLICT, f"sequence {version.id.seq} belongs to another version")
        if (refusal := recipe_rows.refusal(db, arrival)) is not None:
            return refusal
        if content is not None:
            recipe_rows.put(db, content)
        source = self._source_id(db, version.id.agent)
        root = self._root_id(db, source, version.policy, version.root)
        values = (source, version.id.seq, root, *_record(version)[2:], received_ns)
        db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        announcing.end(db, root=root, path=version.path, seq=version.id.seq)
        db.execute(
            "UPDATE sources SET versions = versions + 1, last_seq = max(last_seq, ?), last_received_ns = ? WHERE id = ?",
            (version.id.seq, received_ns, source),
        )
        return Stored()

    def _source_id(self, db: Connection, name: str) -> int:
        if name not in self._source_ids:
            db.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (name,))
            (self._source_ids[name],) = db.execute("SELECT id FROM sources WHERE name = ?", (name,)).fetchone()
        return self._source_ids[name]

    def _root_id(self, db: Connection, source: int, *labels: str) -> int:
        key: tuple[int | str, ...] = (source, *labels)
        if key not in self._root_ids:
            db.execute("INSERT OR IGNORE INTO roots (source, policy, root) VALUES (?, ?, ?)", key)
            (self._root_ids[key],) = db.execute(
                "SELECT id FROM roots WHERE source = ? AND policy = ? AND root = ?", key
            ).fetchone()
        return self._root_ids[key]

    # reading

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._read_lock, _mapped(self._reader):
            yield self._reader

    def _entries(self, selection: Selection, *, match: Match) -> Iterator[Entry]:
        with self._reading() as db:
            (moment,) = db.execute("SELECT coalesce(max(rowid), 0) FROM versions").fetchone()
            roots = db.execute(_ROOTS, {"policy": selection.policy, "source": selection.source}).fetchall()
        for root in roots:
            rows = self._rows(root["id"], at_ns=selection.at_ns, moment=moment)
            for row in rows if selection.all_versions else _latest(rows):
                if match(RelPath(row["path"]), row["kind"] == Kind.DIRECTORY.value):
                    yield _entry(root, row)

    def _rows(self, root: int, *, at_ns: int, moment: int) -> Iterator[Row]:
        """The versions of a root that were there at a moment, counted in rows; page by page."""
        path, seq = b"", 0
        while True:
            with self._reading() as db:
                page = db.execute(_VERSIONS, (root, path, seq, moment, _LISTED_PAGE)).fetchall()
            yield from (row for row in page if not at_ns or min(row["observed_ns"], row["received_ns"]) <= at_ns)
            if len(page) < _LISTED_PAGE:
                return
            path, seq = page[-1]["path"], page[-1]["seq"]


_RECORD = (
    "SELECT roots.policy, roots.root, path, kind, attributes, digest, size, role, observed_ns FROM versions"
    " JOIN roots ON roots.id = versions.root JOIN sources ON sources.id = versions.source WHERE sources.name = ? AND seq = ?"
)
_PATHS = (
    "SELECT DISTINCT sources.name, policy, roots.root, path FROM versions JOIN roots ON roots.id = versions.root"
    " JOIN sources ON sources.id = versions.source WHERE versions.digest = ? LIMIT ?"
)
_ROOTS = (
    "SELECT roots.id, sources.name, policy, root FROM roots JOIN sources ON sources.id = roots.source"
    " WHERE :policy IN ('', policy) AND :source IN ('', sources.name) ORDER BY sources.name, policy, root"
)
_VERSIONS = (
    "SELECT versions.*, contents.recipe, contents.coding, contents.stored_bytes, contents.base"
    " FROM versions LEFT JOIN contents USING (digest)"
    " WHERE versions.root = ? AND (versions.path, versions.seq) > (?, ?) AND versions.rowid <= ?"
    " ORDER BY versions.path, versions.seq LIMIT ?"
)


def _latest(rows: Iterator[Row]) -> Iterator[Row]:
    """Of each path the last row, where something is there."""
    last: Row | None = None
    for row in rows:
        if last is not None and last["path"] != row["path"] and last["kind"] != Kind.ABSENT.value:
            yield last
        last = row
    if last is not None and last["kind"] != Kind.ABSENT.value:
        yield last


def _record(v: Version) -> tuple[object, ...]:
    """What makes a version the same one when it comes again, in the order of `_RECORD`."""
    attributes = attributes_to_bytes(v.attributes)
    return (v.policy, v.root, v.path, v.kind.value, attributes, v.digest, v.size, v.role.value, v.observed_ns)


def _entry(root: Row, row: Row) -> Entry:
    version = Version(
        id=VersionId(root["name"], row["seq"]),
        policy=root["policy"],
        root=root["root"],
        path=RelPath(row["path"]),
        kind=Kind(row["kind"]),
        attributes=attributes_from_bytes(row["attributes"]),
        observed_ns=row["observed_ns"],
        digest=Digest(row["digest"]) if row["digest"] is not None else None,
        size=row["size"],
        role=Role(row["role"]),
    )
    return Entry(version, row["received_ns"], recipe_of(row) if row["digest"] is not None else None)


@contextmanager
def _mapped(db: Connection) -> Iterator[None]:
    try:
        yield
    except db.Error as error:
        raise DatabaseError(str(error)) from error


@contextmanager
def _forgetting(*caches: dict[Any, int]) -> Iterator[None]:
    """Empties the caches where a transaction failed: what it made is not there."""
    try:
        yield
    except BaseException:
        for cache in caches:
            cache.clear()
        raise
