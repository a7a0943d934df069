"""The window of what may be on its way of members, over links with and without others on them."""

from __future__ import annotations

import asyncio

from source_agent.yielding import AGAIN_S, LEAST_BYTES, MOST_BYTES, TARGET_S, Window, Yielding
from tests.fakes.clock import ManualClock

FRAME = 32 << 10


def over(rate_bytes_s: float, rtt_s: float, *, others_s: float = 0.0, rounds: int = 300) -> Window:
    """A window over a link with a rate, whose queue others keep so long; each answer comes for a whole window."""
    window, now_s = Window(), 0.0
    window.heard(rtt_s, n_bytes=0, now_s=now_s)
    for _ in range(rounds):
        queue_s = max(0.0, window.n_bytes / rate_bytes_s - rtt_s) + others_s
        now_s += rtt_s + queue_s
        window.heard(rtt_s + queue_s, n_bytes=int(window.n_bytes), now_s=now_s)
    return window


def test_a_window_fills_a_link_and_keeps_its_queue_short() -> None:
    """Whatever the rate and the way."""
    for rate, rtt_s in ((2.5e6, 0.04), (12.5e6, 0.2), (1.25e5, 0.02)):
        window = over(rate, rtt_s)
        assert window.n_bytes >= min(0.9 * rate * rtt_s, MOST_BYTES)
        assert window.queue_s <= max(1.5 * TARGET_S, LEAST_BYTES / rate)


def test_a_window_makes_room_for_others() -> None:
    """It shrinks to the least, and grows again when they have gone."""
    window = over(2.5e6, 0.04, others_s=0.5)
    states = [(window.n_bytes == LEAST_BYTES, window.is_low)]
    for n in range(10):
        window.heard(0.04, n_bytes=LEAST_BYTES, now_s=1000.0 + n)
    states.append((window.n_bytes == LEAST_BYTES, window.is_low))
    assert states == [(True, False), (False, True)]


def test_an_answer_that_a_busy_machine_delays_is_no_queue() -> None:
    """One of the last four was quick."""
    window = Window()
    for n in range(40):
        window.heard(0.5 if n % 4 else 0.02, n_bytes=FRAME, now_s=float(n))
        assert window.is_low


def test_a_way_that_became_longer_is_believed_after_a_while() -> None:
    """The shortest delay is remembered for ten minutes."""
    window = Window()
    window.heard(0.02, n_bytes=0, now_s=0.0)
    for n in range(1, 130):
        window.heard(0.4, n_bytes=0, now_s=n * 5.0)
    assert window.is_low


def test_frames_wait_until_those_before_have_arrived_and_until_others_are_gone() -> None:
    """The second only where the policy says so."""

    async def play() -> None:
        clock, answers = ManualClock(), asyncio.Queue[None]()
        yielding = Yielding(answers.get, clock)
        frame = yielding.frame_bytes(1 << 20)
        for _ in range(2):
            await yielding.room(frame, needs_idle=lambda: True)
            yielding.sent(frame)
        third = asyncio.create_task(yielding.room(frame, needs_idle=lambda: False))
        await settled()
        assert not third.done()
        clock.advance(0.02)
        answers.put_nowait(None)
        await third
        await settled()
        for _ in range(8):  # others fill the link
            yielding.sent(1)
            await settled()
            clock.advance(1.0)
            answers.put_nowait(None)
            await settled()
        assert not yielding.window.is_low
        await yielding.room(1, needs_idle=lambda: False)
        patient = asyncio.create_task(yielding.room(1, needs_idle=lambda: True))
        await settled()
        assert not patient.done()
        clock.advance(AGAIN_S)
        await settled()
        clock.advance(0.02)
        answers.put_nowait(None)
        await asyncio.wait_for(patient, 5)
        yielding.close()

    async def settled() -> None:
        """Lets everybody do what he can."""
        for _ in range(20):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    asyncio.run(asyncio.wait_for(play(), 20))
