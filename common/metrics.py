"""Every metric of the program, declared once. A process counts what it does; the other agent's stay at nothing.

Names follow Prometheus: base units, `_total` on counters. Labels have few values, known beforehand: never a path or a digest.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

REGISTRY = CollectorRegistry()
"""The program's own: nothing that a library declares at import gets in."""

# source

SENT_BYTES = Counter("smarter_sent_bytes", "Bytes of messages sent to the destination", ["class"], registry=REGISTRY)
"""class: offers, whole, approximations, deltas, chunks, other."""
DIRTY = Gauge("smarter_dirty_paths", "Paths seen to change and not yet looked at", registry=REGISTRY)
RECEIPT_SECONDS = Histogram(
    "smarter_receipt_seconds",
    "Time from seeing a version to its receipt",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400),
    registry=REGISTRY,
)
FALLBACKS = Counter("smarter_fallbacks", "Contents that a coding would not take", ["coding", "reason"], registry=REGISTRY)
DELTAS_MADE = Counter("smarter_deltas_made", "Deltas made and decoded again", ["method"], registry=REGISTRY)
DELTA_FALLBACKS = Counter("smarter_delta_fallbacks", "Members that went whole instead", ["reason"], registry=REGISTRY)
"""reason: no_base, base_gone, refused (by the destination), whole_is_smaller, no_room, or why a worker made none."""
PLACED = Counter("smarter_pictures_placed", "Pictures whose group was found", ["by"], registry=REGISTRY)
"""by: early (a first look was enough), features."""
COVERED = Counter("smarter_covered", "Representatives that the destination has richer pictures for", registry=REGISTRY)
WATCH_OVERFLOWS = Counter(
    "smarter_watch_overflows", "Times the kernel dropped events; each is followed by a rescan", registry=REGISTRY
)
RESCANS = Counter("smarter_rescans", "Comparisons of a whole root with the journal", registry=REGISTRY)
UNREADABLE = Counter("smarter_unreadable", "Paths that could not be read", ["reason"], registry=REGISTRY)
"""reason: the ContentError's, or the system's word, EACCES, EIO, ..."""
REREADS = Counter("smarter_rereads", "Files that changed while they were read", registry=REGISTRY)
LINK_FAILURES = Counter("smarter_link_failures", "Calls to the destination that failed", ["kind"], registry=REGISTRY)
"""kind: the error's class, TransientError, PeerError, ..."""
RESUMED_BYTES = Counter("smarter_resumed_bytes", "Bytes not sent again after a cut", registry=REGISTRY)

# destination

RECEIVED_BYTES = Counter("smarter_received_bytes", "Coded bytes of contents received", ["source"], registry=REGISTRY)
RECEIPTS = Counter("smarter_receipts", "Versions made durable and receipted", ["source"], registry=REGISTRY)
REFUSALS = Counter("smarter_refusals", "Offers, uploads and versions refused", ["code"], registry=REGISTRY)
PROOFS = Counter("smarter_proofs", "Contents decoded to prove their digest", ["coding", "outcome"], registry=REGISTRY)
"""outcome: proved, or the reason of the ContentError."""
STORE_BYTES = Gauge("smarter_store_bytes", "Bytes of all objects in the store", registry=REGISTRY)
STORE_OBJECTS = Gauge("smarter_store_objects", "Objects in the store", registry=REGISTRY)
FREE_BYTES = Gauge("smarter_free_bytes", "Free space where the store is", registry=REGISTRY)
STAGED_BYTES = Gauge("smarter_staged_bytes", "Bytes of unfinished uploads", registry=REGISTRY)
RESTORED_BYTES = Counter("smarter_restored_bytes", "Bytes of contents read back for restores", registry=REGISTRY)
VERIFIED = Counter("smarter_verified", "Contents read back and proved", ["outcome"], registry=REGISTRY)
SKETCHES = Counter("smarter_sketches", "Offers that came with a sketch", ["outcome"], registry=REGISTRY)
"""outcome: covered, not_covered, have, refused, or unreadable, which was treated as no sketch."""
INDEX_PICTURES = Gauge("smarter_index_pictures", "Pictures in the indexes of sketches", registry=REGISTRY)
SIMILAR_SECONDS = Histogram(
    "smarter_similar_seconds",
    "Time to find the pictures that look like one",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
    registry=REGISTRY,
)
ORPHANS_SWEPT = Counter("smarter_orphans_swept", "Objects without a recipe that were removed", registry=REGISTRY)

# both

WORKER_DEATHS = Counter("smarter_worker_deaths", "Worker processes that died or were ended", ["reason"], registry=REGISTRY)
"""reason: memory, deadline, crashed."""


def snapshot(metric: MetricWrapperBase) -> dict[str, float]:
    """A metric's values, keyed by its label values joined with `/`: one key, empty, without labels. A histogram counts."""
    wanted = {metric._name, f"{metric._name}_total", f"{metric._name}_count"}  # noqa: SLF001 - there is no public name
    return {
        "/".join(sample.labels.values()): sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name in wanted
    }
