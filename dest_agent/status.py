"""The destination at a glance."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.clock import Clock
from common.metrics import REFUSALS, STORE_BYTES, STORE_OBJECTS, snapshot
from dest_agent.catalogue import Catalogue, PictureTotals, SourceCount, Totals
from dest_agent.room import Space
from dest_agent.verify import LAST_VERIFY_ERRORS, LAST_VERIFY_NS


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
        STORE_OBJECTS.set(totals.contents)
        STORE_BYTES.set(totals.stored_bytes)
        return Glance(
            agent=self._agent,
            uptime_s=self._clock.monotonic_s() - self._started_s,
            sources=tuple(self._catalogue.sources()),
            totals=totals,
            free_bytes=self._space.room().free_bytes,
            accepting=self._space.accepting,
            last_verify_ns=self._catalogue.recall(LAST_VERIFY_NS),
            last_verify_errors=self._catalogue.recall(LAST_VERIFY_ERRORS),
            refusals={code: int(n) for code, n in snapshot(REFUSALS).items()},
            pictures=self._catalogue.picture_totals(),
            index_bytes=_bytes_below(self._index),
        )


def _bytes_below(folder: Path) -> int:
    """Of all files that stay long enough to be asked."""
    n_bytes = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            n_bytes += path.stat().st_size
    return n_bytes
