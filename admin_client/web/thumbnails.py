"""Thumbnails as the page serves them: made by the source, kept in memory, and a drawing with the reason where there is none."""

from __future__ import annotations

import threading
from collections import OrderedDict
from html import escape
from textwrap import wrap

from admin_client.web.agents import Agents
from common.clock import Clock
from common.errors import PeerError
from common.paths import printable

SIDES = (256, 1024)
"""Pixels of the longer side that the page asks for."""
KEPT_BYTES = 64 << 20
PROBLEM_S = 60.0
"""So long a picture that allows no thumbnail is not asked about again: it may cost a worker its life."""
MOST_PROBLEMS = 1000
AT_ONCE = 4
_JPEG = b"\xff\xd8\xff"
_LINE_CHARS = 26
_MOST_LINES = 6

_Key = tuple[bytes, int]


class Thumbnails:
    """Threads: any."""

    def __init__(self, agents: Agents, clock: Clock) -> None:
        self._agents = agents
        self._clock = clock
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._n_bytes = 0
        self._problems: OrderedDict[_Key, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def get(self, digest: bytes, side: int) -> tuple[bytes, str]:
        """A JPEG of a picture; where there is none, no byte and why. Errors: SmarterError where the source does not answer."""
        key = (digest, side)
        with self._turns:
            found = self._known(key)
            if found is not None:
                return found
            try:
                jpeg, problem = self._agents.source().thumbnail(digest, max_side=side)
            except PeerError as error:  # also an agent that is older than this page
                jpeg, problem = b"", f"no thumbnails from this source: {error}"
            if not problem and not jpeg.startswith(_JPEG):
                jpeg, problem = b"", "what the source sent is no JPEG"
        self._keep(key, jpeg, problem)
        return jpeg, problem

    def _known(self, key: _Key) -> tuple[bytes, str] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key], ""
            at_s, problem = self._problems.get(key, (0.0, ""))
            return (b"", problem) if problem and self._clock.monotonic_s() - at_s < PROBLEM_S else None

    def _keep(self, key: _Key, jpeg: bytes, problem: str) -> None:
        with self._lock:
            if problem:
                self._problems.pop(key, None)
                self._problems[key] = (self._clock.monotonic_s(), problem)
                while len(self._problems) > MOST_PROBLEMS:
                    self._problems.popitem(last=False)
                return
            self._n_bytes += len(jpeg) - len(self._kept.pop(key, b""))
            self._kept[key] = jpeg
            while self._n_bytes > KEPT_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._n_bytes -= len(oldest)


def placeholder(problem: str) -> str:
    """A drawing, SVG, that says why there is no picture."""
    lines = wrap(printable(problem), _LINE_CHARS, break_long_words=True)[:_MOST_LINES]
    spans = "".join(f'<tspan x="128" dy="20">{escape(line)}</tspan>' for line in lines)
    at = f'y="{118 - 10 * len(lines)}" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#333"'
    text = f"<text {at}>{spans}</text>"
    frame = '<rect x="1" y="1" width="254" height="254" fill="#eee" stroke="#777" stroke-dasharray="6 4"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 256 256">{frame}{text}</svg>'
