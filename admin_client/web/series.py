"""What the page saw of both agents over time: samples of their status, for as long as the page runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from admin_client.web.agents import Agents
from common.clock import Clock

EVERY_S = 5.0
MOST = 2000
"""Samples kept. When there are more every second one goes, and from then on half as many are taken."""
SENT_OF = ("whole", "deltas", "approximations", "chunks", "offers", "other")
FORECAST_S = 600.0
"""What a forecast looks back on."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Both sites at one moment. Versions are counted, sent bytes are those since the source started."""

    at_s: float
    exact: int
    approximate: int
    not_yet: int
    backlog_bytes: int
    sent_bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Savings:
    """What travelled, or is kept, beside what others would have sent."""

    title: str
    other: str
    other_bytes: int
    own_bytes: int

    @property
    def share(self) -> float:
        """Of the other's bytes, what was not needed; negative where more was."""
        return 1 - self.own_bytes / self.other_bytes if self.other_bytes else 0.0


class Series:
    """Samples, the oldest first. For one thread, the event loop's."""

    def __init__(self, agents: Agents, clock: Clock) -> None:
        self._agents = agents
        self._clock = clock
        self._every_s = EVERY_S
        self.samples: list[Sample] = []
        self.latest: dict[str, dict[str, Any]] = {}
        """Of each site that is configured, what it said last, or {"error": ...}."""

    async def run(self) -> None:
        """Takes samples until it is cancelled."""
        while True:
            await self.take()
            await self._clock.sleep(self._every_s)

    async def take(self) -> None:
        """Asks both sites, and keeps what the source says."""
        self.latest = await asyncio.to_thread(self._agents.statuses)
        source = self.latest.get("source", {"error": ""})
        if "error" in source:
            return
        protection = source["protection"]
        self.samples.append(
            Sample(
                at_s=self._clock.monotonic_s(),
                exact=protection["exact"],
                approximate=protection["approximate"],
                not_yet=protection["not_yet"],
                backlog_bytes=source["backlog_bytes"],
                sent_bytes=Counter({kind: int(n) for kind, n in source["sent_bytes"].items()}),
            )
        )
        if len(self.samples) > MOST:
            self._thin_out()

    def _thin_out(self) -> None:
        # The newest stays, so that what is shown as now is now.
        self.samples = self.samples[::-2][::-1]
        self._every_s *= 2

    def rates(self) -> list[tuple[float, Counter[str]]]:
        """(time, bytes a second by class) between samples; a source that was started again begins at zero."""
        found = []
        for before, after in pairwise(self.samples):
            restarted = sum(after.sent_bytes.values()) < sum(before.sent_bytes.values())
            base: Mapping[str, int] = {} if restarted else before.sent_bytes
            seconds = max(after.at_s - before.at_s, 1e-3)
            sent = {kind: max(0, n - base.get(kind, 0)) / seconds for kind, n in after.sent_bytes.items()}
            found.append((after.at_s, Counter(sent)))
        return found

    def forecast_s(self) -> float | None:
        """When nothing will be left to send, in seconds from now, as fast as it shrank lately; None where it did not."""
        if not self.samples or not self.samples[-1].backlog_bytes:
            return 0.0 if self.samples else None
        last = self.samples[-1]
        first = next(sample for sample in self.samples if last.at_s - sample.at_s <= FORECAST_S)
        shrunk = first.backlog_bytes - last.backlog_bytes
        return last.backlog_bytes * (last.at_s - first.at_s) / shrunk if shrunk > 0 else None

    def savings(self) -> list[Savings]:
        """Against a plain copy since the source started, and against deduplication of whole contents since ever."""
        found = []
        source, dest = self.latest.get("source", {}), self.latest.get("dest", {})
        if source.get("received_bytes"):
            sent = sum(int(n) for n in source["sent_bytes"].values())
            found.append(Savings("Sent since the source started", "a plain copy", source["received_bytes"], sent))
        if dest.get("logical_bytes"):
            found.append(
                Savings("Kept at the destination", "exact copies kept once", dest["logical_bytes"], dest["stored_bytes"])
            )
        return found
