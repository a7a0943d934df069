"""What `smarter-source once` and `reindex` did: the JSON that they print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from common import paths
from common.metrics import DELTA_FALLBACKS, FALLBACKS, snapshot
from source_agent.journal import Journal
from source_agent.observer import Observer
from source_agent.roots import Root
from source_agent.tally import CLASSES, Tally


@dataclass(slots=True)
class Summary:
    """What `once` did: the JSON of CLI.md, with what was skipped and which codings fell back beside it."""

    files: int = 0
    versions: int = 0
    logical_bytes: int = 0
    sent_bytes: dict[str, int] = field(default_factory=dict)
    representatives: int = 0
    members: int = 0
    exact_duplicates: int = 0
    in_review: int = 0
    """Groups that hold something back, for they wait for the user's word."""
    unreadable: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)
    delta_fallbacks: dict[str, int] = field(default_factory=dict)
    """Members that went whole, by reason."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the agent and its workers; known once those have ended."""

    @property
    def is_partial(self) -> bool:
        """Whether some file is not at the destination as it is here."""
        return bool(self.unreadable or self.refused)


@dataclass(slots=True)
class Reindexed:
    """What `reindex` did."""

    pictures: int
    lost: int
    """Those that no file has any more: nothing that comes is compared with them."""
    seconds: float


def summed_up(
    roots: Iterable[Root], journal: Journal, observer: Observer, tally: Tally, *, in_review: int, seconds: float
) -> Summary:
    """What a run came to, as its parts counted it."""
    by_key = {root.key: root for root in roots}
    seen = observer.seen.values()
    return Summary(
        files=sum(s.files for s in seen),
        versions=tally.versions,
        logical_bytes=tally.logical_bytes,
        sent_bytes={kind: tally.sent_bytes[kind] for kind in CLASSES},
        representatives=tally.representatives,
        members=tally.members,
        exact_duplicates=tally.exact_duplicates,
        in_review=in_review,
        unreadable=[
            *(f"{by_key[root].show(path)}: {reason}" for root, path, reason in journal.unreadable() if root in by_key),
            *observer.unavailable.values(),
        ],
        refused=[{"path": paths.show(v.path), "root": v.root, "reason": reason} for v, reason in journal.quarantined()],
        skipped=[{"path": paths.show(path), "kind": kind} for s in seen for path, kind in s.skipped],
        fallbacks={reason: int(n) for reason, n in snapshot(FALLBACKS).items()},
        delta_fallbacks={reason: int(n) for reason, n in snapshot(DELTA_FALLBACKS).items()},
        seconds=seconds,
    )
