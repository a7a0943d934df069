"""The destination's rates: what leaves for a restore, what comes from sources, and the hours of both."""

from __future__ import annotations

import asyncio

import pytest

from common.timetable import Timetable
from dest_agent.restore import Piece
from dest_agent.rpc.restore import _parts
from dest_agent.throttle import Throttle
from tests.fakes.clock import ManualClock

NOON_NS = 12 * 3600 * 10**9


def throttle(clock: ManualClock, **hours: str) -> Throttle:
    """By hours in UTC."""
    return Throttle({name: Timetable(hours.get(name, "off")) for name in ("link", "restore")}, clock)


async def waits_s(clock: ManualClock, work: asyncio.Task[None]) -> float:
    """For how long somebody waits."""
    begun_s = clock.run_s
    while not work.done():
        for _ in range(5):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        clock.advance(0.25)
    await work
    return clock.run_s - begun_s


def test_what_leaves_and_what_comes_have_rates_of_their_own() -> None:
    """The link's pair is up and down; a restore has its own besides."""

    async def play() -> None:
        clock = ManualClock(wall_ns=NOON_NS)
        limits = throttle(clock, link="1000B:2000B", restore="500B")
        await limits.send(1000)
        await limits.receive(1000)
        sending, receiving = (asyncio.create_task(work) for work in (limits.send(1), limits.receive(1)))
        assert await waits_s(clock, receiving) == pytest.approx(0.5, abs=0.3)
        assert await waits_s(clock, sending) == pytest.approx(1.5, abs=0.3)
        assert limits.frame_bytes(1 << 20) == 512

    asyncio.run(asyncio.wait_for(play(), 20))


def test_what_is_closed_opens_at_its_hour() -> None:
    """Though the clock on the wall was set meanwhile."""

    async def play() -> None:
        clock = ManualClock(wall_ns=NOON_NS)
        limits = throttle(clock, restore="08:00,closed 20:00,off")
        sending = asyncio.create_task(limits.send(1))
        clock.advance(60)
        await asyncio.sleep(0)
        assert not sending.done()
        clock.jump(8 * 3600)
        assert await waits_s(clock, sending) <= 2.0
        assert limits.frame_bytes(99) == 99

    asyncio.run(asyncio.wait_for(play(), 20))


def test_a_piece_is_cut_to_the_rate_and_says_the_same() -> None:
    """The first part has the digest, the last one the end."""
    limits = throttle(ManualClock(wall_ns=NOON_NS), restore="10000B")
    parts = list(_parts(Piece(None, bytes(range(250)) * 10, done=True), limits))
    assert b"".join(part.data for part in parts) == bytes(range(250)) * 10
    assert max(len(part.data) for part in parts) <= 800
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert list(_parts(Piece(None, b"x"), limits)) == [Piece(None, b"x")]
