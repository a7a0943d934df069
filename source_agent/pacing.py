"""The one place that says what may go over the link now, and when the next frame may.

A frame takes from the buckets of its class and of the link, those of the whole agent and those of its policy. Representatives go
first: while one is due (from its offer to its last frame) no frame of a member begins. Contents that are no pictures and members
share what is left.

Members wait for their hour: `deferred` in their policy. Those that are exempt (small deltas, what is past its deadline, the
oldest beyond the pin budget) pass a timetable that is closed; a pause stops them too. Small messages pass while the link is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from common.buckets import Bucket, Turn, frame_bytes
from common.clock import Clock
from common.errors import RefusedError
from common.logs import get
from common.metrics import RATE, WAITED_SECONDS, WINDOW_OPEN
from common.model import Role, Version
from common.timetable import CLOSED
from common.turnstile import Refused, Turnstile
from source_agent.windows import ANYTHING, Class, Deferral, Gate, Orders, Override, Plan, Window, Windows

CONTROL = "control"
_RANKS = {CONTROL: 0, Class.REPRESENTATIVES: 1, Class.CHUNKS: 2, Class.DEFERRED: 2}
CHECK_S = 5.0
"""How often it is looked whether an hour has come."""
COUNT_S = 60.0
"""How often it is looked what is pinned, and whether the time of members is over."""
_AT_ONCE_NS = 0
_NEVER_NS = ANYTHING

Closed = Refused
"""What a frame hears whose class is closed: its content goes back to where it came from."""

_log = get("source.pacing")


def class_of(version: Version) -> Class:
    """The class of a version's content."""
    match version.role:
        case Role.REPRESENTATIVE:
            return Class.REPRESENTATIVES
        case Role.MEMBER:
            return Class.DEFERRED
        case _:
            return Class.CHUNKS


