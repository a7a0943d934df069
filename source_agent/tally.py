"""What one run of the source did: the figures of `once --json` and of `status`. Counters in memory, nothing depends on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from common.clock import Clock
from common.metrics import DELIVERED_BYTES, RECEIPT_SECONDS, SENT_BYTES
from common.model import Kind, Role, Version
from source_agent.throughput import Throughput

CLASSES = ("offers", "whole", "approximations", "deltas", "chunks", "other")


@dataclass(slots=True)
class Tally:
    """Counts since the agent started."""

    clock: Clock
    versions: int = 0
    logical_bytes: int = 0
    representatives: int = 0
    members: int = 0
    exact_duplicates: int = 0
    """File versions that cost no content byte, because the destination held the content already."""
    refused: list[tuple[Version, str]] = field(default_factory=list)
    last_receipt_ns: int = 0
    progress_s: float = 0.0
    """When something last went forward (monotonic): what `once` measures its patience by."""
    moved_s: float = 0.0
    """When anything was coded or sent (monotonic)."""
    problem: str = ""
    """Why nothing goes forward, if it does not."""
    sent_bytes: Counter[str] = field(default_factory=Counter)
    throughput: Throughput = field(init=False)

    def __post_init__(self) -> None:
        self.throughput = Throughput(self.clock)

    def sent(self, kind: str, n_bytes: int) -> None:
        """Bytes of messages handed to the link, by class."""
        self.sent_bytes[kind] += n_bytes
        self.throughput.add(n_bytes)
        self.went_on()
        SENT_BYTES.labels(kind).inc(n_bytes)

    def went_on(self) -> None:
        """Something moved on our side; whether the destination is any use is not known by that."""
        self.moved_s = self.clock.monotonic_s()

    def went_forward(self) -> None:
        """The destination answered something useful."""
        self.progress_s = self.clock.monotonic_s()
        self.problem = ""

    def delivered(self, version: Version, *, uploaded: bool) -> None:
        """A version has its receipt; `uploaded` where its content's bytes were sent for it."""
        self.versions += 1
        self.logical_bytes += version.size
        DELIVERED_BYTES.inc(version.size)
        self.last_receipt_ns = self.clock.now_ns()
        RECEIPT_SECONDS.observe(max(0.0, (self.last_receipt_ns - version.observed_ns) / 1e9))
        if uploaded:
            self.representatives += version.role is Role.REPRESENTATIVE
            self.members += version.role is Role.MEMBER
        else:
            self.exact_duplicates += version.kind is Kind.FILE
