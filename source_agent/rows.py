"""Questions about the journal's rows that several ask. Pure SQL over a connection that the journal lends."""

from __future__ import annotations

from collections.abc import Sequence

from common import paths
from common.database import Connection, Row
from common.ids import Digest
from common.paths import RelPath
from source_agent.deliveries import Observation, RootId
from source_agent.states import UNDELIVERED, State
from source_agent.windows import ANYTHING, Gate

BRINGS_MEMBER = "v.role = 'member' AND NOT EXISTS (SELECT 1 FROM durable_content d WHERE d.digest = v.digest)"
"""The condition that a version v is a member's and its bytes must be sent."""


def stands(db: Connection, version: Row) -> bool:
    """Whether a version is what stands at its path."""
    where = (version["root"], paths.parent(version["path"]), paths.name(version["path"]), version["seq"])
    query = "SELECT 1 FROM entry WHERE root = ? AND directory = ? AND name = ? AND seq = ?"
    return db.execute(query, where).fetchone() is not None


def standing(db: Connection, seen: Observation) -> Row | None:
    """The version that stands at the path of an observation, as far as journalled."""
    where = (seen.root, paths.parent(seen.path), paths.name(seen.path))
    query = "SELECT v.* FROM entry e JOIN version v USING (seq) WHERE e.root = ? AND e.directory = ? AND e.name = ?"
    row: Row | None = db.execute(query, where).fetchone()
    return row


def has_entry(db: Connection, root: RootId, path: RelPath) -> bool:
    """Whether anything stands at a path, as far as journalled."""
    where = (root, paths.parent(path), paths.name(path))
    return db.execute("SELECT 1 FROM entry WHERE root = ? AND directory = ? AND name = ?", where).fetchone() is not None


def below(db: Connection, root: RootId, directory: RelPath) -> list[RelPath]:
    """Every journalled path below a directory, at any depth."""
    query = "SELECT directory, name FROM entry WHERE root = ? AND (directory = ? OR (directory >= ? AND directory < ?))"
    rows = db.execute(query, (root, directory, directory + b"/", directory + b"0")).fetchall()
    return [paths.join(RelPath(row[0]), row[1]) for row in rows]


def is_durable(db: Connection, digest: Digest) -> bool:
    """Whether the destination is known to hold a content."""
    return db.execute("SELECT 1 FROM durable_content WHERE digest = ?", (digest,)).fetchone() is not None


def is_deferred(db: Connection, digest: Digest) -> bool:
    """Whether any version of a content waits as a member."""
    query = "SELECT 1 FROM version WHERE digest = ? AND state = ? LIMIT 1"
    return db.execute(query, (digest, State.DEFERRED)).fetchone() is not None


def is_given_up(state: State, *, pinned: bool) -> bool:
    """Whether a change of its path is the end of a version in this state."""
    return state is State.QUARANTINED or (state in UNDELIVERED and not pinned)


def gated(version: str, gates: Sequence[Gate]) -> tuple[str, list[str | int]]:
    """A join that gives each row of versions the gate of its policy, or the nameless one, and what is to be bound to it."""
    marks = ", ".join("(?, ?, ?)" for _ in gates)
    join = (
        f"JOIN root gr ON gr.id = {version}.root"  # noqa: S608 - words only
        f" JOIN (SELECT column1 AS policy, column2 AS most, column3 AS before FROM (VALUES {marks})) gate"
        f" ON gate.policy = CASE WHEN gr.policy IN ({', '.join('?' * len(gates))}) THEN gr.policy ELSE '' END"
    )
    bounds = [bound for gate in gates for bound in (gate.policy, gate.most_delta_bytes, gate.before_ns)]
    return join, [*bounds, *(gate.policy for gate in gates)]


def whole_passes(version: str) -> str:
    """The condition that a gate lets a content go whole."""
    return f"(gate.most = {ANYTHING} OR {version}.observed_ns <= gate.before)"


def delta_passes(version: str, delta: str) -> str:
    """The condition that a gate lets a delta go."""
    return f"({delta}.n_bytes <= gate.most OR {version}.observed_ns <= gate.before)"
