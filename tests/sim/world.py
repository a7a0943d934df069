"""What a seed draws: hours and rates, what arrives when, how the link and the clock behave."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from common.timetable import Timetable, rate_text
from source_agent.windows import Deferral, Plan

WEEK_S = 7 * 86400.0
NIGHTS = {
    "Europe/Lisbon": ((2026, 3, 29), (2026, 10, 25)),
    "America/Sao_Paulo": ((2018, 2, 18), (2018, 11, 4)),
    "Australia/Lord_Howe": ((2026, 4, 5), (2026, 10, 4)),
}
"""Those on which clocks are set: a fortnight is a week around each."""
CLOSES_S = 12.25 * 3600 - 20
"""Just before something closes on every day."""
POLICIES = ("photos", "papers")
_WHEN = ("offpeak", "idle", "always")
_ROLES = (Role.REPRESENTATIVE, Role.REPRESENTATIVE, Role.NONE, Role.MEMBER, Role.MEMBER, Role.MEMBER)


@dataclass(eq=False, slots=True)
class Content:
    """Something to be sent."""

    version: Version
    n_bytes: int
    delta_bytes: int | None = None
    n_sent: int = 0
    sent_ns: int = 0


@dataclass(slots=True)
class World:
    """All that happens to an agent, by the seconds since the start."""

    plan: Plan
    start_ns: int
    arrivals: list[tuple[float, str, Role, int, int | None]] = field(default_factory=list)
    """(when, policy, role, bytes, of a delta)."""
    jumps: list[tuple[float, float]] = field(default_factory=list)
    """(when, by how much the wall clock is set)."""
    cuts: list[tuple[float, float]] = field(default_factory=list)
    """(when, for how long there is no link)."""
    link_bytes_s: float = 0.0
    overrides: list[tuple[float, str, float, float]] = field(default_factory=list)
    """(when, class, rate, for how long)."""


def drawn(seed: int) -> World:
    """The world of a seed."""
    rng = random.Random(seed)
    zone = rng.choice(sorted(NIGHTS))
    nights = [datetime(*night, tzinfo=UTC) - timedelta(days=3.5) for night in NIGHTS[zone]]
    agent = {name: Timetable(_hours(rng, name), ZoneInfo(zone)) for name in ("link", "representatives", "chunks", "deferred")}
    by_policy = {"photos": {"deferred": Timetable(_hours(rng, "deferred"), ZoneInfo(zone))}}
    deferrals = {
        name: Deferral(rng.choice(_WHEN), rng.choice([0, 2000, 64 << 10]), rng.choice([0.5, 1.0, 2.0]) * 86400)
        for name in POLICIES
    }
    world = World(Plan(agent, by_policy, deferrals), int(nights[0].timestamp()) * 10**9)
    # The second week is around the other night: the clock that tells so is the wall's.
    world.jumps.append((WEEK_S, (nights[1] - nights[0]).total_seconds() - WEEK_S))
    world.jumps += [(rng.uniform(0, 2 * WEEK_S), rng.choice([-7200, -600, 45, 3600])) for _ in range(rng.randrange(4))]
    world.cuts = [(rng.uniform(0, 2 * WEEK_S), rng.choice([5, 600, 4 * 3600])) for _ in range(rng.randrange(6))]
    world.link_bytes_s = 10 ** rng.uniform(5, 7.5)
    for _ in range(rng.randrange(3)):
        of = rng.choice(["chunks", "deferred", "representatives"])
        world.overrides.append((rng.uniform(0, 2 * WEEK_S), of, _rate(rng), rng.uniform(60, 6 * 3600)))
    noon_s = (nights[0].astimezone(ZoneInfo(zone)).utcoffset() or timedelta()).total_seconds()
    for _ in range(rng.randint(12, 24)):
        at_s = rng.uniform(0, 2 * WEEK_S - 3 * 86400)
        # Half of them come when some class is about to close.
        _burst(rng, world, rng.choice([at_s, at_s // 86400 * 86400 + CLOSES_S - 43200 - noon_s]))
    for happening in (world.arrivals, world.jumps, world.cuts, world.overrides):
        happening.sort(key=lambda one: one[0])
    return world


def version_of(n: int, policy: str, role: Role, observed_ns: int) -> Version:
    """The n-th version, of a file that nobody has."""
    return Version(
        VersionId("lisbon-1", n),
        policy,
        "library",
        RelPath(b"%d" % n),
        Kind.FILE,
        Attributes(),
        observed_ns,
        digest_of(b"%d" % n),
        1,
        role,
    )


def _burst(rng: random.Random, world: World, at_s: float) -> None:
    at_s = max(0.0, at_s)
    for _ in range(rng.randint(1, 12)):
        role = rng.choice(_ROLES)
        n_bytes = int(10 ** rng.uniform(3, 5.8))
        delta = rng.choice([None, n_bytes]) if role is Role.MEMBER else None
        world.arrivals.append((at_s, rng.choice(POLICIES), role, n_bytes, delta))
        at_s += rng.expovariate(1.0)


def _hours(rng: random.Random, name: str) -> str:
    if rng.random() < 0.4:
        weekly = f"Mon-00:00,closed Sat-01:30,{rate_text(_rate(rng))} Sat-03:00,closed"
        return weekly if name == "deferred" else "off"
    entries = {}
    for _ in range(rng.randint(2, 5)):
        day = rng.choice(["", "", "Mon-", "Sat-", "Sun-"])
        entries[f"{day}{rng.choice([0, 1, 2, 3, 8, 13, 19, 23]):02}:{rng.choice([0, 30, 59]):02}"] = rate_text(_rate(rng))
    closes = "closed" if name == "deferred" else "off"
    return " ".join(f"{at},{rate}" for at, rate in entries.items()) + f" 12:15,{closes} 12:45,{rate_text(_rate(rng))}"


def _rate(rng: random.Random) -> float:
    return float(round(10 ** rng.uniform(4, 6.5)))
