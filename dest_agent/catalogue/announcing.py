"""What sources announced and have not delivered, in the catalogue's tables. Pure SQL over a connection that the catalogue lends.

An announcement is a hint: no version, no content, no promise. It ends with the next version of its path.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.database import Connection, Row
from common.ids import Digest, VersionId
from common.model import Announcement, Kind, Role, Selection, Version
from common.paths import RelPath
from common.wire.versions import attributes_from_bytes, attributes_to_bytes
from dest_agent.catalogue.selecting import matching

Place = tuple[int, int]
"""A source's number, and a sequence."""


def put(db: Connection, announcement: Announcement, *, source: int, root: int, announced_ns: int) -> None:
    """Keeps one, unless a version of its path is there that is as new; inside a transaction."""
    v = announcement.version
    newer = "SELECT 1 FROM versions WHERE root = ? AND path = ? AND seq >= ? LIMIT 1"
    if db.execute(newer, (root, v.path, v.id.seq)).fetchone() is None:
        values = (source, v.id.seq, root, v.path, attributes_to_bytes(v.attributes), v.digest, v.size, v.role, v.observed_ns)
        kept = (*values, announced_ns, announcement.base, announcement.approximation)
        db.execute("INSERT OR REPLACE INTO announced VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", kept)


def end(db: Connection, *, root: int, path: RelPath, seq: int) -> None:
    """A version of a path has come: what was announced of it before is over."""
    db.execute("DELETE FROM announced WHERE root = ? AND path = ? AND seq <= ?", (root, path, seq))


def page(db: Connection, selection: Selection, *, after: Place, limit: int) -> list[tuple[Place, Announcement]]:
    """The next announcements of a source and policy, each with its place; whatever the selection's glob and time."""
    query = (
        "SELECT a.*, sources.name AS source_name, policy, roots.root AS root_name FROM announced a"
        " JOIN roots ON roots.id = a.root JOIN sources ON sources.id = a.source"
        " WHERE ? IN ('', policy) AND ? IN ('', sources.name) AND (a.source, a.seq) > (?, ?) ORDER BY a.source, a.seq LIMIT ?"
    )
    rows = db.execute(query, (selection.policy, selection.source, *after, limit)).fetchall()
    return [((row["source"], row["seq"]), _announcement(row)) for row in rows]


def matched(announcements: Iterator[Announcement], glob: str) -> Iterator[Announcement]:
    """Those that fit a glob. Errors: ValueError for a glob that is none."""
    match = matching(glob)
    return (one for one in announcements if match(one.version.path, False))  # noqa: FBT003 - a predicate's second word


def _announcement(row: Row) -> Announcement:
    version = Version(
        id=VersionId(row["source_name"], row["seq"]),
        policy=row["policy"],
        root=row["root_name"],
        path=RelPath(row["path"]),
        kind=Kind.FILE,
        attributes=attributes_from_bytes(row["attributes"]),
        observed_ns=row["observed_ns"],
        digest=Digest(row["digest"]),
        size=row["size"],
        role=Role(row["role"]),
    )
    return Announcement(version, Digest(row["base"]), row["approximation"])
