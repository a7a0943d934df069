"""The journal's deltas: what a member waits for. Pure SQL over a connection that the journal lends, inside its transactions.

A content has a delta that waits, is due or is encoded exactly as long as a version of it is DEFERRED; what ended stays, for it
tells which contents the destination has as deltas, and why others went whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.database import Connection, Row
from common.errors import IllegalTransition
from common.ids import Digest
from source_agent.rows import is_deferred, is_durable
from source_agent.states import DELTA_STEPS, DeltaState

_LIVE = "state IN ('waiting', 'due', 'encoded')"


@dataclass(frozen=True, slots=True)
class Made:
    """A delta that was made and decoded again."""

    base: Digest
    method: str
    n_bytes: int
    digest: Digest
    """Of the delta's own bytes."""


@dataclass(frozen=True, slots=True)
class Rough:
    """What is said of a content before its delta is made."""

    base: Digest
    approximation: bytes


@dataclass(frozen=True, slots=True)
class DeltaStep:
    """A step of the delta of a content."""

    target: Digest
    state: DeltaState
    reason: str = ""
    made: Made | None = None
    """Exactly where the delta is ENCODED."""
    rough: Rough | None = None
    """Where the delta becomes DUE, and its base shows something of it."""


def live(db: Connection, target: Digest) -> Row | None:
    """The delta that a content waits for."""
    row: Row | None = db.execute(f"SELECT * FROM delta WHERE target = ? AND {_LIVE}", (target,)).fetchone()  # noqa: S608 - words only
    return row


def advance(db: Connection, step: DeltaStep) -> None:
    """Makes one step; none where the content waits for no delta any more. Errors: IllegalTransition."""
    row = live(db, step.target)
    if row is None:
        return
    before = DeltaState(row["state"])
    if step.state is not before and step.state not in DELTA_STEPS[before]:
        raise IllegalTransition(f"a delta cannot go from {before} to {step.state}")
    db.execute("UPDATE delta SET state = ?, reason = ? WHERE id = ?", (step.state, step.reason, row["id"]))
    if (made := step.made) is not None:
        values = (made.base, made.method, made.n_bytes, made.digest, row["id"])
        db.execute("UPDATE delta SET base = ?, method = ?, n_bytes = ?, digest = ? WHERE id = ?", values)

    if (rough := step.rough) is not None:
        said = (rough.base, rough.approximation, row["id"])
        db.execute("UPDATE delta SET rough_base = ?, approximation = ?, announced = 0 WHERE id = ?", said)


def keep_up(db: Connection, target: Digest, *, reason: str = "") -> None:
    """Lets the delta of a content begin where a version of it waits as a member, and end where none does any more."""
    waits = is_deferred(db, target)
    is_live = live(db, target) is not None
    if waits and not is_live and not is_durable(db, target):
        db.execute("INSERT INTO delta (target, state) VALUES (?, ?)", (target, DeltaState.WAITING))
    elif is_live and not waits:
        advance(db, DeltaStep(target, DeltaState.DROPPED, reason))
