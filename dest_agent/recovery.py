"""What start-up does about the process before this one.

    1. partials are taken in, so that uploads resume; files in staging that are none are removed
    2. partials that nobody came back for are removed, and the oldest of too many bytes

Objects without a recipe are left to the sweep: an upload that died between D2 and D3 will most likely come again. The
catalogue needs nothing: a commit is whole or absent. A crash in here leaves less to do.
"""

from __future__ import annotations

from common.durable import remove
from common.metrics import STAGED_BYTES
from dest_agent.staging import StagedFile, Staging
from dest_agent.store import disk_errors

OLDEST_NS = 7 * 86400 * 10**9
"""A partial that was not written to for so long is given up."""
MOST_BYTES = 16 << 30
"""Of all partials that wait to be resumed."""


def recover(staging: Staging, *, now_ns: int) -> None:
    """Makes staging usable. Blocks. Errors: NoSpace, StoreFailed."""
    for path in staging.adopt_left():
        with disk_errors(f"staging {path.name}"):
            remove(path)
    trim(staging, now_ns=now_ns)


def trim(staging: Staging, *, now_ns: int) -> int:
    """Removes partials that are too old or too many, and says how many. Errors: StoreFailed."""
    kept_bytes = n_removed = 0
    aged = [(written_ns, partial) for partial in staging.idle() if (written_ns := _written_ns(partial)) is not None]
    for written_ns, partial in sorted(aged, key=lambda each: each[0], reverse=True):
        if now_ns - written_ns > OLDEST_NS or kept_bytes + partial.n_bytes > MOST_BYTES:
            staging.release(partial)
            partial.discard()
            n_removed += 1
        else:
            kept_bytes += partial.n_bytes
    STAGED_BYTES.set(kept_bytes)
    return n_removed


def _written_ns(partial: StagedFile) -> int | None:
    """When a partial was last written to; None where it was resumed or discarded meanwhile."""
    with disk_errors("staging"):
        try:
            return partial.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
