"""The journal's deltas as those who make and send them see them: what waits, what each may be over, what is ready to go.

A member in a group that waits for the user's word is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common.database import Connection
from common.ids import Digest
from common.jobs import hint_of
from common.model import Announcement, DeltaOffer
from common.similarity import registration
from source_agent.bases import Candidate
from source_agent.deliveries import Delivery
from source_agent.delta_rows import DeltaStep, Made
from source_agent.groups import likeness_of
from source_agent.journal import Journal
from source_agent.rows import is_durable, stands
from source_agent.spool import content_of
from source_agent.states import DeltaState, State

Transform = list[list[float]]
_NO_AREA = 1e-9
_NEIGHBOURS = 6
"""Pictures of a kind that are looked at for one target."""
_RICHEST = "n_features DESC, pixels DESC, n_metadata DESC, n_bytes DESC, digest"
_FREE = (
    "NOT EXISTS (SELECT 1 FROM picture p JOIN picture_group g ON g.id = p.of_group"
    " WHERE p.digest = d.target AND g.review_until_ns > 0)"
)
_SAID = "(d.approximation IS NULL OR d.announced)"
"""What a member looks like is said before its delta goes."""
_NOT_YET = (
    "EXISTS (SELECT 1 FROM picture p JOIN picture_group g ON g.id = p.of_group JOIN version v ON v.digest = g.representative"
    " WHERE p.digest = d.target AND v.digest <> p.digest AND v.state IN ('identified', 'queued', 'deferred')"
    " AND NOT EXISTS (SELECT 1 FROM durable_content c WHERE c.digest = v.digest))"
)
"""The picture that stands for the group is on its way: what `bases_of` waits for is not even asked about."""
_UNDERWAY = (State.IDENTIFIED, State.QUEUED, State.DEFERRED)


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery whose delta may go."""

    delivery: Delivery
    made: Made

    @property
    def target(self) -> Digest:
        """The content that it gives."""
        return content_of(self.delivery)

    @property
    def offer(self) -> DeltaOffer:
        """What is offered."""
        return DeltaOffer(self.made.base, self.made.method, self.made.n_bytes)


