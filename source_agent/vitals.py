"""The source's figures for those who watch it from outside: gauges for Prometheus, and for pings what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.clock import Clock
from common.metrics import (
    BACKLOG_BYTES,
    BACKLOG_VERSIONS,
    CONNECTED,
    LAG_SECONDS,
    LAST_RECEIPT,
    LAST_RESCAN,
    PROTECTED_FILES,
    QUARANTINED,
    UNAVAILABLE_ROOTS,
    UNREADABLE_PATHS,
)
from common.model import Role
from source_agent.deliverer import Deliverer
from source_agent.journal import Journal
from source_agent.observer import Observer
from source_agent.protection import backlog, protected
from source_agent.tally import Tally

CLASSES: dict[str, tuple[Role, ...]] = {
    "representatives": (Role.REPRESENTATIVE,),
    "deferred": (Role.MEMBER,),
    "chunks": (Role.NONE,),
}


@dataclass(slots=True)
class Vitals:
    """Threads: safe."""

    journal: Journal
    observer: Observer
    deliverer: Deliverer
    tally: Tally
    clock: Clock
    late_s: float = 3600.0
    """A version that is no member may wait so long, and the link be down so long, before it is a failure."""
    _connected_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._connected_s = self.clock.monotonic_s()

    def observe(self) -> None:
        """Brings the gauges up to date. Blocks: for a thread. Errors: DatabaseError. Cost: one walk over what is journalled."""
        waiting = backlog(self.journal)
        now_ns = self.clock.now_ns()
        for name, roles in CLASSES.items():
            found = [waiting[role] for role in roles if role in waiting]
            BACKLOG_BYTES.labels(name).set(sum(each.n_bytes for each in found))
            BACKLOG_VERSIONS.labels(name).set(sum(each.n_versions for each in found))
            LAG_SECONDS.labels(name).set(max((each.lag_s(now_ns) for each in found), default=0.0))
        for how, share in protected(self.journal).items():
            PROTECTED_FILES.labels(how).set(share.n_files)
        CONNECTED.set(bool(self.deliverer.connected_to))
        LAST_RECEIPT.set(self.tally.last_receipt_ns / 1e9)
        LAST_RESCAN.set(self.observer.last_rescan_ns / 1e9)
        QUARANTINED.set(len(self.journal.quarantined()))
        UNREADABLE_PATHS.set(len(self.journal.unreadable()))
        UNAVAILABLE_ROOTS.set(len(self.observer.unavailable))

    def problem(self) -> str:
        """What is wrong, "" where nothing is: a root that is not there, a link that stays down, versions that wait too long.

        Blocks: for a thread. Errors: DatabaseError.
        """
        now_s = self.clock.monotonic_s()
        if self.deliverer.connected_to:
            self._connected_s = now_s
        if self.observer.unavailable:
            return "; ".join(self.observer.unavailable.values())
        if now_s - self._connected_s > self.late_s:
            return f"not connected for {now_s - self._connected_s:.0f} s: {self.deliverer.error or 'no answer'}"
        waiting = backlog(self.journal)
        prompt = (waiting[role] for role in (Role.REPRESENTATIVE, Role.NONE) if role in waiting)
        lag_s = max((each.lag_s(self.clock.now_ns()) for each in prompt), default=0.0)
        return f"a version has waited for {lag_s:.0f} s" if lag_s > self.late_s else ""
