"""Every metric of the program, declared once, in the registry of the agent that it is of.

Names follow Prometheus: base units, `_total` on counters. Labels have few values, known beforehand: never a path or a digest.
METRICS.md lists them for operators.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

Registry = CollectorRegistry
SOURCE, DESTINATION, BOTH = Registry(), Registry(), Registry()
"""The program's own: nothing that a library declares at import gets in. An agent tells what is in its own and in that of both."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of `exposition`."""

# source

SENT_BYTES = Counter("smarter_sent_bytes", "Bytes of messages sent to the destination", ["class"], registry=SOURCE)
"""class: offers, whole, approximations, deltas, chunks, other."""
DIRTY = Gauge("smarter_dirty_paths", "Paths seen to change and not yet looked at", registry=SOURCE)
RECEIPT_SECONDS = Histogram(
    "smarter_receipt_seconds",
    "Time from seeing a version to its receipt",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400),
    registry=SOURCE,
)
FALLBACKS = Counter("smarter_fallbacks", "Contents that a coding would not take", ["coding", "reason"], registry=SOURCE)
DELTAS_MADE = Counter("smarter_deltas_made", "Deltas made and decoded again", ["method"], registry=SOURCE)
DELTA_FALLBACKS = Counter("smarter_delta_fallbacks", "Members that went whole instead", ["reason"], registry=SOURCE)
"""reason: no_base, base_gone, refused (by the destination), whole_is_smaller, no_room, or why a worker made none."""
PLACED = Counter("smarter_pictures_placed", "Pictures whose group was found", ["by"], registry=SOURCE)
"""by: early (a first look was enough), features."""
COVERED = Counter("smarter_covered", "Representatives that the destination has richer pictures for", registry=SOURCE)
WATCH_OVERFLOWS = Counter(
    "smarter_watch_overflows", "Times the kernel dropped events; each is followed by a rescan", registry=SOURCE
)
RESCANS = Counter("smarter_rescans", "Comparisons of a whole root with the journal", registry=SOURCE)
UNREADABLE = Counter("smarter_unreadable", "Paths that could not be read", ["reason"], registry=SOURCE)
"""reason: the ContentError's, or the system's word: EACCES, EIO and so on."""
REREADS = Counter("smarter_rereads", "Files that changed while they were read", registry=SOURCE)
LINK_FAILURES = Counter("smarter_link_failures", "Calls to the destination that failed", ["kind"], registry=SOURCE)
"""kind: the error's class: TransientError, PeerError and so on."""
RESUMED_BYTES = Counter("smarter_resumed_bytes", "Bytes not sent again after a cut", registry=SOURCE)
DELIVERED_BYTES = Counter("smarter_delivered_bytes", "Logical bytes of versions that have their receipt", registry=SOURCE)
BACKLOG_BYTES = Gauge("smarter_backlog_bytes", "Logical bytes without a receipt", ["class"], registry=SOURCE)
"""class: representatives (pictures that stand for their groups), deferred (other members), chunks (what is no picture)."""
BACKLOG_VERSIONS = Gauge("smarter_backlog_versions", "Versions without a receipt", ["class"], registry=SOURCE)
LAG_SECONDS = Gauge(
    "smarter_lag_seconds", "Age of the oldest version without a receipt; 0: there is none", ["class"], registry=SOURCE
)
PROTECTED_FILES = Gauge("smarter_protected_files", "Files, by how the destination could give them back", ["how"], registry=SOURCE)
"""how: exact, approximate (until the delta comes), not_yet."""
CONNECTED = Gauge("smarter_connected", "1 while the destination answers", registry=SOURCE)
LAST_RECEIPT = Gauge(
    "smarter_last_receipt_timestamp_seconds", "When the last version had its receipt; 0: none since the start", registry=SOURCE
)
LAST_RESCAN = Gauge(
    "smarter_last_rescan_timestamp_seconds", "When all roots were last compared with the journal; 0: not yet", registry=SOURCE
)
QUARANTINED = Gauge("smarter_quarantined_versions", "Versions that the destination refused for good", registry=SOURCE)
UNREADABLE_PATHS = Gauge("smarter_unreadable_paths", "Paths that cannot be read now", registry=SOURCE)
UNAVAILABLE_ROOTS = Gauge("smarter_unavailable_roots", "Roots that cannot be read at all", registry=SOURCE)
WINDOW_OPEN = Gauge("smarter_window_open", "Whether anything of a class may go now", ["class"], registry=SOURCE)
"""class: link, representatives, chunks, deferred; so in the two that follow."""
RATE = Gauge("smarter_rate_bytes_per_second", "What a class may send now, +Inf for no limit", ["class"], registry=SOURCE)
WAITED_SECONDS = Counter("smarter_waited_seconds", "Seconds that frames waited for their turn", ["class"], registry=SOURCE)

