"""When all will be exact: by hours, by rates, by who goes first."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from common.timetable import OFF, Timetable
from source_agent.forecast import Forecast, forecast
from source_agent.throughput import Throughput
from source_agent.windows import Class, Override, Plan, Windows
from tests.fakes.clock import ManualClock

HOUR_NS = 3600 * 10**9
NOON_NS = 12 * HOUR_NS
MIB = 1 << 20


def ends(sizes: Mapping[Class, float], *, link_bytes_s: float = OFF, **hours: str) -> list[float | None]:
    """After how many seconds each class is empty, from noon on."""
    found = foreseen(sizes, link_bytes_s=link_bytes_s, **hours)
    return [None if end is None else round((end - NOON_NS) / 1e9, 3) for end in found.empty_ns.values()]


def foreseen(sizes: Mapping[Class, float], *, link_bytes_s: float = OFF, **hours: str) -> Forecast:
    """From noon on."""
    windows = Windows(Plan({name: Timetable(text) for name, text in hours.items()}))
    return forecast(sizes, windows, now_ns=NOON_NS, link_bytes_s=link_bytes_s)


def test_representatives_go_first_and_the_others_share() -> None:
    """Who has a rate of his own leaves the rest to the others."""
    sizes = {Class.REPRESENTATIVES: 10 * MIB, Class.CHUNKS: 10 * MIB, Class.DEFERRED: 10 * MIB}
    assert ends(sizes, link="1M") == [10, 30, 30]
    assert ends(sizes, link="1M", chunks="256k") == [10, 50, pytest.approx(10 + 10 / 0.75, abs=0.01)]
    assert ends(sizes, link="off", link_bytes_s=MIB) == [10, 30, 30]
    assert foreseen(sizes, link="1M").exact_ns == NOON_NS + 30 * 10**9


def test_a_representative_that_is_held_by_a_rate_of_its_own_leaves_room_for_other_contents_but_not_for_members() -> None:
    """As pacing has it."""
    sizes = {Class.REPRESENTATIVES: 10 * MIB, Class.CHUNKS: 5 * MIB, Class.DEFERRED: 1 * MIB}
    assert ends(sizes, link="1M", representatives="512k") == [20, 10, 21]


def test_members_wait_for_their_hour() -> None:
    """They go on where they stopped in the next one; an override's end is foreseen too."""
    one = {Class.DEFERRED: 2 * 3600.0 * MIB}
    assert ends(one, deferred="00:00,closed 20:00,1M 21:00,closed")[2] == (8 + 24 + 1) * 3600
    assert ends(one, deferred="closed", link="1M") == [0, 0, None]
    windows = Windows(Plan({"deferred": Timetable("closed")}))
    windows.orders.overrides[Class.DEFERRED] = Override(MIB, NOON_NS + HOUR_NS)
    found = forecast({Class.DEFERRED: 3600.0 * MIB}, windows, now_ns=NOON_NS, link_bytes_s=OFF)
    assert found.exact_ns == NOON_NS + HOUR_NS
    assert forecast(one, windows, now_ns=NOON_NS, link_bytes_s=OFF).exact_ns is None


def test_nothing_is_said_of_a_link_of_which_nothing_is_known() -> None:
    """Unless nothing waits."""
    assert ends({Class.CHUNKS: 1.0}) == [0, None, 0]
    assert ends({}) == [0, 0, 0]


def test_what_a_link_carries_is_the_most_that_was_seen() -> None:
    """In ten seconds; what is long ago is forgotten."""
    clock = ManualClock()
    seen = Throughput(clock)
    assert seen.bytes_s == OFF
    for n in range(5):
        seen.add(1000 * (n + 1))
        seen.add(1000)
        clock.advance(10)
    assert seen.bytes_s == 600
    for _ in range(60):
        seen.add(10)
        clock.advance(10)
    assert seen.bytes_s == 1
