"""The destination at a glance."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.clock import Clock
from common.metrics import (
    ACCEPTING,
    BROKEN_CONTENTS,
    LAST_DRILL,
    LAST_RECEIVED,
    LAST_VERIFIED,
    REFUSALS,
    STORE_BYTES,
    STORE_OBJECTS,
    snapshot,
)
from dest_agent.catalogue import Catalogue, PictureTotals, SourceCount, Totals
from dest_agent.room import Space
from dest_agent.verify import LAST_VERIFY_ERRORS, LAST_VERIFY_NS

_DRILL = ("last_drill_ns", "last_drill_files", "last_drill_bytes", "last_drill_errors")
_MOST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Drill:
    """A sample that was restored and compared with what it should be."""

    at_ns: int
    """0: never."""
    n_files: int
    n_bytes: int
    n_errors: int
    """Files that did not come back as they were."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What an operator wants to know first."""

    agent: str
    uptime_s: float
    sources: tuple[SourceCount, ...]
    totals: Totals
    free_bytes: int
    accepting: bool
    last_verify_ns: int
    last_verify_errors: int
    refusals: dict[str, int]
    """By code, since the agent started."""
    pictures: PictureTotals
    index_bytes: int
    drill: Drill


class Status:
    """Answers what an operator asks first. Threads: safe."""

    def __init__(self, agent: str, catalogue: Catalogue, *, space: Space, clock: Clock, index: Path) -> None:
        self._agent = agent
        self._catalogue = catalogue
        self._space = space
        self._clock = clock
        self._index = index
        self._started_s = clock.monotonic_s()

    def glance(self) -> Glance:
        """The state now. Blocks: for a thread. Errors: DatabaseError, StoreFailed."""
        totals = self._catalogue.totals("")
        sources = tuple(self._catalogue.sources())
        accepting = self._space.accepting
        verified_ns, n_broken = self._catalogue.recall(LAST_VERIFY_NS), self._catalogue.recall(LAST_VERIFY_ERRORS)
        STORE_OBJECTS.set(totals.contents)
        STORE_BYTES.set(totals.stored_bytes)
        ACCEPTING.set(accepting)
        LAST_VERIFIED.set(verified_ns / 1e9)
        BROKEN_CONTENTS.set(n_broken)
        for source in sources:
            LAST_RECEIVED.labels(source.name).set(source.last_received_ns / 1e9)
        return Glance(
            agent=self._agent,
            uptime_s=self._clock.monotonic_s() - self._started_s,
            sources=sources,
            totals=totals,
            free_bytes=self._space.room().free_bytes,
            accepting=accepting,
            last_verify_ns=verified_ns,
            last_verify_errors=n_broken,
            refusals={code: int(n) for code, n in snapshot(REFUSALS).items()},
            pictures=self._catalogue.picture_totals(),
            index_bytes=_bytes_below(self._index),
            drill=self._drill(),
        )

    def problem(self) -> str:
        """What is wrong, "" where nothing is: a full disk, contents that could not be proved. Blocks; errors: as `glance`."""
        if not self._space.accepting:
            return "the disk is full: uploads wait"
        n_broken = self._catalogue.recall(LAST_VERIFY_ERRORS)
        return f"{n_broken} contents could not be proved by the last verification" if n_broken else ""

    def drilled(self, n_files: int, n_bytes: int, *, n_errors: int) -> int:
        """Remembers a drill, and says when (ns). Blocks: for a thread. Errors: ValueError, DatabaseError."""
        if max(n_files, n_bytes, n_errors) > _MOST:
            raise ValueError("nobody restores so much")
        now_ns = self._clock.now_ns()
        for key, value in zip(_DRILL, (now_ns, n_files, n_bytes, n_errors), strict=True):
            self._catalogue.remember(key, value)
        return now_ns

    def _drill(self) -> Drill:
        drill = Drill(*map(self._catalogue.recall, _DRILL))
        LAST_DRILL.set(0 if drill.n_errors else drill.at_ns / 1e9)
        return drill


def _bytes_below(folder: Path) -> int:
    """Of all files that stay long enough to be asked."""
    n_bytes = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            n_bytes += path.stat().st_size
    return n_bytes