# destination

RECEIVED_BYTES = Counter("smarter_received_bytes", "Coded bytes of contents received", ["source"], registry=DESTINATION)
RECEIPTS = Counter("smarter_receipts", "Versions made durable and receipted", ["source"], registry=DESTINATION)
REFUSALS = Counter("smarter_refusals", "Offers, uploads and versions refused", ["code"], registry=DESTINATION)
PROOFS = Counter("smarter_proofs", "Contents decoded to prove their digest", ["coding", "outcome"], registry=DESTINATION)
"""outcome: proved, or the reason of the ContentError."""
STORE_BYTES = Gauge("smarter_store_bytes", "Bytes of all objects in the store", registry=DESTINATION)
STORE_OBJECTS = Gauge("smarter_store_objects", "Objects in the store", registry=DESTINATION)
FREE_BYTES = Gauge("smarter_free_bytes", "Free space where the store is", registry=DESTINATION)
STAGED_BYTES = Gauge("smarter_staged_bytes", "Bytes of unfinished uploads", registry=DESTINATION)
RESTORED_BYTES = Counter("smarter_restored_bytes", "Bytes of contents read back for restores", registry=DESTINATION)
VERIFIED = Counter("smarter_verified", "Contents read back and proved", ["outcome"], registry=DESTINATION)
SKETCHES = Counter("smarter_sketches", "Offers that came with a sketch", ["outcome"], registry=DESTINATION)
"""outcome: covered, not_covered, have, refused, or unreadable, which was treated as no sketch."""
INDEX_PICTURES = Gauge("smarter_index_pictures", "Pictures in the indexes of sketches", registry=DESTINATION)
SIMILAR_SECONDS = Histogram(
    "smarter_similar_seconds",
    "Time to find the pictures that look like one",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
    registry=DESTINATION,
)
ORPHANS_SWEPT = Counter("smarter_orphans_swept", "Objects without a recipe that were removed", registry=DESTINATION)
ACCEPTING = Gauge("smarter_accepting", "1 while uploads are taken, 0 while the disk is full", registry=DESTINATION)
LAST_VERIFIED = Gauge(
    "smarter_last_verified_timestamp_seconds", "When everything kept was last read back; 0: never", registry=DESTINATION
)
BROKEN_CONTENTS = Gauge(
    "smarter_broken_contents", "Contents that could not be proved when everything was last read back", registry=DESTINATION
)
LAST_RECEIVED = Gauge(
    "smarter_last_received_timestamp_seconds", "When a source's last version came", ["source"], registry=DESTINATION
)
LAST_DRILL = Gauge(
    "smarter_last_drill_timestamp_seconds", "When a restored sample last came back whole; 0: never", registry=DESTINATION
)

# both

BUILD = Gauge(
    "smarter_build_info", "Always 1; says which agent answers, and its version", ["agent", "role", "version"], registry=BOTH
)
WORKER_DEATHS = Counter("smarter_worker_deaths", "Worker processes that died or were ended", ["reason"], registry=BOTH)
"""reason: memory, deadline, crashed."""
PINGS = Counter("smarter_health_pings", "Health pings by event and outcome", ["event", "outcome"], registry=BOTH)
"""event: start, success, fail; outcome: told, lost."""
ProcessCollector(registry=BOTH)


def exposition(*registries: Registry) -> str:
    """The metrics of some registries as Prometheus reads them."""
    return "".join(generate_latest(registry).decode() for registry in registries)


def snapshot(metric: MetricWrapperBase) -> dict[str, float]:
    """A metric's values, keyed by its label values joined with `/`: one key, empty, without labels. A histogram counts."""
    wanted = {metric._name, f"{metric._name}_total", f"{metric._name}_count"}  # noqa: SLF001 - there is no public name
    return {
        "/".join(sample.labels.values()): sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name in wanted
    }
