"""Which members may go, who waits for whom, and what the operator's word does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from common.errors import RefusedError
from common.ids import VersionId, digest_of
from common.metrics import RATE, WAITED_SECONDS, WINDOW_OPEN, snapshot
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from common.timetable import OFF, Timetable
from source_agent.pacing import CHECK_S, COUNT_S, Closed, Pacing, class_of
from source_agent.windows import ANYTHING, Class, Deferral, Gate, Plan
from tests.fakes.clock import ManualClock

DAY_NS = 86400 * 10**9
NOON_NS = 12 * 3600 * 10**9 + 30 * DAY_NS
CLOSED_BY_DAY = {"deferred": Timetable("08:00,closed 20:00,off")}
MEMBER = Version(
    id=VersionId("lisbon-1", 1),
    policy="photos",
    root="library",
    path=RelPath(b"a"),
    kind=Kind.FILE,
    attributes=Attributes(),
    observed_ns=NOON_NS - DAY_NS,
    digest=digest_of(b"a"),
    size=1,
    role=Role.MEMBER,
)


def gates(deferral: Deferral, *, promoted_ns: int = 0, agent: dict[str, Timetable] | None = None) -> list[Gate]:
    """At noon, where members' hours are at night."""
    tables = CLOSED_BY_DAY if agent is None else agent
    pacing = Pacing(Plan(tables, {}, {"photos": deferral}), ManualClock(wall_ns=NOON_NS), promoted=lambda *_: promoted_ns)
    pacing.look_at_pins()
    return pacing.gates()


def play(deed: Callable[[Pacing, ManualClock], Awaitable[None]], plan: Plan) -> None:
    """A deed at noon, in an event loop of its own."""

    async def run() -> None:
        clock = ManualClock(wall_ns=NOON_NS)
        async with asyncio.timeout(20):
            await deed(Pacing(plan, clock), clock)

    asyncio.run(run())


async def settled() -> None:
    """Lets everybody do what he can."""
    for _ in range(20):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


@pytest.mark.parametrize("when", ["offpeak", "idle"])
def test_out_of_its_hours_only_small_late_and_promoted_members_go(when: str) -> None:
    """The hours of policies that are not configured any more are the agent's."""
    closed = Gate("", -1, before_ns=-1)
    late_ns = NOON_NS - 7 * DAY_NS
    assert gates(Deferral(when)) == [closed, Gate("photos", 64 << 10, before_ns=late_ns)]
    deferral = Deferral(when, inline_bytes=5, deadline_s=86400, pin_budget_bytes=1)
    assert gates(deferral, promoted_ns=NOON_NS - 9) == [closed, Gate("photos", 5, before_ns=NOON_NS - 9)]
    assert gates(deferral, agent={}) == [Gate(name, ANYTHING, before_ns=ANYTHING) for name in ("", "photos")]


def test_members_that_always_go_know_no_hours_but_the_links() -> None:
    """A link that is closed is closed to everybody."""
    assert gates(Deferral("always"))[1] == Gate("photos", ANYTHING, before_ns=ANYTHING)
    assert gates(Deferral("always"), agent={"link": Timetable("closed")}) == [Gate("", -1, before_ns=-1)]


def test_from_when_on_a_member_is_exempt() -> None:
    """At once where its delta is small, else from its deadline."""
    pacing = Pacing(Plan(CLOSED_BY_DAY, {}, {"photos": Deferral(inline_bytes=10)}), ManualClock(wall_ns=NOON_NS))
    assert pacing.exempt_ns(MEMBER, 10) == 0
    assert pacing.exempt_ns(MEMBER, 11) == pacing.exempt_ns(MEMBER, None) == MEMBER.observed_ns + 7 * DAY_NS
    assert pacing.exempt_ns(replace(MEMBER, policy="gone"), 1) > NOON_NS
    assert [class_of(replace(MEMBER, role=role)) for role in (Role.REPRESENTATIVE, Role.NONE, Role.MEMBER)] == [
        *(Class.REPRESENTATIVES, Class.CHUNKS, Class.DEFERRED)
    ]


def test_members_leave_the_link_to_others_where_their_policy_says_so() -> None:
    """Not those that are exempt, nor where somebody waits for them."""
    deferrals = {when: Deferral(when) for when in ("idle", "offpeak", "always")}
    pacing = Pacing(Plan(deferrals=deferrals), ManualClock(wall_ns=NOON_NS))
    assert [pacing.needs_idle(name, NOON_NS + 1) for name in (*deferrals, "gone")] == [True, False, False, True]
    assert not pacing.needs_idle("idle", NOON_NS)
    pacing.drain()
    assert not pacing.needs_idle("idle", NOON_NS + 1)


def test_no_frame_of_a_member_begins_while_a_representative_is_due() -> None:
    """Whatever there is room for on the link."""

    async def deed(pacing: Pacing, clock: ManualClock) -> None:
        del clock
        pacing.expect(7)
        member = asyncio.create_task(pacing.turn(Class.DEFERRED, 1, policy="photos"))
        await pacing.turn(Class.CHUNKS, 1, policy="photos")
        await pacing.turn(Class.REPRESENTATIVES, 1, policy="photos")
        await settled()
        assert not member.done()
        pacing.sent(7)
        await member

    play(deed, Plan())