class Deltas:
    """Threads: as the journal's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def waits(self) -> bool:
        """Whether any delta is still to be made."""
        query = f"SELECT 1 FROM delta d WHERE state IN ('waiting', 'due') AND {_FREE} LIMIT 1"  # noqa: S608 - words only
        with self._journal.reading() as db:
            return db.execute(query).fetchone() is not None

    def pending(self, *, limit: int, after: int) -> list[tuple[int, Digest]]:
        """Deltas to be made now: their numbers, behind one of them, and the contents that wait for them."""
        which = f"state IN ('waiting', 'due') AND {_FREE} AND NOT {_NOT_YET}"
        query = f"SELECT id, target FROM delta d WHERE {which} AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - words only
        with self._journal.reading() as db:
            rows = db.execute(query, (after, limit)).fetchall()
        return [(row[0], Digest(row[1])) for row in rows]

    def candidates(self, target: Digest) -> list[Candidate]:
        """The pictures that a delta may be over, the most promising first."""
        with self._journal.reading() as db:
            found = dict.fromkeys(digest for digest in _like(db, target) if digest != target)
            return [_candidate(db, digest) for digest in found]

    def hint(self, target: Digest, base: Digest) -> str:
        """Where in a base a target is, as far as they were compared: what a worker begins its search with."""
        query = "SELECT likeness FROM picture WHERE likeness NOT NULL AND (digest, base) IN (VALUES (?, ?), (?, ?))"
        with self._journal.reading() as db:
            row = db.execute(query, (target, base, base, target)).fetchone()
        relation = None if row is None else likeness_of(row[0])
        if relation is None or relation.kind is registration.Kind.NONE:
            return ""
        # A relation goes from the smaller digest to the larger.
        transform = relation.transform.tolist()
        return hint_of(transform if target < base else _undone(transform))

    def carrier(self, target: Digest) -> Delivery | None:
        """A delivery that can read a content that waits for its delta: one that pinned it, if there is one."""
        query = "SELECT * FROM version WHERE digest = ? AND state = ? ORDER BY pinned DESC, seq LIMIT 1"
        with self._journal.reading() as db:
            row = db.execute(query, (target, State.DEFERRED)).fetchone()
            return None if row is None else self._journal.delivery(row)

    def ready(self, *, limit: int) -> list[Ready]:
        """Deliveries whose deltas are made, in the order in which they were asked for."""
        query = (
            "SELECT v.*, d.base AS d_base, d.method AS d_method, d.n_bytes AS d_bytes, d.digest AS d_digest FROM delta d"  # noqa: S608
            f" JOIN version v ON v.digest = d.target AND v.state = ? WHERE d.state = ? AND {_FREE} AND {_SAID}"
            " ORDER BY d.id, v.seq LIMIT ?"
        )
        with self._journal.reading() as db:
            rows = db.execute(query, (State.DEFERRED, DeltaState.ENCODED, limit)).fetchall()
            return [
                Ready(
                    self._journal.delivery(row),
                    Made(Digest(row["d_base"]), row["d_method"], row["d_bytes"], Digest(row["d_digest"])),
                )
                for row in rows
            ]

    def unannounced(self, *, limit: int) -> list[Announcement]:
        """What is to be said of members that wait for their deltas, or for these to go."""
        query = (
            "SELECT v.*, d.rough_base, d.approximation FROM delta d JOIN version v ON v.digest = d.target AND v.state = ?"  # noqa: S608
            f" WHERE d.state IN ('due', 'encoded') AND d.approximation NOT NULL AND NOT d.announced AND {_FREE}"
            " ORDER BY d.id LIMIT ?"
        )
        with self._journal.reading() as db:
            rows = db.execute(query, (State.DEFERRED, limit)).fetchall()
            return [Announcement(self._journal.delivery(r).version, Digest(r["rough_base"]), r["approximation"]) for r in rows]

    def announced(self, target: Digest) -> None:
        """The destination was told of a content; whether it keeps it is its own affair."""
        with self._journal.writing() as db:
            db.execute("UPDATE delta SET announced = 1 WHERE target = ?", (target,))

    def encoded(self) -> dict[Digest, Made]:
        """Every delta that is made and not stored yet."""
        query = "SELECT * FROM delta WHERE state = ?"
        with self._journal.reading() as db:
            rows = db.execute(query, (DeltaState.ENCODED,)).fetchall()
        return {Digest(r["target"]): Made(Digest(r["base"]), r["method"], r["n_bytes"], Digest(r["digest"])) for r in rows}

    def counts(self) -> dict[str, int]:
        """Deltas by state, for the status."""
        with self._journal.reading() as db:
            return dict(db.execute("SELECT state, count(*) FROM delta GROUP BY state").fetchall())

    def n_approximate(self) -> int:
        """Versions that wait, and that the destination can show roughly."""
        is_told = "EXISTS (SELECT 1 FROM delta d WHERE d.target = v.digest AND d.announced)"
        query = f"SELECT count(*) FROM version v WHERE v.state = ? AND {is_told}"  # noqa: S608 - words only
        with self._journal.reading() as db:
            return int(db.execute(query, (State.DEFERRED,)).fetchone()[0])

    def advance(self, steps: Iterable[DeltaStep]) -> None:
        """Journals steps of deltas. Errors: IllegalTransition."""
        self._journal.advance([], deltas=list(steps))


def _undone(transform: Transform) -> Transform:
    """The transform (2, 3) back again; the same where there is no way back, for it is only a hint."""
    (a, b, c), (d, e, f) = transform
    area = a * e - b * d
    if abs(area) < _NO_AREA:
        return transform
    return [[e / area, -b / area, (b * f - c * e) / area], [-d / area, a / area, (c * d - a * f) / area]]


def _like(db: Connection, target: Digest) -> list[Digest]:
    """Pictures like one, the most promising first; the one that stands for its group before all."""
    row = db.execute(
        "SELECT p.base, p.witness, p.of_group, g.representative FROM picture p JOIN picture_group g ON g.id = p.of_group"
        " WHERE p.digest = ?",
        (target,),
    ).fetchone()
    if row is None:
        return []
    found = [row["representative"], row["base"], row["witness"]]
    matches = "SELECT match FROM found_match WHERE digest = ? ORDER BY inliers DESC, match LIMIT ?"
    found += [r[0] for r in db.execute(matches, (target, _NEIGHBOURS))]
    near = (
        "SELECT p.digest FROM picture p JOIN durable_content USING (digest) WHERE of_group = ?"  # noqa: S608 - words only
        f" AND NOT EXISTS (SELECT 1 FROM delta d WHERE d.target = p.digest AND d.state = 'stored') ORDER BY {_RICHEST} LIMIT ?"
    )
    found += [r[0] for r in db.execute(near, (row["of_group"], _NEIGHBOURS))]
    scenes = (
        "SELECT base FROM picture WHERE of_group = :of AND bond = 'scene' UNION SELECT digest FROM picture"
        " WHERE bond = 'scene' AND base IN (SELECT digest FROM picture WHERE of_group = :of) LIMIT :most"
    )
    found += [r[0] for r in db.execute(scenes, {"of": row["of_group"], "most": _NEIGHBOURS})]
    return [Digest(digest) for digest in found if digest is not None]


def _candidate(db: Connection, digest: Digest) -> Candidate:
    is_there = is_durable(db, digest)
    stored = db.execute("SELECT 1 FROM delta WHERE target = ? AND state = ?", (digest, DeltaState.STORED)).fetchone()
    versions = db.execute("SELECT * FROM version WHERE digest = ? ORDER BY seq DESC", (digest,)).fetchall()
    is_coming = not is_there and any(row["state"] in _UNDERWAY for row in versions)
    return Candidate(digest, is_there and stored is None, any(stands(db, row) for row in versions), is_coming)