class Pacing:
    """Decides and waits. One event loop's."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        *,
        kept: str = "",
        keep: Callable[[str], None] = lambda _: None,
        promoted: Callable[[str, int], int] = lambda _policy, _budget: 0,
    ) -> None:
        """`kept`: the operator's orders as `keep` got them last.

        `promoted` gives, for a policy and a budget of pinned bytes, when the newest member beyond it was seen (ns; 0: none is),
        and blocks.
        """
        self._clock, self._keep, self._promoted = clock, keep, promoted
        self._due: set[int] = set()
        self._refreshed_s = clock.monotonic_s()
        self._fresh_ns = (0, 0)
        """Between these two no hour comes that changes a rate."""
        self._exempt_before_ns: dict[str, int] = {}
        self._waiting: dict[Turn, tuple[str, int]] = {}
        self.stile = Turnstile(clock, _RANKS, refresh=self.refresh)
        self._buckets: dict[tuple[str, Class], Bucket] = {}
        self._deferrals: Mapping[str, Deferral] = plan.deferrals
        self.changed: Callable[[], None] = lambda: None
        """Called when something that waited may go."""
        self.in_a_hurry = False
        """Somebody waits for the members: they do not wait until others leave the link alone."""
        self.windows = Windows(plan, orders=_orders(kept))

    # what the operator says

    def reload(self, plan: Plan) -> None:
        """Goes on by another configuration."""
        self.windows = Windows(plan, orders=self.windows.orders, is_draining=self.windows.is_draining)
        self._deferrals = plan.deferrals
        self._heard()

    def drain(self) -> None:
        """From now on nothing is closed."""
        self.in_a_hurry = True
        self.windows.is_draining = True
        self._heard()

    def override(self, of: Class, rate: float, *, until_ns: int) -> None:
        """Sets a rate until a time. Errors: RefusedError where that is over."""
        if until_ns <= self._clock.now_ns():
            raise RefusedError("an override must end in the future")
        self.windows.orders.overrides[of] = Override(rate, until_ns)
        self._ordered("window_overridden", of, rate=rate, until_ns=until_ns)

    def clear(self, of: Class) -> None:
        """The timetable holds again; no override is no error."""
        self.windows.orders.overrides.pop(of, None)
        self._ordered("window_cleared", of)

    def pause(self, of: Class) -> None:
        """Stops a class until it is resumed; `LINK` stops everything."""
        self.windows.orders.paused.add(of)
        self._ordered("class_paused", of)

    def resume(self, of: Class) -> None:
        """Goes on with a class, `LINK` with everything that was paused; what was not is no error."""
        self.windows.orders.paused -= {of} if of is not Class.LINK else set(Class)
        self._ordered("class_resumed", of)

    def shown(self) -> list[Window]:
        """What holds now."""
        return self.windows.windows(self._clock.now_ns())

    # what may be taken up

    def link_is_open(self) -> bool:
        """Whether anything may go."""
        return self.windows.is_open(Class.LINK, self._clock.now_ns())

    def shut(self) -> frozenset[tuple[Role, str]]:
        """Whose contents may not go now, members apart: role and policy, an empty one for all of them."""
        now_ns = self._clock.now_ns()
        return frozenset(
            (role, name)
            for role, of in ((Role.REPRESENTATIVE, Class.REPRESENTATIVES), (Role.NONE, Class.CHUNKS))
            for name in ("", *self._deferrals)
            if not self.windows.is_open(of, now_ns, policy=name)
        )

    def gates(self) -> list[Gate]:
        """Which members may go now; none where the link is closed or they are paused."""
        now_ns = self._clock.now_ns()
        if self.windows.is_paused(Class.DEFERRED) or not self.link_is_open():
            return [Gate("", -1, before_ns=-1)]
        return [self._gate(name, now_ns) for name in ("", *self._deferrals)]

    def _gate(self, name: str, now_ns: int) -> Gate:
        policy = self._deferrals.get(name)
        always = policy is not None and policy.when == "always"
        if always or self.windows.is_open(Class.DEFERRED, now_ns, policy=name):
            return Gate(name, ANYTHING, before_ns=ANYTHING)
        if policy is None:
            return Gate(name, -1, before_ns=-1)
        late_ns = now_ns - int(policy.deadline_s * 1e9)
        return Gate(name, policy.inline_bytes, before_ns=max(late_ns, self._exempt_before_ns.get(name, -1)))

    def exempt_ns(self, version: Version, delta_bytes: int | None) -> int:
        """From when on a member may pass a timetable that is closed: 0 for at once; `delta_bytes` where it goes as a delta."""
        policy = self._deferrals.get(version.policy)
        if policy is None:
            return _NEVER_NS
        is_small = delta_bytes is not None and delta_bytes <= policy.inline_bytes
        if is_small or policy.when == "always" or version.observed_ns <= self._exempt_before_ns.get(version.policy, -1):
            return _AT_ONCE_NS
        return version.observed_ns + int(policy.deadline_s * 1e9)

    def needs_idle(self, policy: str, exempt_ns: int) -> bool:
        """Whether a frame of a member waits until others leave the link alone."""
        if self.in_a_hurry or exempt_ns <= self._clock.now_ns():
            return False
        deferral = self._deferrals.get(policy)
        return deferral is None or deferral.when == "idle"

    def look_at_pins(self) -> None:
        """Finds out which members are beyond the pin budgets. Blocks: for a thread."""
        budgets = {name: policy.pin_budget_bytes for name, policy in self._deferrals.items()}
        self._exempt_before_ns = {
            name: before_ns for name, budget in budgets.items() if budget and (before_ns := self._promoted(name, budget))
        }

    # who goes next

    def expect(self, seq: int) -> None:
        """A representative is due: no member's frame begins before `sent`."""
        self._due.add(seq)
        self._hold()

    def sent(self, seq: int) -> None:
        """Its last frame has gone, or it needs none."""
        if seq in self._due:
            self._due.remove(seq)
            self._hold()

    def forget_due(self) -> None:
        """The connection is over."""
        self._due.clear()
        self._hold()

    def _hold(self) -> None:
        held = {Class.DEFERRED.value} if self._due else set[str]()
        if held != self.stile.turns.held:
            self.stile.turns.held = held
            self.stile.change()

    def control_bytes(self, most: int) -> int:
        """How large a small message may be."""
        return self._frame_bytes(self._control_buckets(), most)

    def frame_bytes(self, of: Class, most: int, *, policy: str) -> int:
        """How large a frame of a content may be."""
        return self._frame_bytes(self._content_buckets(of, policy), most)

    def _frame_bytes(self, buckets: Sequence[Bucket], most: int) -> int:
        self.refresh(self._clock.monotonic_s())
        return frame_bytes(buckets, most)

    async def control_turn(self, n_bytes: int) -> None:
        """Waits until a small message may go."""
        await self._wait_for(Turn(CONTROL, n_bytes, tuple(self._control_buckets())))

    async def turn(self, of: Class, n_bytes: int, *, policy: str, exempt_ns: int = _NEVER_NS) -> None:
        """Waits until a frame of a content may go; one of a member may pass a closed timetable from `exempt_ns` on.

        Errors: Closed, also where it closes meanwhile.
        """
        turn = self.ask(of, n_bytes, policy=policy, exempt_ns=exempt_ns)
        try:
            await self._wait_for(turn)
        finally:
            self.forget(turn)

    def ask(self, of: Class, n_bytes: int, *, policy: str, exempt_ns: int = _NEVER_NS) -> Turn:
        """The turn of a frame, kept in step with the hours until it is forgotten."""
        turn = Turn(of, n_bytes, self._buckets_of(of, policy, exempt_ns))
        self._waiting[turn] = (policy, exempt_ns)
        return turn

    def forget(self, turn: Turn) -> None:
        """It has come, or is not waited for any more."""
        del self._waiting[turn]

    async def _wait_for(self, turn: Turn) -> None:
        waited_s = await self.stile.wait_for(turn)
        if waited_s:
            WAITED_SECONDS.labels(turn.kind).inc(waited_s)

    def _buckets_of(self, of: Class, policy: str, exempt_ns: int) -> tuple[Bucket, ...]:
        buckets = self._content_buckets(of, policy)
        if exempt_ns <= self._clock.now_ns() and not self.windows.is_paused(of):
            link = {id(self._bucket("", Class.LINK)), id(self._bucket(policy, Class.LINK))}
            buckets = [bucket for bucket in buckets if id(bucket) in link or bucket.rate != CLOSED]
        return tuple(buckets)

    def _content_buckets(self, of: Class, policy: str) -> list[Bucket]:
        return [self._bucket(where, one) for where in ("", policy) for one in (Class.LINK, of)]

    def _control_buckets(self) -> list[Bucket]:
        """What controls is counted with the representatives, and not stopped with them: members need it too."""
        link, own = self._bucket("", Class.LINK), self._bucket("", Class.REPRESENTATIVES)
        return [link] if own.rate == CLOSED else [link, own]

    def _bucket(self, policy: str, of: Class) -> Bucket:
        if (policy, of) not in self._buckets:
            rate = self.windows.rate(of, self._clock.now_ns(), policy=policy)
            self._buckets[policy, of] = Bucket(rate)
        return self._buckets[policy, of]

    def refresh(self, now_s: float) -> list[Turn]:
        """Brings the rates of all buckets up to date, and gives the turns of frames whose class is closed."""
        now_ns = self._clock.now_ns()
        first_ns, last_ns = self._fresh_ns
        if not first_ns <= now_ns < last_ns:
            self._change_rates(now_s, now_ns)
        self._refreshed_s = now_s
        for turn, (policy, exempt_ns) in self._waiting.items():
            turn.buckets = self._buckets_of(Class(turn.kind), policy, exempt_ns)
        return [turn for turn in self._waiting if any(bucket.rate == CLOSED for bucket in turn.buckets)]

    def _change_rates(self, now_s: float, now_ns: int) -> None:
        for (policy, of), bucket in self._buckets.items():
            rate = self.windows.rate(of, now_ns, policy=policy)
            if rate != bucket.rate:
                since_s = now_s - (now_ns - self.windows.since_ns(of, now_ns, policy=policy)) / 1e9
                bucket.change(rate, max(since_s, self._refreshed_s))
        changes_ns = self.windows.changes_ns(now_ns)
        self._fresh_ns = (now_ns, ANYTHING if changes_ns is None else changes_ns)

    # what goes on by itself

    async def run(self) -> None:
        """Tells of hours that have come, until cancelled."""
        counted_s, before = -CHECK_S, dict[tuple[str, Class], float]()
        while True:
            now_s, now_ns = self._clock.monotonic_s(), self._clock.now_ns()
            names = ("", *self._deferrals)
            rates = {(name, of): self.windows.rate(of, now_ns, policy=name) for name in names for of in Class}
            for of in Class:
                RATE.labels(of).set(rates["", of])
                WINDOW_OPEN.labels(of).set(self.windows.is_open(of, now_ns))
            is_due = now_s - counted_s >= COUNT_S
            if is_due:
                counted_s = now_s
                await asyncio.to_thread(self.look_at_pins)
            if rates != before or is_due:
                before = rates
                self._heard()
            await self._clock.sleep(CHECK_S)

    def _ordered(self, event: str, of: Class, **fields: float) -> None:
        self._keep(self.windows.orders.text())
        _log.info(event, of=of.value, **fields)
        self._heard()

    def _heard(self) -> None:
        self._fresh_ns = (0, 0)
        self.refresh(self._clock.monotonic_s())
        self.stile.change()
        self.changed()


def _orders(kept: str) -> Orders:
    try:
        return Orders.read(kept)
    except (ValueError, KeyError, TypeError):
        _log.warning("orders_not_understood", kept=kept[:200])
        return Orders()
