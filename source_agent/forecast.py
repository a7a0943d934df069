"""When everything that waits will be at the destination, if nothing more comes: backlog, hours and rates played forward. Pure.

Representatives go first, members only when none of them is left, and what is no picture shares with members. Hours of single
policies, and members that go out of hours, are left out: so it may be a little sooner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from common.timetable import CLOSED, OFF
from source_agent.windows import Class, Windows

HORIZON_NS = 90 * 86400 * 10**9
"""Nobody plans further ahead."""
CONTENTS = (Class.REPRESENTATIVES, Class.CHUNKS, Class.DEFERRED)
_DONE = 0.5
"""Of a byte."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When each class will have nothing left (nanoseconds since 1970); None: not within the horizon, or no rate is known."""

    empty_ns: Mapping[Class, int | None]

    @property
    def exact_ns(self) -> int | None:
        """When all is exact at the destination."""
        ends = list(self.empty_ns.values())
        return None if None in ends else max(end for end in ends if end is not None)


def forecast(n_bytes: Mapping[Class, float], windows: Windows, *, now_ns: int, link_bytes_s: float) -> Forecast:
    """Plays the backlog, in bytes to be sent, forward; `link_bytes_s`: what the link was seen to carry, OFF if unknown."""
    left = {of: float(n_bytes.get(of, 0)) for of in CONTENTS}
    empty_ns: dict[Class, int | None] = {of: now_ns if left[of] <= _DONE else None for of in CONTENTS}
    at_ns = now_ns
    while at_ns < now_ns + HORIZON_NS and any(n > _DONE for n in left.values()):
        rates = _shares(left, windows, at_ns, link_bytes_s)
        if OFF in rates.values():
            break  # nothing is known of how long it takes
        changes_ns = windows.changes_ns(at_ns)
        ends_s = [left[of] / rate for of, rate in rates.items() if rate]
        step_s = min([*ends_s, math.inf if changes_ns is None else (changes_ns - at_ns) / 1e9])
        if step_s == math.inf:
            break
        at_ns = at_ns + max(1, round(step_s * 1e9))
        for of, rate in rates.items():
            if left[of] > _DONE:
                left[of] -= rate * step_s
                if left[of] <= _DONE:
                    empty_ns[of] = at_ns
    return Forecast(empty_ns)


def _shares(left: Mapping[Class, float], windows: Windows, at_ns: int, link_bytes_s: float) -> dict[Class, float]:
    """What each class may send a second, of all that wait."""
    link = min(windows.rate(Class.LINK, at_ns), link_bytes_s)
    wanted = {of: windows.rate(of, at_ns) if left[of] > _DONE else CLOSED for of in CONTENTS}
    first = min(wanted[Class.REPRESENTATIVES], link)
    if first:
        wanted[Class.DEFERRED] = CLOSED
    rest = link - first if link != OFF else OFF
    chunks, deferred = wanted[Class.CHUNKS], wanted[Class.DEFERRED]
    half = rest / 2
    return {
        Class.REPRESENTATIVES: first,
        Class.CHUNKS: min(chunks, max(half, rest - deferred if deferred != OFF else half)),
        Class.DEFERRED: min(deferred, max(half, rest - chunks if chunks != OFF else half)),
    }
