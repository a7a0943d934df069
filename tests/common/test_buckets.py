"""Token buckets and turns: no rate is exceeded, what is urgent goes first, the others share."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.buckets import Bucket, Turn, Turns, frame_bytes
from common.timetable import CLOSED, OFF
from common.turnstile import Turnstile
from tests.fakes.clock import ManualClock

RANKS = {"first": 0, "one": 1, "other": 1}
FRAME = 256 << 10


def run_of(bucket: Bucket, *, seconds: float, seed: int, naps: float = 0.01) -> list[tuple[float, int]]:
    """When frames passed, of somebody who always has one and sometimes sleeps."""
    rng, now_s, passed = random.Random(seed), 0.0, []
    while now_s < seconds:
        n_bytes = rng.randint(1, frame_bytes([bucket], FRAME))
        now_s = bucket.ready_s(now_s) + (rng.uniform(0, 15) if rng.random() < naps else 0.0)
        bucket.take(n_bytes, now_s)
        passed.append((now_s, n_bytes))
    return passed


def most_in(passed: list[tuple[float, int]], seconds: float) -> int:
    """The most bytes in any time of so many seconds."""
    most, n_bytes, first = 0, 0, 0
    for now_s, n in passed:
        n_bytes += n
        while passed[first][0] <= now_s - seconds:
            n_bytes -= passed[first][1]
            first += 1
        most = max(most, n_bytes)
    return most


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(6500, 1e8), seed=st.integers(0, 1 << 30))
def test_no_ten_seconds_exceed_a_rate_by_two_per_cent(rate: float, seed: int) -> None:
    """However long somebody slept before; and a rate is used, too."""
    passed = run_of(Bucket(rate), seconds=60, seed=seed)
    assert most_in(passed, 10) <= 1.02 * 10 * rate
    always = run_of(Bucket(rate), seconds=60, seed=seed, naps=0.0)
    assert sum(n_bytes for _, n_bytes in always) >= 60 * rate


def test_what_cannot_be_cut_is_paid_for_afterwards() -> None:
    """A large message passes, and the next one waits."""
    bucket = Bucket(1000.0)
    bucket.take(5000, 0.0)
    assert bucket.ready_s(0.0) == pytest.approx(4.9)
    bucket.change(2000.0, 1.0)
    assert bucket.ready_s(1.0) == pytest.approx(1.0 + 2.0 - 0.1)
    bucket.change(CLOSED, 1.5)
    assert bucket.ready_s(100.0) == math.inf
    bucket.change(OFF, 100.0)
    assert bucket.ready_s(100.0) == 100.0


def test_frames_are_as_small_as_the_slowest_rate_wants() -> None:
    """A closed one has no say: what passes by it does so on purpose."""
    assert frame_bytes([Bucket(), Bucket(CLOSED)], FRAME) == FRAME
    assert frame_bytes([Bucket(1 << 20), Bucket(100_000)], FRAME) == 8000
    assert frame_bytes([Bucket(10)], FRAME) == 512


def test_what_is_urgent_goes_first_and_the_others_share() -> None:
    """By bytes, not by frames; a kind that comes late has saved nothing up."""
    link, turns, sent = Bucket(1000.0), Turns(RANKS), {"first": 0, "one": 0, "other": 0}
    sizes, now_s = {"first": 10, "one": 10, "other": 40}, 0.0
    asked = [Turn("one", 10, (link,))]
    turns.ask(asked[0])
    for n in range(4000):
        if n == 400:
            turns.ask(Turn("other", 40, (link,)))
            before = dict(sent)
        granted = turns.grant(now_s)
        if granted is None:
            now_s = turns.next_s(now_s)
            continue
        sent[granted.kind] += granted.n_bytes
        turns.ask(Turn(granted.kind, sizes[granted.kind], (link,)))
    gained = {kind: sent[kind] - before[kind] for kind in sent}
    assert gained["one"] == pytest.approx(gained["other"], rel=0.02)
    turns.ask(Turn("first", 10, (link,)))
    following = [turns.grant(now_s + 10 + n / 10) for n in range(3)]
    assert following[0] is not None
    assert following[0].kind == "first"


def test_who_waits_for_a_rate_of_his_own_holds_nobody_up() -> None:
    """The link is there for the others meanwhile; what is held does not go at all."""
    slow, turns = Bucket(1.0), Turns(RANKS)
    slow.take(100, 0.0)
    turns.ask(Turn("first", 10, (slow,)))
    turns.ask(Turn("one", 10, ()))
    turns.held = {"one"}
    assert turns.grant(0.0) is None
    assert turns.next_s(0.0) == pytest.approx(99.9)
    turns.held = set()
    granted = turns.grant(0.0)
    assert granted is not None
    assert granted.kind == "one"
    assert turns.grant(0.0) is None
    assert turns.waiting("first") == 1


def test_a_turnstile_lets_pass_when_there_is_time_and_when_things_change() -> None:
    """On the agent's clock; whoever gives up waiting takes nothing."""

    async def play() -> None:
        clock, bucket = ManualClock(), Bucket(100.0)
        stile = Turnstile(clock, RANKS, refresh=lambda _: ())
        assert await stile.wait_for(Turn("one", 100, (bucket,))) == 0
        waiting = asyncio.create_task(stile.wait_for(Turn("one", 100, (bucket,))))
        given_up = asyncio.create_task(stile.wait_for(Turn("other", 100, (bucket,))))
        await settled()
        given_up.cancel()
        clock.advance(0.5)
        await settled()
        assert not waiting.done()
        clock.advance(0.5)
        await settled()
        assert await waiting == pytest.approx(1.0)
        bucket.change(CLOSED, clock.monotonic_s())
        waiting = asyncio.create_task(stile.wait_for(Turn("one", 1, (bucket,))))
        await settled()
        bucket.change(OFF, clock.monotonic_s())
        stile.change()
        assert await waiting == 0

    async def settled() -> None:
        """Lets everybody do what he can."""
        for _ in range(20):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    asyncio.run(asyncio.wait_for(play(), 20))
