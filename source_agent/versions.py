"""A source's versions as an operator asks for them: how far each is, what goes no further by itself, and trying that again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common.database import Row
from common.paths import ROOT, RelPath
from source_agent.config import glob_pattern
from source_agent.deliveries import Delivery, RootId, RootKey
from source_agent.journal import Journal
from source_agent.rules import Rules
from source_agent.states import State

_ROWS = 500
"""Read at once, while nobody writes to the journal."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version and how far it is on its way."""

    delivery: Delivery
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """A path of which something goes no further by itself."""

    root: RootKey
    path: RelPath
    reason: str
    seq: int = 0
    """Of the version that was refused; 0 where the path cannot be read."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which versions are meant."""

    states: frozenset[State] = frozenset()
    """Empty: all."""
    policy: str = ""
    glob: str = ""
    """As in a .gitignore; empty: every path."""


class Versions:
    """Reads the journal, and has it try again. Threads: as the journal's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def listed(self, chosen: Chosen, *, before: int = 0) -> Iterator[VersionView | int]:
        """The versions that are meant, the newest first, from below the sequence `before` on (0: all).

        In between the sequence that was looked at last, now and then: what is rare may take long to be found.
        Errors: ValueError for a glob that is none.
        """
        fits = _Fits(chosen)
        states = [state.value for state in chosen.states or State]
        marks = ", ".join("?" * len(states))
        query = f"SELECT * FROM version WHERE state IN ({marks}) AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608 - marks only
        last = before or (1 << 63) - 1
        while True:
            with self._journal.reading() as db:
                rows = db.execute(query, (*states, last, _ROWS)).fetchall()
            for row in rows:
                if fits(self._journal.root_key(row["root"]), RelPath(row["path"])):
                    yield VersionView(self._journal.delivery(row), State(row["state"]), row["reason"])
            if len(rows) < _ROWS:
                return
            last = rows[-1]["seq"]
            yield last

    def set_aside(self, chosen: Chosen) -> list[SetAside]:
        """What goes no further by itself: versions that were refused, then paths that cannot be read. Errors: ValueError."""
        fits = _Fits(chosen)
        with self._journal.reading() as db:
            refused = db.execute("SELECT * FROM version WHERE state = ? ORDER BY seq", (State.QUARANTINED,)).fetchall()
            unread = db.execute("SELECT *, 0 AS seq FROM unreadable ORDER BY root, path").fetchall()
        found = (self._set_aside(row) for row in (*refused, *unread))
        return [one for one in found if fits(one.root, one.path)]

    def retry(self, chosen: Chosen) -> tuple[int, int]:
        """Queues what was refused, and marks what could not be read as to be looked at. How many of each. Errors: ValueError."""
        with self._journal.writing() as db:
            again = self._fitting(db.execute("SELECT * FROM version WHERE state = ?", (State.QUARANTINED,)).fetchall(), chosen)
            for row in again:
                self._journal.advance_one(db, row["seq"], State.QUEUED, "")
            unread = self._fitting(db.execute("SELECT * FROM unreadable").fetchall(), chosen)
            places: list[tuple[RootId, bytes]] = [(row["root"], row["path"]) for row in unread]
            db.executemany("INSERT OR IGNORE INTO dirty (root, path) VALUES (?, ?)", places)
            db.executemany("DELETE FROM unreadable WHERE root = ? AND path = ?", places)
        return len(again), len(places)

    def _fitting(self, rows: list[Row], chosen: Chosen) -> list[Row]:
        fits = _Fits(chosen)
        return [row for row in rows if fits(self._journal.root_key(row["root"]), RelPath(row["path"]))]

    def _set_aside(self, row: Row) -> SetAside:
        return SetAside(self._journal.root_key(row["root"]), RelPath(row["path"]), row["reason"], row["seq"])


class _Fits:
    """Whether a path is meant. Errors: ValueError for a glob that is none."""

    def __init__(self, chosen: Chosen) -> None:
        self._policy = chosen.policy
        self._rules = Rules(include=(glob_pattern(chosen.glob),)) if chosen.glob else None

    def __call__(self, root: RootKey, path: RelPath) -> bool:
        if self._policy not in {"", root.policy}:
            return False
        return self._rules is None or (path != ROOT and self._rules.takes_whole_path(path, is_directory=False))
