"""What agents answer about themselves and what they deliver."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

Site = Literal["source", "dest"]
SITES: tuple[Site, ...] = ("source", "dest")


class Unreached(TypedDict):
    """An agent that is named and did not do what was asked."""

    reachable: Literal[False]
    address: str
    error: str


class Problem(TypedDict):
    """A path of which something goes no further by itself."""

    policy: str
    root: str
    path: str
    reason: str
    seq: int | None
    """Of the version that was refused; null where the path cannot be read."""


class Protection(TypedDict):
    """Files, by how the destination could give them back; lags are those of the oldest."""

    exact: int
    approximate: int
    not_yet: int
    approximate_lag_s: float
    not_yet_lag_s: float


class SourceStatus(TypedDict):
    """A source at a glance."""

    reachable: Literal[True]
    address: str
    role: Literal["source"]
    agent: str
    software: str
    uptime_s: float
    connected: bool
    destination: str
    link_error: str
    last_receipt: str | None
    versions_by_state: dict[str, int]
    backlog_bytes: int
    lag_s: float
    sent_bytes: dict[str, int]
    fallbacks: dict[str, int]
    problems: list[Problem]
    watch_overflows: int
    last_rescan: str | None
    dirty: int
    pictures: dict[str, int]
    deltas: dict[str, int]
    delta_fallbacks: dict[str, int]
    received_bytes: int
    """Logical, of versions that got their receipts since the agent started."""
    protection: Protection


class SourceAtDest(TypedDict):
    """A source as its destination knows it."""

    name: str
    versions: int
    last_seq: int
    last_received: str | None
    policies: list[str]


class DestStatus(TypedDict):
    """A destination at a glance."""

    reachable: Literal[True]
    address: str
    role: Literal["dest"]
    agent: str
    software: str
    uptime_s: float
    sources: list[SourceAtDest]
    contents: int
    logical_bytes: int
    stored_bytes: int
    free_bytes: int
    accepting: bool
    last_verify: str | None
    last_verify_errors: int
    refusals: dict[str, int]
    pictures: int
    groups: int
    index_bytes: int
    last_drill: str | None
    last_drill_files: int
    last_drill_bytes: int
    last_drill_errors: int


class StatusReport(TypedDict):
    """`smarter status`, and each line of `smarter top`; null for an agent that is not named."""

    source: SourceStatus | Unreached | None
    dest: DestStatus | Unreached | None


class TopReport(StatusReport):
    """A line of `smarter top`."""

    at: str


class LogLevelReport(TypedDict):
    """What an agent logs now."""

    level: str
    configured: str
    until: str | None
    """When it is as configured again; null where that has no end."""


class LogLevelReports(TypedDict):
    """`smarter log-level`."""

    source: LogLevelReport | Unreached | None
    dest: LogLevelReport | Unreached | None


class ReloadReport(TypedDict):
    """A configuration that was read again."""

    file: str
    changed: list[str]
    """Keys with another value, now in force."""
    needs_restart: list[str]
    """Keys with another value, in force after a restart."""


class ReloadReports(TypedDict):
    """`smarter reload`."""

    source: ReloadReport | Unreached | None
    dest: ReloadReport | Unreached | None


class MetricsText(TypedDict):
    """Metrics in Prometheus' text format."""

    text: str


class MetricsReports(TypedDict):
    """`smarter metrics`."""

    source: MetricsText | Unreached | None
    dest: MetricsText | Unreached | None


class AuditLine(TypedDict):
    """A change that somebody asked for."""

    number: int
    at: str
    by: str
    """The identity of a certificate, or that of the admin socket."""
    call: str
    asked: str
    failed: str | None
    """Why it came to nothing; null where it did not fail."""


class AuditEntry(AuditLine):
    """With the agent that was asked."""

    site: Site


class AuditReport(TypedDict):
    """`smarter audit`, the newest first."""

    entries: list[AuditEntry]


class VersionState(TypedDict, total=False):
    """A version on its way; of these fields those that were asked for."""

    seq: int
    policy: str
    root: str
    path: str
    kind: str
    role: str
    state: str
    reason: str | None
    size: int
    digest: str | None
    observed: str | None


class VersionsReport(TypedDict):
    """`smarter versions`, the newest first."""

    versions: list[VersionState]


class QuarantineReport(TypedDict):
    """`smarter quarantine`."""

    problems: list[Problem]


class RetryReport(TypedDict):
    """`smarter retry`: how much is tried again."""

    versions: int
    paths: int
