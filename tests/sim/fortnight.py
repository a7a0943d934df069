"""An agent's traffic through a world: who is fed, who gets a turn, what passes the link; and what may never be seen of it."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from common.buckets import Turn
from common.model import Role
from common.timetable import CLOSED, OFF
from source_agent.pacing import Pacing, class_of
from source_agent.windows import Class
from tests.fakes.clock import ManualClock
from tests.sim.world import WEEK_S, Content, World, drawn, version_of

FRAME_BYTES = 256 << 10
SPAN_S = 10.0
STREAMS = (Class.REPRESENTATIVES, Class.REPRESENTATIVES, Class.CHUNKS, Class.DEFERRED)
GRACE_S = 86400.0
"""After its deadline a member may still have to wait for the link, for representatives, and for its rate."""


@dataclass(slots=True)
class Stream:
    """One upload stream."""

    of: Class
    content: Content | None = None
    turn: Turn | None = None
    is_sending: bool = False


@dataclass(slots=True)
class Report:
    """What was seen."""

    n_frames: int = 0
    n_contents: int = 0
    n_left: int = 0
    exempt_bytes: int = 0
    bytes_by_class: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    digest: str = ""
    """Of everything that happened, in order."""


class Fortnight:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = ManualClock(wall_ns=world.start_ns, run_s=0.0)
        self.pacing = Pacing(world.plan, self.clock)
        self.report = Report()
        self.streams = [Stream(of) for of in STREAMS]
        self.waiting: dict[Class, deque[Content]] = {of: deque() for of in Class}
        self.passed: dict[Class, list[tuple[float, int]]] = {of: [] for of in Class}
        self.rates: dict[Class, list[tuple[float, float]]] = {of: [] for of in Class}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._n = itertools.count()
        self._link_free_s = 0.0
        self._down_until_s = 0.0
        self._log = hashlib.sha256()
        self._woken_s = -1.0

    def run(self) -> Report:
        """Everything that happens, then what may never have happened."""
        world = self.world
        for at_s, policy, role, n_bytes, delta in world.arrivals:
            self._at(at_s, lambda p=policy, r=role, n=n_bytes, d=delta: self._arrive(p, r, n, d))  # type: ignore[misc]
        for at_s, by_s in world.jumps:
            self._at(at_s, lambda by=by_s: self.clock.jump(by))  # type: ignore[misc]
        for at_s, for_s in world.cuts:
            self._at(at_s, lambda until=at_s + for_s: self._cut(until))  # type: ignore[misc]
        for at_s, of, rate, for_s in world.overrides:
            self._at(at_s, lambda o=of, r=rate, f=for_s: self._override(o, r, f))  # type: ignore[misc]
        while self._events and self._events[0][0] <= 2 * WEEK_S:
            at_s, _, happen = heapq.heappop(self._events)
            self.clock.advance(at_s - self.clock.run_s)
            happen()
            self._go_on()
        self._judge()
        self.report.digest = self._log.hexdigest()
        return self.report

    def _at(self, at_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._n), happen))

    def _arrive(self, policy: str, role: Role, n_bytes: int, delta: int | None) -> None:
        version = version_of(self.report.n_contents + 1, policy, role, self.clock.now_ns())
        self.report.n_contents += 1
        self.waiting[class_of(version)].append(Content(version, n_bytes, delta))

    def _cut(self, until_s: float) -> None:
        """What is on its way is lost; what was staged goes on."""
        self._down_until_s = max(self._down_until_s, until_s)
        for stream in self.streams:
            self._give_back(stream)
        self.pacing.forget_due()
        self._at(self._down_until_s, lambda: None)

    def _override(self, of: str, rate: float, for_s: float) -> None:
        self.pacing.override(Class(of), rate, until_ns=self.clock.now_ns() + int(for_s * 1e9))

    # what the sender does

    def _go_on(self) -> None:
        self._note_rates()
        if self.clock.run_s < self._down_until_s:
            return
        for stream in self.streams:
            self._feed(stream)
        self._grant()
        changes_ns = self.pacing.windows.changes_ns(self.clock.now_ns())
        wakes = [self.pacing.stile.turns.next_s(self.clock.run_s)]
        if changes_ns is not None:
            wakes.append(self.clock.run_s + (changes_ns - self.clock.now_ns()) / 1e9)
        if any(self.waiting[Class.DEFERRED]):
            wakes.append(self.clock.run_s + 600.0)
        wake_s = min(wakes)
        if wake_s <= 2 * WEEK_S and not self.clock.run_s < self._woken_s <= wake_s:
            self._woken_s = wake_s
            self._at(max(wake_s, self.clock.run_s + 1e-6), lambda: None)

    def _feed(self, stream: Stream) -> None:
        if stream.is_sending:
            return
        if stream.content is None:
            stream.content = self._next(stream.of)
            if stream.content is None:
                return
            if stream.of is Class.REPRESENTATIVES:
                self.pacing.expect(stream.content.version.id.seq)
        if stream.turn is None:
            content, version = stream.content, stream.content.version
            most = self.pacing.frame_bytes(stream.of, FRAME_BYTES, policy=version.policy)
            n_bytes = min(most, content.n_bytes - content.n_sent)
            exempt_ns = self.pacing.exempt_ns(version, content.delta_bytes) if stream.of is Class.DEFERRED else 1 << 62
            stream.turn = self.pacing.ask(stream.of, n_bytes, policy=version.policy, exempt_ns=exempt_ns)
            self.pacing.stile.turns.ask(stream.turn)

    def _next(self, of: Class) -> Content | None:
        if not self.waiting[of]:
            return None
        shut = self.pacing.shut()
        gates = {gate.policy: gate for gate in self.pacing.gates()}
        if of is Class.DEFERRED and self.waiting[Class.REPRESENTATIVES]:
            return None
        for content in self.waiting[of]:
            version = content.version
            if of is Class.DEFERRED:
                gate = gates.get(version.policy, gates[""])
                is_small = content.delta_bytes is not None and content.delta_bytes <= gate.most_delta_bytes
                if not (is_small or gate.most_delta_bytes == 1 << 62 or version.observed_ns <= gate.before_ns):
                    continue
            elif {(version.role, ""), (version.role, version.policy)} & shut:
                continue
            self.waiting[of].remove(content)
            return content
        return None

    def _grant(self) -> None:
        closed = self.pacing.refresh(self.clock.run_s)
        for stream in self.streams:
            if stream.turn in closed and not stream.is_sending:
                self._give_back(stream)
        while (turn := self.pacing.stile.turns.grant(self.clock.run_s)) is not None:
            stream = next(stream for stream in self.streams if stream.turn is turn)
            self._watch(stream, turn)
            stream.is_sending = True
            self._link_free_s = max(self._link_free_s, self.clock.run_s) + turn.n_bytes / self.world.link_bytes_s
            self._at(self._link_free_s, lambda stream=stream, turn=turn: self._sent(stream, turn))  # type: ignore[misc]

    def _give_back(self, stream: Stream) -> None:
        if stream.turn is not None:
            self.pacing.stile.turns.withdraw(stream.turn)
            self.pacing.forget(stream.turn)
        if stream.content is not None:
            self.pacing.sent(stream.content.version.id.seq)
            self.waiting[stream.of].appendleft(stream.content)
        stream.content, stream.turn, stream.is_sending = None, None, False

    def _sent(self, stream: Stream, turn: Turn) -> None:
        if stream.turn is not turn or stream.content is None:
            return  # it was cut
        content = stream.content
        content.n_sent += turn.n_bytes
        self.pacing.forget(turn)
        stream.turn, stream.is_sending = None, False
        if content.n_sent >= content.n_bytes:
            content.sent_ns = self.clock.now_ns()
            self.pacing.sent(content.version.id.seq)
            stream.content = None
            self._log.update(b"%d:%d;" % (content.version.id.seq, content.sent_ns))

    # what may never be seen

    def _note_rates(self) -> None:
        for of, rates in self.rates.items():
            rate = self.pacing.windows.rate(of, self.clock.now_ns())
            if not rates or rates[-1][1] != rate:
                rates.append((self.clock.run_s, rate))

    def _watch(self, stream: Stream, turn: Turn) -> None:
        content, now_ns, n_bytes = stream.content, self.clock.now_ns(), turn.n_bytes
        assert content is not None
        version, report = content.version, self.report
        report.n_frames += 1
        report.bytes_by_class[stream.of] += n_bytes
        self._log.update(b"%d %d %r|" % (version.id.seq, n_bytes, self.clock.run_s))
        self.passed[Class.LINK].append((self.clock.run_s, n_bytes))
        is_open = self.pacing.windows.is_open(stream.of, now_ns, policy=version.policy)
        if stream.of is Class.DEFERRED:
            urgent = [s for s in self.streams if s.of is Class.REPRESENTATIVES and s.content is not None]
            if urgent:
                report.faults.append(f"{self.clock.run_s}: a member's frame while {urgent[0].content} was due")
            if not is_open:
                self._watch_exempt(content, n_bytes)
                return
        elif not is_open:
            report.faults.append(f"{self.clock.run_s}: {n_bytes} bytes of {stream.of}, which was closed")
        self.passed[stream.of].append((self.clock.run_s, n_bytes))

    def _watch_exempt(self, content: Content, n_bytes: int) -> None:
        """A member's frame out of its hours must be of a small delta, late, or of a policy whose members always go."""
        version, now_ns = content.version, self.clock.now_ns()
        deferral = self.world.plan.deferrals[version.policy]
        is_small = content.delta_bytes is not None and content.delta_bytes <= deferral.inline_bytes
        is_late = version.observed_ns + int(deferral.deadline_s * 1e9) <= now_ns
        if self.pacing.windows.rate(Class.LINK, now_ns) == CLOSED or not (is_small or is_late or deferral.when == "always"):
            self.report.faults.append(f"{self.clock.run_s}: {n_bytes} bytes of a member out of its hours")
        self.report.exempt_bytes += n_bytes

    def _judge(self) -> None:
        for of, passed in self.passed.items():
            self._judge_rate(of, passed)
        left = [content for waiting in self.waiting.values() for content in waiting]
        left += [stream.content for stream in self.streams if stream.content is not None]
        self.report.n_left = len(left)
        for content in left:
            late_ns = self.clock.now_ns() - content.version.observed_ns
            deadline_s = self.world.plan.deferrals[content.version.policy].deadline_s
            if content.version.role is Role.MEMBER and late_ns / 1e9 > deadline_s + GRACE_S:
                self.report.faults.append(f"{content} was not sent at its deadline")

    def _judge_rate(self, of: Class, passed: list[tuple[float, int]]) -> None:
        """In any ten seconds no more than the rates of that time give, and 2 % of what the highest of them gives in ten."""
        n_bytes, first = 0, 0
        for now_s, n in passed:
            n_bytes += n
            while passed[first][0] <= now_s - SPAN_S:
                n_bytes -= passed[first][1]
                first += 1
            allowed = self._allowed(of, now_s)
            if n_bytes > allowed:
                self.report.faults.append(f"{now_s}: {n_bytes} bytes of {of} in ten seconds, of {allowed:.0f}")

    def _allowed(self, of: Class, now_s: float) -> float:
        rates, allowed, highest, end_s = self.rates[of], 0.0, 0.0, now_s
        for since_s, rate in rates[bisect_right(rates, (now_s, OFF)) - 1 :: -1]:
            begin_s = max(since_s, now_s - SPAN_S)
            highest = max(highest, rate)
            if end_s > begin_s:
                allowed += rate * (end_s - begin_s)
            if since_s <= now_s - SPAN_S:
                break
            end_s = begin_s
        return allowed + 0.02 * SPAN_S * highest


def fortnight(seed: int) -> Report:
    """The run of a seed."""
    return Fortnight(drawn(seed)).run()
