"""Which rate holds now for each class of traffic: the timetables, and the operator's word over them. Pure.

An override holds for a class of the whole agent until its end and sets the timetables of policies aside; a pause closes a class
until it is resumed, and is stronger than an override. Both are kept as text, so that they outlive the process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from common.timetable import CLOSED, OFF, Rates, Span, Timetable

ANYTHING = 1 << 62


class Class(StrEnum):
    """What has a timetable and a rate of its own."""

    LINK = "link"
    """Everything together."""
    REPRESENTATIVES = "representatives"
    """Pictures that stand for their groups, and the small messages about everything."""
    CHUNKS = "chunks"
    """Contents that are no pictures."""
    DEFERRED = "deferred"
    """Members of groups, as deltas or whole."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """When the members of a policy go: see `deferred` and what follows it in source.yaml."""

    when: str = "idle"
    inline_bytes: int = 64 << 10
    deadline_s: float = 7 * 86400.0
    pin_budget_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration says of hours and rates; a class without a timetable is open, without limit."""

    agent: Mapping[str, Timetable] = field(default_factory=dict)
    by_policy: Mapping[str, Mapping[str, Timetable]] = field(default_factory=dict)
    deferrals: Mapping[str, Deferral] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """Which members of a policy may go now: those whose delta is no larger, and those seen no later than."""

    policy: str
    """Empty: of every policy that is not configured any more."""
    most_delta_bytes: int
    """-1: none; `ANYTHING`: any, and members that go whole too."""
    before_ns: int
    """Seen no later than this: they go whatever they are."""


@dataclass(frozen=True, slots=True)
class Override:
    """A rate that the operator chose, and when it ends."""

    rate: float
    until_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """What holds for a class, of the whole agent or within a policy."""

    of: Class
    policy: str
    """Empty: of the whole agent."""
    timetable: str
    span: Span
    override: Override | None
    is_paused: bool
    rate: float
    """What comes of it all, bytes a second up."""
    opens_ns: int | None
    """When the timetable, or the override's end, lets something go next; None for never, or while paused."""


@dataclass(slots=True)
class Orders:
    """The operator's word."""

    overrides: dict[Class, Override] = field(default_factory=dict)
    paused: set[Class] = field(default_factory=set)

    def text(self) -> str:
        """What `read` reads."""
        overrides = {of: [one.rate if one.rate < OFF else "off", one.until_ns] for of, one in self.overrides.items()}
        return json.dumps({"overrides": overrides, "paused": sorted(self.paused)})

    @classmethod
    def read(cls, text: str) -> Orders:
        """What was kept. Errors: ValueError, KeyError, TypeError where the text is not of this program."""
        if not text:
            return cls()
        kept = json.loads(text)
        overrides = {
            Class(of): Override(math.inf if rate == "off" else float(rate), int(until_ns))
            for of, (rate, until_ns) in kept["overrides"].items()
        }
        return cls(overrides, {Class(of) for of in kept["paused"]})


class Windows:
    """All timetables of an agent, under the operator's orders."""

    def __init__(self, plan: Plan, *, orders: Orders | None = None, is_draining: bool = False) -> None:
        """`is_draining`: what timetables and orders close is open all the same, without limit."""
        self.orders = orders or Orders()
        self.is_draining = is_draining
        self._tables = {("", Class(name)): table for name, table in plan.agent.items()}
        self._tables |= {(policy, Class(n)): table for policy, tables in plan.by_policy.items() for n, table in tables.items()}
        self._spans: dict[tuple[str, Class], Span] = {}

    def rate(self, of: Class, now_ns: int, *, policy: str = "") -> float:
        """Bytes a second that a class may send, or that a policy may send of it; OFF where there is no such policy."""
        rate = self._rate(of, now_ns, policy=policy)
        return OFF if self.is_draining and rate == CLOSED else rate

    def _rate(self, of: Class, now_ns: int, *, policy: str) -> float:
        if of in self.orders.paused:
            return CLOSED
        if (override := self._override(of, now_ns)) is not None:
            return OFF if policy else override.rate
        return self._span(policy, of, now_ns).rates.up

    def since_ns(self, of: Class, now_ns: int, *, policy: str = "") -> int:
        """When the rate that holds now began, as far as hours decide it; 0 for long ago."""
        ended_ns = override.until_ns if (override := self.orders.overrides.get(of)) and override.until_ns <= now_ns else 0
        return max(self._span(policy, of, now_ns).since_ns or 0, ended_ns)

    def is_paused(self, of: Class) -> bool:
        """Whether the operator stopped a class, or everything."""
        return not self.is_draining and not self.orders.paused.isdisjoint({of, Class.LINK})

    def is_open(self, of: Class, now_ns: int, *, policy: str = "") -> bool:
        """Whether a policy may send anything of a class."""
        return all(self.rate(one, now_ns, policy=where) > CLOSED for one in {of, Class.LINK} for where in {"", policy})

    def windows(self, now_ns: int) -> list[Window]:
        """What holds, class by class; of policies where they have a timetable of their own."""
        found = []
        for (policy, of), table in self._tables.items():
            if policy and table.text == "off":
                continue
            override, is_paused = self._override(of, now_ns), of in self.orders.paused
            rate = self.rate(of, now_ns, policy=policy)
            later_ns = now_ns if override is None else override.until_ns
            opens_ns = None if is_paused else now_ns if rate > CLOSED else table.opens_ns(later_ns)
            found.append(Window(of, policy, table.text, table.at(now_ns), override, is_paused, rate, opens_ns))
        return found

    def changes_ns(self, now_ns: int) -> int | None:
        """When a rate will be another, as far as known now; None for never."""
        ends = [self._span(policy, of, now_ns).until_ns for policy, of in self._tables]
        ends += [one.until_ns for one in self.orders.overrides.values() if one.until_ns > now_ns]
        return min((end for end in ends if end is not None), default=None)

    def _override(self, of: Class, now_ns: int) -> Override | None:
        override = self.orders.overrides.get(of)
        return override if override is not None and now_ns < override.until_ns else None

    def _span(self, policy: str, of: Class, now_ns: int) -> Span:
        key = (policy, of)
        if key not in self._tables:
            return Span(Rates())
        span = self._spans.get(key)
        if span is None or not (span.since_ns or 0) <= now_ns < (math.inf if span.until_ns is None else span.until_ns):
            span = self._spans[key] = self._tables[key].at(now_ns)
        return span
