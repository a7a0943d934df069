"""When a file counts as finished: its size and mtime have rested for the policy's time. Pure; the caller stats and keeps time.

A file that is taken too early costs bytes, never truth: intake notices a change while it reads and a later one is a
later version. So the default rest is short.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Settling:
    """Files that are watched coming to rest, by any hashable key."""

    _seen: dict[Hashable, tuple[int, int, float]] = field(default_factory=dict)

    def is_quiet(self, key: Hashable, *, size: int, mtime_ns: int, now_s: float, now_ns: int, settle_s: float) -> bool:
        """Whether the file has rested long enough, by its own mtime or by how long it looked the same.

        Both, since either alone can mislead: an mtime may be set far into the past or future by a copying program, and
        a file seen for the first time may have rested for years. Quiet files are forgotten.
        """
        before = self._seen.get(key)
        if before is None or before[:2] != (size, mtime_ns):
            before = self._seen[key] = (size, mtime_ns, now_s)
        by_watching = now_s - before[2] >= settle_s
        by_mtime = now_ns - mtime_ns >= settle_s * 1e9 and now_s == before[2]
        if by_watching or by_mtime:
            del self._seen[key]
            return True
        return False

    def forget(self, key: Hashable) -> None:
        """The path is gone, or is no file any more."""
        self._seen.pop(key, None)
