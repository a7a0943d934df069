"""Questions about what waits in the journal: members that may go, loads by class, contents pinned for members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from source_agent.deliveries import Delivery
from source_agent.journal import Journal
from source_agent.rows import BRINGS_MEMBER, gated, whole_passes
from source_agent.states import UNDELIVERED, State
from source_agent.windows import Class, Gate

_CLASS = "CASE role WHEN 'representative' THEN 'representatives' WHEN 'member' THEN 'deferred' ELSE 'chunks' END"


@dataclass(frozen=True, slots=True)
class Load:
    """Contents of a class that wait for their receipts."""

    n_contents: int = 0
    n_bytes: int = 0
    """Logical."""
    n_made_bytes: int = 0
    """Of deltas that are made."""
    n_unmade_bytes: int = 0
    """Logical bytes of what has no delta made, and so may go whole."""
    oldest_ns: int = 0
    """When the first of them was seen; 0: there is none."""


def queued_members(journal: Journal, *, limit: int, gates: Sequence[Gate]) -> list[Delivery]:
    """QUEUED deliveries of members whose bytes must be sent and may go now, the first to become ready first."""
    opened, bounds = gated("v", gates)
    query = (
        f"SELECT v.* FROM version v {opened} WHERE v.state = ? AND {BRINGS_MEMBER} AND {whole_passes('v')} ORDER BY ready LIMIT ?"  # noqa: S608 - words only
    )
    with journal.reading() as db:
        return [journal.delivery(row) for row in db.execute(query, (*bounds, State.QUEUED, limit)).fetchall()]


def loads(journal: Journal) -> dict[Class, Load]:
    """What waits in each class of contents; of several versions with one content, the content once."""
    query = (
        "SELECT class, count(*), sum(size), sum(coalesce(made, 0)), sum(CASE WHEN made IS NULL THEN size ELSE 0 END),"  # noqa: S608
        " min(seen) FROM ("
        f" SELECT {_CLASS} AS class, max(v.size) AS size, min(v.observed_ns) AS seen, (SELECT d.n_bytes FROM delta d"
        " WHERE d.target = v.digest AND d.state = 'encoded') AS made FROM version v WHERE v.state IN (?, ?, ?)"
        " AND v.digest NOT NULL AND NOT EXISTS (SELECT 1 FROM durable_content c WHERE c.digest = v.digest) GROUP BY v.digest)"
        " GROUP BY class"
    )
    with journal.reading() as db:
        rows = db.execute(query, UNDELIVERED).fetchall()
    found = {Class(name): Load(n, n_bytes, made, unmade, oldest) for name, n, n_bytes, made, unmade, oldest in rows}
    return {of: found.get(of, Load()) for of in (Class.REPRESENTATIVES, Class.CHUNKS, Class.DEFERRED)}


def pinned_beyond(journal: Journal, policy: str, budget_bytes: int) -> int:
    """When the newest of a policy's members was seen that keeps a content pinned beyond a budget (ns; 0: none does).

    The newest have their share of the budget first.
    """
    query = (
        "SELECT coalesce(max(seen), 0) FROM (SELECT seen, sum(size) OVER (ORDER BY seen DESC, digest) AS total FROM ("
        " SELECT v.digest, min(v.observed_ns) AS seen, max(v.size) AS size FROM version v JOIN root r ON r.id = v.root"
        " WHERE r.policy = ? AND v.pinned AND v.role = 'member' AND v.state IN (?, ?, ?) GROUP BY v.digest)) WHERE total > ?"
    )
    with journal.reading() as db:
        return int(db.execute(query, (policy, *UNDELIVERED, budget_bytes)).fetchone()[0])