def test_frames_wait_for_the_rate_of_their_class_and_the_wait_is_counted() -> None:
    """They are cut to it; small messages count with the representatives."""

    async def deed(pacing: Pacing, clock: ManualClock) -> None:
        assert pacing.frame_bytes(Class.CHUNKS, 1 << 20, policy="photos") == 8000
        assert pacing.frame_bytes(Class.DEFERRED, 1 << 20, policy="photos") == 1 << 20
        assert pacing.control_bytes(1 << 20) == 4000
        before = snapshot(WAITED_SECONDS).get("chunks", 0.0)
        await pacing.turn(Class.CHUNKS, 100_000, policy="photos")
        waiting = asyncio.create_task(pacing.turn(Class.CHUNKS, 1, policy="photos"))
        await pacing.control_turn(50_000)
        representative = asyncio.create_task(pacing.turn(Class.REPRESENTATIVES, 1, policy="photos"))
        await settled()
        assert not waiting.done()
        assert not representative.done()
        clock.advance(1.0)
        await asyncio.gather(waiting, representative)
        assert snapshot(WAITED_SECONDS)["chunks"] == pytest.approx(before + 1.0)

    play(deed, Plan({"chunks": Timetable("100000B"), "representatives": Timetable("50000B")}))


def test_what_waits_for_a_class_that_closes_is_sent_back() -> None:
    """A pause, an hour that is over; a member that is exempt passes the second and not the first."""

    async def deed(pacing: Pacing, clock: ManualClock) -> None:
        with pytest.raises(Closed):
            await pacing.turn(Class.DEFERRED, 1, policy="photos")
        await pacing.turn(Class.DEFERRED, 1, policy="photos", exempt_ns=NOON_NS)
        pacing.expect(1)
        late = asyncio.create_task(pacing.turn(Class.DEFERRED, 1, policy="photos", exempt_ns=NOON_NS))
        await settled()
        pacing.pause(Class.DEFERRED)
        with pytest.raises(Closed):
            await late
        pacing.resume(Class.DEFERRED)
        pacing.forget_due()
        pacing.override(Class.DEFERRED, 100.0, until_ns=NOON_NS + 60 * 10**9)
        await pacing.turn(Class.DEFERRED, 100_000, policy="photos")
        on_time = asyncio.create_task(pacing.turn(Class.DEFERRED, 1, policy="photos"))
        await settled()
        clock.advance(61.0)
        with pytest.raises(Closed):
            await on_time

    play(deed, Plan(CLOSED_BY_DAY, {}, {"photos": Deferral()}))


def test_small_messages_pass_while_the_link_is_open() -> None:
    """Members need them when representatives are closed."""

    async def deed(pacing: Pacing, clock: ManualClock) -> None:
        del clock
        await pacing.control_turn(1000)
        assert pacing.shut() == {(Role.REPRESENTATIVE, ""), (Role.REPRESENTATIVE, "photos")}
        pacing.pause(Class.LINK)
        waiting = asyncio.create_task(pacing.control_turn(1))
        await settled()
        assert not waiting.done()
        assert not pacing.link_is_open()
        pacing.resume(Class.LINK)
        await waiting

    play(deed, Plan({"representatives": Timetable("closed")}, {}, {"photos": Deferral()}))


def test_the_operators_word_is_kept_and_told_of() -> None:
    """A restart changes nothing of it; an override must have its end to come."""
    kept, told = [""], list[None]()
    clock = ManualClock(wall_ns=NOON_NS)

    def pacing() -> Pacing:
        made = Pacing(Plan(CLOSED_BY_DAY), clock, kept=kept[-1], keep=kept.append)
        made.changed = lambda: told.append(None)
        return made

    first = pacing()
    first.override(Class.CHUNKS, 5.0, until_ns=NOON_NS + 10)
    first.pause(Class.DEFERRED)
    with pytest.raises(RefusedError):
        first.override(Class.LINK, OFF, until_ns=NOON_NS)
    second = pacing()
    assert second.windows.orders == first.windows.orders
    second.clear(Class.CHUNKS)
    second.resume(Class.LINK)
    assert pacing().windows.orders.overrides == {}
    assert pacing().windows.orders.paused == set()
    assert len(told) == 4
    second.reload(Plan())
    assert not second.shut()
    assert Pacing(Plan(), clock, kept="nonsense").windows.orders.paused == set()


def test_hours_that_come_are_told_of() -> None:
    """Also where the wall clock was set."""

    async def deed(pacing: Pacing, clock: ManualClock) -> None:
        told: list[int] = []
        pacing.changed = lambda: told.append(clock.now_ns())
        running = asyncio.create_task(pacing.run())
        await settled()
        assert len(told) == 1
        assert snapshot(WINDOW_OPEN)["deferred"] == 0
        clock.advance(CHECK_S)
        await settled()
        assert len(told) == 1
        clock.jump(9 * 3600)
        clock.advance(CHECK_S)
        await settled()
        assert len(told) == 2
        assert snapshot(WINDOW_OPEN)["deferred"] == 1
        assert snapshot(RATE)["deferred"] == OFF
        clock.advance(COUNT_S)
        await settled()
        assert len(told) == 3
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(deed, Plan(CLOSED_BY_DAY, {}, {"photos": Deferral()}))
