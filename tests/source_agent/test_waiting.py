"""What waits in the journal: which members may go, how much there is of each class, what is pinned beyond a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.ids import Digest, digest_of
from common.model import Attributes, Kind, Role
from common.paths import RelPath
from source_agent.deliveries import Observation
from source_agent.delta_rows import DeltaStep, Made, Rough
from source_agent.deltas import Deltas
from source_agent.journal import Journal
from source_agent.protection import Share, protected
from source_agent.states import DeltaState, State
from source_agent.waiting import Load, loads, pinned_beyond, queued_members
from source_agent.windows import ANYTHING, Class, Gate

NEVER = Gate("", -1, before_ns=-1)


class Waiting:
    """A journal of two policies with what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.sqlite", agent="lisbon-1", has_pin=lambda _: True)
        self.deltas = Deltas(self.journal)
        self.roots = {policy: self.journal.root(policy, "library").id for policy in ("photos", "papers")}

    def put(self, name: str, role: Role, *, size: int = 10, seen_ns: int = 5, policy: str = "photos") -> Digest:
        """A file; a member is deferred."""
        digest = digest_of(name.encode())
        path = RelPath(name.encode())
        self.journal.record([Observation(self.roots[policy], path, Kind.FILE, Attributes(), seen_ns, b"s", digest, size, role)])
        if role is Role.MEMBER:
            with self.journal.writing() as db:
                self.journal.assign(db, digest, role, State.DEFERRED, among=(State.QUEUED,))
        return digest

    def encode(self, target: Digest, n_bytes: int) -> None:
        """Its delta is made."""
        made = Made(digest_of(b"base"), "zstd-patch", n_bytes, digest_of(b"delta"))
        rough = Rough(digest_of(b"base"), b"rough")
        self.deltas.advance([DeltaStep(target, DeltaState.DUE, rough=rough), DeltaStep(target, DeltaState.ENCODED, made=made)])
        self.deltas.announced(target)

    def fall_back(self, target: Digest) -> None:
        """It goes whole."""
        self.deltas.advance([DeltaStep(target, DeltaState.FELL_BACK, "no_base")])

    def go(self, *gates: Gate) -> list[bytes]:
        """The paths of members that may go."""
        ready = [one.delivery for one in self.deltas.ready(limit=9, gates=gates)]
        whole = queued_members(self.journal, limit=9, gates=gates)
        return sorted(delivery.version.path for delivery in (*ready, *whole))


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    """The journal."""
    made = Waiting(tmp_path)
    with closing(made.journal):
        yield made


def test_a_gate_lets_small_deltas_and_old_members_of_its_policy_pass(waiting: Waiting) -> None:
    """What goes whole is never small; a policy without a gate has the nameless one."""
    for name, n_bytes, seen_ns, policy in (("small", 5, 9, "photos"), ("large", 50, 9, "photos"), ("old", 50, 2, "photos")):
        waiting.encode(waiting.put(name, Role.MEMBER, seen_ns=seen_ns, policy=policy), n_bytes)
    waiting.encode(waiting.put("other", Role.MEMBER, policy="papers", seen_ns=9), 1)
    for name, seen_ns in (("whole", 9), ("old whole", 1)):
        waiting.fall_back(waiting.put(name, Role.MEMBER, seen_ns=seen_ns))
    everything = Gate("", ANYTHING, before_ns=ANYTHING)
    assert waiting.go(NEVER) == []
    assert len(waiting.go(everything)) == 6
    assert waiting.go(NEVER, Gate("photos", 5, before_ns=2)) == [b"old", b"old whole", b"small"]
    assert waiting.go(everything, Gate("photos", -1, before_ns=-1)) == [b"other"]


def test_a_shut_class_is_passed_over_and_small_things_are_not(waiting: Waiting) -> None:
    """By role and policy; what has no content is of no class."""
    waiting.put("picture", Role.REPRESENTATIVE)
    waiting.put("paper", Role.NONE, policy="papers")
    waiting.put("note", Role.NONE)
    folder = Observation(waiting.roots["papers"], RelPath(b"folder"), Kind.DIRECTORY, Attributes(), 5, b"s")
    waiting.journal.record([folder])

    def queued(*shut: tuple[Role, str]) -> list[bytes]:
        return [d.version.path for d in waiting.journal.queued(after=0, limit=9, shut=shut)]

    assert queued() == [b"picture", b"paper", b"note", b"folder"]
    assert queued((Role.NONE, "papers")) == [b"picture", b"note", b"folder"]
    assert queued((Role.NONE, ""), (Role.REPRESENTATIVE, "photos")) == [b"folder"]
    assert queued((Role.REPRESENTATIVE, "papers")) == [b"picture", b"paper", b"note", b"folder"]


def test_loads_count_each_content_once_and_deltas_as_they_are_made(waiting: Waiting) -> None:
    """What the destination holds waits for nothing but its record."""
    waiting.put("picture", Role.REPRESENTATIVE, size=100, seen_ns=7)
    waiting.encode(waiting.put("made", Role.MEMBER, size=50, seen_ns=3), 4)
    waiting.put("unmade", Role.MEMBER, size=60, seen_ns=4)
    note = waiting.put("note", Role.NONE, size=8)
    waiting.journal.advance([], durable=[note])
    found = loads(waiting.journal)
    assert found[Class.REPRESENTATIVES] == Load(1, 100, 0, 100, 7)
    assert found[Class.DEFERRED] == Load(2, 110, 4, 60, 3)
    assert found[Class.CHUNKS] == Load()


def test_the_oldest_beyond_a_budget_are_found(waiting: Waiting) -> None:
    """Of one policy; the newest have their share first."""
    for name, seen_ns in (("a", 1), ("b", 2), ("c", 3)):
        waiting.put(name, Role.MEMBER, size=10, seen_ns=seen_ns)
    waiting.put("other", Role.MEMBER, size=1000, seen_ns=9, policy="papers")
    assert [pinned_beyond(waiting.journal, "photos", budget) for budget in (30, 29, 10, 9)] == [0, 1, 2, 3]
    assert pinned_beyond(waiting.journal, "nothing", 1) == 0


def test_protection_is_exact_approximate_or_not_yet(waiting: Waiting) -> None:
    """Of what stands; the lag is of the oldest."""
    assert protected(waiting.journal) == {"exact": Share(), "approximate": Share(), "not_yet": Share()}
    waiting.put("picture", Role.REPRESENTATIVE, seen_ns=1)
    (delivery,) = waiting.journal.queued(after=0, limit=1)
    waiting.encode(waiting.put("said", Role.MEMBER, seen_ns=3), 4)
    waiting.put("unsaid", Role.MEMBER, seen_ns=4)
    waiting.put("note", Role.NONE, seen_ns=6)
    waiting.journal.advance([(delivery.version.id.seq, State.REPLICATED, "")])
    assert protected(waiting.journal) == {"exact": Share(1, 1), "approximate": Share(1, 3), "not_yet": Share(2, 4)}
