"""What the link was seen to carry, for forecasts: the most that went in any ten seconds of late."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from common.clock import Clock
from common.timetable import OFF

SPAN_S = 10.0
REMEMBERED = 60
"""Spans in which anything went."""


@dataclass(slots=True)
class Throughput:
    """Counts bytes as they go. The least that is said of a link: it may carry more than was ever there to be sent."""

    clock: Clock
    _spans: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, n_bytes: int) -> None:
        """Bytes have gone."""
        span = int(self.clock.monotonic_s() / SPAN_S)
        if self._spans and self._spans[-1][0] == span:
            n_bytes += self._spans.pop()[1]
        self._spans.append((span, n_bytes))

    @property
    def bytes_s(self) -> float:
        """Bytes a second; OFF where nothing has gone yet."""
        return max((n_bytes / SPAN_S for _, n_bytes in self._spans), default=OFF)
