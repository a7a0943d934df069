"""How much of what stands in the roots the destination could give back, and what waits: questions to the journal."""

from __future__ import annotations

from dataclasses import dataclass

from common.model import Kind, Role
from source_agent.journal import Journal
from source_agent.states import UNDELIVERED, State

HOW = ("exact", "approximate", "not_yet")


@dataclass(frozen=True, slots=True)
class Backlog:
    """Versions of one role without a receipt."""

    n_versions: int
    n_bytes: int
    oldest_ns: int
    """When the first of them was observed."""

    def lag_s(self, now_ns: int) -> float:
        """How long the first of them has waited."""
        return max(0.0, (now_ns - self.oldest_ns) / 1e9)


def backlog(journal: Journal) -> dict[Role, Backlog]:
    """What has no receipt yet, by role; without the roles of which nothing waits. Errors: DatabaseError."""
    query = "SELECT role, count(*), sum(size), min(observed_ns) FROM version WHERE state IN (?, ?, ?) GROUP BY role"
    with journal.reading() as db:
        return {Role(role): Backlog(*figures) for role, *figures in db.execute(query, UNDELIVERED)}


@dataclass(frozen=True, slots=True)
class Share:
    """Files that the destination could give back in one way."""

    n_files: int = 0
    oldest_ns: int = 0
    """When the first of them was observed; 0: there is none."""

    def lag_s(self, now_ns: int) -> float:
        """How old the first of them is."""
        return max(0.0, (now_ns - self.oldest_ns) / 1e9) if self.oldest_ns else 0.0


def protected(journal: Journal) -> dict[str, Share]:
    """The files that stand in the roots, by how the destination could give them back (`HOW`). Errors: DatabaseError.

    Cost: one walk over what stands; about a CPU second for a million files.
    """
    query = (
        "SELECT CASE WHEN v.state = :replicated THEN 'exact' WHEN v.state = :deferred AND EXISTS"
        " (SELECT 1 FROM delta d WHERE d.target = v.digest AND d.announced) THEN 'approximate' ELSE 'not_yet' END,"
        " count(*), min(v.observed_ns) FROM entry e JOIN version v USING (seq) WHERE v.kind = :file GROUP BY 1"
    )
    of = {"replicated": State.REPLICATED, "deferred": State.DEFERRED, "file": Kind.FILE}
    with journal.reading() as db:
        return dict.fromkeys(HOW, Share()) | {how: Share(*figures) for how, *figures in db.execute(query, of)}
