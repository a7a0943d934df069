"""The source's truth: what was seen at each path, every version, and how far each is on its way.

One transaction a step, each durable when the call returns (boundaries S1, S3, S4). A crash between two of them leaves a
path dirty or a delivery QUEUED, never a version without its delivery. Thread-safe: one lock, short transactions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import paths
from common.database import Connection, Row, open_database, transaction
from common.durable import crash_point
from common.ids import Digest, VersionId
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from common.wire.versions import attributes_from_bytes, attributes_to_bytes
from source_agent import delta_rows
from source_agent.deliveries import Delivery, Observation, RootId, RootKey
from source_agent.delta_rows import DeltaStep
from source_agent.rows import BRINGS_MEMBER, below, has_entry, is_given_up, standing, stands
from source_agent.schema import UPGRADES
from source_agent.states import UNDELIVERED, DeltaState, State, step


class Journal:
    """SQLite behind a lock. Paths and states go in and come out as the model's values."""

    def __init__(self, path: Path, *, agent: str, has_pin: Callable[[Digest], bool] = lambda _: False) -> None:
        """Opens or makes the journal; `has_pin` tells which contents are pinned. Errors: SchemaTooNew, DatabaseError."""
        self._agent = agent
        self.has_pin = has_pin
        self._lock = threading.Lock()
        self._db: Connection = open_database(path, UPGRADES)
        self._roots: dict[RootId, RootKey] = {}
        for row in self._db.execute("SELECT id, policy, name FROM root"):
            self._roots[row["id"]] = RootKey(row["id"], row["policy"], row["name"])
        self._ready = int(self._db.execute("SELECT coalesce(max(ready), 0) FROM version").fetchone()[0])

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction for others that keep what they know in the journal. Errors: DatabaseError."""
        with self._lock, transaction(self._db) as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A moment in which nothing is written, likewise."""
        with self._lock:
            yield self._db

    # roots and what stands in them

    def root(self, policy: str, name: str) -> RootKey:
        """The journal's key of a root, made on first use."""
        with self._lock, transaction(self._db) as db:
            db.execute("INSERT OR IGNORE INTO root (policy, name) VALUES (?, ?)", (policy, name))
            (number,) = db.execute("SELECT id FROM root WHERE policy = ? AND name = ?", (policy, name)).fetchone()
        return self._roots.setdefault(number, RootKey(number, policy, name))

    def root_key(self, root: RootId) -> RootKey:
        """The key of a root that the journal has. Errors: KeyError."""
        return self._roots[root]

    def device(self, root: RootId) -> int:
        """The device a root was on when it was last scanned; 0 before the first scan."""
        with self._lock:
            return int(self._db.execute("SELECT device FROM root WHERE id = ?", (root,)).fetchone()[0])

    def remember_device(self, root: RootId, device: int) -> None:
        """Keeps the device of a root that was scanned whole."""
        with self._lock, transaction(self._db) as db:
            db.execute("UPDATE root SET device = ? WHERE id = ? AND device <> ?", (device, root, device))

    def signatures(self, root: RootId, directory: RelPath) -> dict[bytes, bytes]:
        """Name to stat signature for what is journalled directly in a directory. The root itself is the name `b""`."""
        with self._lock:
            rows = self._db.execute("SELECT name, signature FROM entry WHERE root = ? AND directory = ?", (root, directory))
            return {row[0]: row[1] for row in rows}

    def below(self, root: RootId, directory: RelPath) -> list[RelPath]:
        """Every journalled path below a directory, at any depth."""
        with self._lock:
            return below(self._db, root, directory)

    # dirty paths

    def mark_dirty(self, marks: Iterable[tuple[RootId, RelPath]]) -> None:
        """Remembers that these paths need a look. Durable when it returns (S1)."""
        with self._lock, transaction(self._db) as db:
            db.executemany("INSERT OR IGNORE INTO dirty (root, path) VALUES (?, ?)", marks)
        crash_point("S1")

    def dirty(self) -> list[tuple[RootId, RelPath]]:
        """All dirty paths, parents before what they hold."""
        with self._lock:
            rows = self._db.execute("SELECT root, path FROM dirty ORDER BY root, path").fetchall()
        return [(row[0], RelPath(row[1])) for row in rows]

    def n_dirty(self) -> int:
        """How many paths wait for a look."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM dirty").fetchone()[0])

    def note_unreadable(self, root: RootId, path: RelPath, reason: str) -> None:
        """Sets a path aside with the reason it cannot be read; the next scan that finds it changed tries again."""
        with self._lock, transaction(self._db) as db:
            db.execute("DELETE FROM dirty WHERE root = ? AND path = ?", (root, path))
            db.execute("INSERT OR REPLACE INTO unreadable (root, path, reason) VALUES (?, ?, ?)", (root, path, reason))

    def unreadable(self) -> list[tuple[RootKey, RelPath, str]]:
        """Paths that could not be read, each with the reason."""
        with self._lock:
            rows = self._db.execute("SELECT root, path, reason FROM unreadable ORDER BY root, path").fetchall()
        return [(self._roots[row[0]], RelPath(row[1]), row[2]) for row in rows]

    # versions

    def record(self, observations: Sequence[Observation]) -> list[Delivery]:
        """Writes what intake found: new versions with their deliveries, in one transaction (S3).

        A path that is as it was only has its signature refreshed. An older version of the path that is still undelivered
        and not pinned is SUPERSEDED: its bytes are gone; so is a quarantined one, whose complaint is settled. What was in a
        directory that is none any more is gone with it. Gives the deliveries that are new.
        """
        with self._lock, transaction(self._db) as db:
            in_order = sorted(observations, key=lambda seen: (seen.root, seen.path))  # directories before what they hold
            made = [delivery for seen in in_order for delivery in self._record_one(db, seen)]
        crash_point("S3")
        return made

    def _record_one(self, db: Connection, seen: Observation) -> Iterator[Delivery]:
        old = standing(db, seen)
        was_directory = old["kind"] == Kind.DIRECTORY if old is not None else seen.kind is Kind.ABSENT
        if was_directory and seen.kind is not Kind.DIRECTORY:
            # Removed, moved away or replaced by a link, perhaps unseen: no later comparison would come past what it held.
            for path in below(db, seen.root, seen.path):
                gone = Observation(seen.root, path, Kind.ABSENT, Attributes(), seen.observed_ns, signature=b"")
                yield from self._settle(db, gone, standing(db, gone))
        yield from self._settle(db, seen, old)

    def _settle(self, db: Connection, seen: Observation, old: Row | None) -> Iterator[Delivery]:
        """Journals one observation of a path whose version so far is `old`."""
        directory, name = paths.parent(seen.path), paths.name(seen.path)
        where = (seen.root, directory, name)
        db.execute("DELETE FROM dirty WHERE root = ? AND path = ?", (seen.root, seen.path))
        db.execute("DELETE FROM unreadable WHERE root = ? AND path = ?", (seen.root, seen.path))
        attributes = attributes_to_bytes(seen.attributes)
        if old is None and seen.kind is Kind.ABSENT:
            return
        if old is not None:
            same = (old["kind"], old["attributes"], old["digest"]) == (seen.kind, attributes, seen.digest)
            # A superseded version was given up: if the path is as it was after all, only a new version brings it to B.
            if same and State(old["state"]) is not State.SUPERSEDED:
                refresh = "UPDATE entry SET signature = ? WHERE root = ? AND directory = ? AND name = ?"
                db.execute(refresh, (seen.signature, *where))
                return
            if is_given_up(State(old["state"]), pinned=bool(old["pinned"])):
                self.advance_one(db, old["seq"], State.SUPERSEDED, "")
        elif directory and not has_entry(db, seen.root, directory):
            # Its directory is new too, or went away while the file was read: a look at the directory tells.
            db.execute("INSERT OR IGNORE INTO dirty (root, path) VALUES (?, ?)", (seen.root, directory))
        seq = db.execute(
            "INSERT INTO version (root, path, kind, attributes, digest, size, observed_ns, role, state, pinned, ready)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(seen.root, seen.path, seen.kind, attributes, seen.digest, seen.size, seen.observed_ns, seen.role),
                *(State.IDENTIFIED if seen.awaits_group else State.QUEUED, seen.pinned, self._next_ready()),
            ),
        ).lastrowid
        if seen.kind is Kind.ABSENT:
            db.execute("DELETE FROM entry WHERE root = ? AND directory = ? AND name = ?", where)
        else:
            db.execute(
                "INSERT OR REPLACE INTO entry (root, directory, name, signature, seq) VALUES (?, ?, ?, ?, ?)",
                (*where, seen.signature, seq),
            )
        yield self.delivery(db.execute("SELECT * FROM version WHERE seq = ?", (seq,)).fetchone())

    def queued(self, *, after: int, limit: int, shut: Collection[tuple[Role, str]] = ()) -> list[Delivery]:
        """The next QUEUED deliveries in the order in which they became ready, behind one that was ready earlier.

        All but members whose bytes must be sent, and contents of roles whose policies are `shut`; an empty name shuts all.
        """
        closed = " AND NOT (role = ? AND digest NOT NULL AND (? = '' OR root IN (SELECT id FROM root WHERE policy = ?)))" * len(
            shut
        )
        query = f"SELECT * FROM version v WHERE state = ? AND ready > ? AND NOT ({BRINGS_MEMBER}){closed} ORDER BY ready LIMIT ?"  # noqa: S608 - words only
        named = [word for role, policy in shut for word in (role, policy, policy)]
        with self._lock:
            rows = self._db.execute(query, (State.QUEUED, after, *named, limit)).fetchall()
            return [self.delivery(row) for row in rows]

    def identified(self, *, limit: int) -> list[Delivery]:
        """Deliveries of pictures whose group is not known yet, in the order in which they were seen."""
        query = "SELECT * FROM version WHERE state = ? ORDER BY seq LIMIT ?"
        with self._lock:
            return [self.delivery(row) for row in self._db.execute(query, (State.IDENTIFIED, limit)).fetchall()]

    def advance(
        self,
        steps: Sequence[tuple[int, State, str]],
        *,
        durable: Collection[Digest] = (),
        deltas: Sequence[DeltaStep] = (),
    ) -> None:
        """Moves deliveries (seq, new state, reason) and deltas, and notes contents that B now holds, in one transaction (S4).

        Where a delta fell back, its deliveries are QUEUED; where it was dropped and they still wait, another one begins. Members
        that still wait with a content that B holds are QUEUED: only their versions need recording.
        Errors: IllegalTransition; nothing of the batch is written then.
        """
        with self._lock, transaction(self._db) as db:
            db.executemany("INSERT OR IGNORE INTO durable_content (digest) VALUES (?)", [(d,) for d in durable])
            for delta in deltas:
                delta_rows.advance(db, delta)
                if delta.state is DeltaState.FELL_BACK:
                    self._queue_deferred(db, delta.target)
                delta_rows.keep_up(db, delta.target)
            for seq, state, reason in steps:
                self.advance_one(db, seq, state, reason)
            for digest in durable:
                self._queue_deferred(db, digest)
        crash_point("S4")

    def _queue_deferred(self, db: Connection, digest: Digest) -> None:
        for (seq,) in db.execute("SELECT seq FROM version WHERE digest = ? AND state = ?", (digest, State.DEFERRED)).fetchall():
            self.advance_one(db, seq, State.QUEUED, "")

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """The bytes of a version are not to be had any more: it is SUPERSEDED and its path needs a look, both or neither.

        The look must come after, and must not find the path as journalled: else nothing would ever stand for it.
        """
        seq = delivery.version.id.seq
        with self._lock, transaction(self._db) as db:
            self.advance_one(db, seq, State.SUPERSEDED, reason)
            db.execute("UPDATE entry SET signature = x'' WHERE seq = ?", (seq,))
            db.execute("INSERT OR IGNORE INTO dirty (root, path) VALUES (?, ?)", (delivery.root, delivery.version.path))

    def assign(self, db: Connection, digest: Digest, role: Role, state: State, *, among: Sequence[State]) -> None:
        """Gives every delivery of a picture that is in one of some states its role and a new state.

        What is DEFERRED reads its bytes from the pin, where there is one. To be called within `writing`.
        Errors: IllegalTransition.
        """
        query = f"SELECT seq FROM version WHERE digest = ? AND state IN ({', '.join('?' * len(among))})"  # noqa: S608 - marks only
        for (seq,) in db.execute(query, (digest, *among)).fetchall():
            db.execute("UPDATE version SET role = ? WHERE seq = ?", (role, seq))
            self.advance_one(db, seq, state, "")
            if state is State.DEFERRED and self.has_pin(digest):
                db.execute("UPDATE version SET pinned = 1 WHERE seq = ?", (seq,))

    def _next_ready(self) -> int:
        self._ready += 1
        return self._ready

    def advance_one(self, db: Connection, seq: int, state: State, reason: str) -> None:
        """Moves one delivery, within `writing`. Errors: IllegalTransition."""
        row = db.execute("SELECT state, digest FROM version WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            return  # renumbered meanwhile: the version goes on under its new number
        before = State(row[0])
        if before is State.SUPERSEDED and state is State.QUARANTINED:
            return  # the refusal crossed with the change that gave the version up: there is nothing left to name
        db.execute("UPDATE version SET state = ?, reason = ? WHERE seq = ?", (step(before, state), reason, seq))
        if state is State.QUEUED is not before:
            db.execute("UPDATE version SET ready = ? WHERE seq = ?", (self._next_ready(), seq))
        if State.DEFERRED in {before, state}:
            delta_rows.keep_up(db, Digest(row[1]), reason=state)

    def durable_among(self, digests: Sequence[Digest]) -> set[Digest]:
        """Those of the contents that the destination is known to hold."""
        with self._lock:
            query = "SELECT 1 FROM durable_content WHERE digest = ?"
            return {d for d in digests if self._db.execute(query, (d,)).fetchone()}

    def forget_durable(self, digest: Digest) -> None:
        """The destination says that it does not hold this content after all."""
        with self._lock, transaction(self._db) as db:
            db.execute("DELETE FROM durable_content WHERE digest = ?", (digest,))

    def known(self, digest: Digest) -> bool:
        """Whether any version had this content before."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM version WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None

    def awaits_groups(self) -> bool:
        """Whether any picture waits for its group."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM version WHERE state = ? LIMIT 1", (State.IDENTIFIED,)).fetchone() is not None

    def unplaced_pictures(self) -> list[Delivery]:
        """What stands somewhere as a picture and was never compared with others, as what an earlier program delivered."""
        query = (
            "SELECT v.* FROM entry JOIN version v USING (seq) WHERE v.role = ? AND v.state <> ?"
            " AND NOT EXISTS (SELECT 1 FROM picture p WHERE p.digest = v.digest)"
            " AND NOT EXISTS (SELECT 1 FROM unseen u WHERE u.digest = v.digest)"
        )
        with self._lock:
            rows = self._db.execute(query, (Role.REPRESENTATIVE, State.IDENTIFIED)).fetchall()
        return [self.delivery(row) for row in rows]

    def standing(self, digest: Digest) -> Delivery | None:
        """The newest version that stands somewhere with this content."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM version WHERE digest = ? ORDER BY seq DESC", (digest,))
            return next((self.delivery(row) for row in rows if stands(self._db, row)), None)

    # numbering

    def number_from(self, last_seq: int) -> None:
        """Makes every later version's sequence greater than one the destination knows: a lost journal reuses no number."""
        with self._lock, transaction(self._db) as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'version'").fetchone()
            if row is None:
                db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('version', ?)", (last_seq,))
            elif row[0] < last_seq:
                db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'version'", (last_seq,))

    def renumber(self, seq: int) -> None:
        """Gives an undelivered version a fresh number: the destination knows another version under the old one."""
        with self._lock, transaction(self._db) as db:
            new = db.execute(
                "INSERT INTO version"
                " (root, path, kind, attributes, digest, size, observed_ns, role, state, reason, pinned, ready)"
                " SELECT root, path, kind, attributes, digest, size, observed_ns, role, state, reason, pinned, ?"
                " FROM version WHERE seq = ?",
                (self._next_ready(), seq),
            ).lastrowid
            db.execute("UPDATE entry SET seq = ? WHERE seq = ?", (new, seq))
            db.execute("DELETE FROM version WHERE seq = ?", (seq,))

    # what status shows

    def counts(self) -> dict[str, int]:
        """Versions by state."""
        with self._lock:
            return dict(self._db.execute("SELECT state, count(*) FROM version GROUP BY state").fetchall())

    def backlog(self) -> tuple[int, int]:
        """Logical bytes without a receipt, and when the oldest of them was observed (ns; 0 where there is none)."""
        query = "SELECT coalesce(sum(size), 0), coalesce(min(observed_ns), 0) FROM version WHERE state IN (?, ?, ?)"
        with self._lock:
            row = self._db.execute(query, UNDELIVERED).fetchone()
        return int(row[0]), int(row[1])

    def quarantined(self) -> list[tuple[Version, str]]:
        """Refused versions with the destination's reason."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM version WHERE state = ? ORDER BY seq", (State.QUARANTINED,)).fetchall()
        return [(self.delivery(row).version, row["reason"]) for row in rows]

    def needs_pin(self, digest: Digest) -> bool:
        """Whether an undelivered version still reads its bytes from the pin."""
        query = "SELECT 1 FROM version WHERE digest = ? AND pinned AND state IN (?, ?, ?) LIMIT 1"
        with self._lock:
            return self._db.execute(query, (digest, *UNDELIVERED)).fetchone() is not None

    def pinned(self) -> set[Digest]:
        """Contents that an undelivered version keeps pinned."""
        query = "SELECT DISTINCT digest FROM version WHERE pinned AND state IN (?, ?, ?)"
        with self._lock:
            return {Digest(row[0]) for row in self._db.execute(query, UNDELIVERED)}

    def meta(self, key: str) -> str:
        """A remembered word; empty where it was never set."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Remembers a word under a key."""
        with self._lock, transaction(self._db) as db:
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def delivery(self, row: Row) -> Delivery:
        """The delivery in a row of versions."""
        root = self._roots[row["root"]]
        version = Version(
            id=VersionId(self._agent, row["seq"]),
            policy=root.policy,
            root=root.name,
            path=RelPath(row["path"]),
            kind=Kind(row["kind"]),
            attributes=attributes_from_bytes(row["attributes"]),
            observed_ns=row["observed_ns"],
            digest=Digest(row["digest"]) if row["digest"] is not None else None,
            size=row["size"],
            role=Role(row["role"]),
        )
        return Delivery(version, root.id, bool(row["pinned"]), row["ready"])
