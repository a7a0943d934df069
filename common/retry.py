"""Full-jitter exponential backoff, in one place. gRPC's own retries are off; stores and journals fail plainly.

A pure schedule: the caller waits on its own clock and says when something worked.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays before the next attempt: uniform between 0 and a ceiling that doubles up to `cap_s`.

    Full jitter keeps many sources from knocking in step after a destination comes back.
    """

    base_s: float = 0.2
    cap_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_delay_s(self) -> float:
        """Counts one more failure and gives the wait before the next attempt, in seconds."""
        ceiling = min(self.cap_s, self.base_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return self.rng.uniform(0, ceiling)

    def reset(self) -> None:
        """Something worked: the next failure starts from the shortest ceiling again."""
        self.failures = 0
