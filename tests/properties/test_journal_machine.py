"""The journal against a dictionary: any order of observations, receipts, marks and crashes gives what a simple model says."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.errors import IllegalTransition
from common.ids import Digest, digest_of
from common.model import Attributes, Kind
from common.paths import ROOT, RelPath, parent
from source_agent.deliveries import Observation
from source_agent.journal import Journal
from source_agent.states import STEPS, State

PATHS = [RelPath(p) for p in (b"a", b"b\xff", b"d", b"d/x", b"d/e", b"d/e/y", b"d0")]
CONTENTS = [digest_of(c) for c in (b"one", b"two")]
AFTER = [State.REPLICATED, State.SUPERSEDED, State.QUARANTINED, State.QUEUED]


@dataclass
class Known:
    """A version as the model keeps it."""

    path: RelPath
    kind: Kind
    digest: Digest | None
    mode: int
    pinned: bool
    state: State = State.QUEUED

    def is_given_up(self) -> bool:
        """Whether a change of the path ends it."""
        return self.state is State.QUARANTINED or (self.state is State.QUEUED and not self.pinned)


class JournalMachine(RuleBasedStateMachine):
    """`versions` and `standing` are the model; every rule does one thing to both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.versions: dict[int, Known] = {}
        self.standing: dict[RelPath, int] = {}
        self.dirty: set[RelPath] = set()
        self.durable: set[Digest] = set()
        self.least_seq = 1
        self.left: list[Journal] = []

    @initialize()
    def open(self) -> None:
        """A new journal with one root."""
        self.journal = Journal(self.folder / "journal", agent="lisbon-1")
        self.root = self.journal.root("photos", "library").id

    @rule(
        path=st.sampled_from(PATHS),
        kind=st.sampled_from([Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.ABSENT]),
        content=st.sampled_from(CONTENTS),
        mode=st.sampled_from([0o644, 0o600]),
        pinned=st.booleans(),
    )
    def record(self, path: RelPath, kind: Kind, content: Digest, mode: int, pinned: bool) -> None:
        """Intake found something at a path."""
        digest = content if kind is Kind.FILE else None
        attributes = Attributes(mode=mode) if kind is not Kind.ABSENT else Attributes()
        seen = Observation(self.root, path, kind, attributes, 5, b"s", digest, 3 if digest else 0, pinned=pinned and bool(digest))
        made = self.journal.record([seen])
        expected = self._expect(path, Known(path, kind, digest, attributes.mode, seen.pinned))
        assert [(d.version.path, d.version.kind, d.version.digest) for d in made] == [
            (v.path, v.kind, v.digest) for v in expected
        ]
        for delivery, version in zip(made, expected, strict=True):
            seq = delivery.version.id.seq
            assert seq >= self.least_seq
            self.least_seq = seq + 1
            self.versions[seq] = version
            if version.kind is Kind.ABSENT:
                self.standing.pop(version.path, None)
            else:
                self.standing[version.path] = seq

    def _expect(self, path: RelPath, new: Known) -> list[Known]:
        """The versions that an observation makes; gives up what it ends."""
        old = self.versions[self.standing[path]] if path in self.standing else None
        made: list[Known] = []
        was_directory = old.kind is Kind.DIRECTORY if old else new.kind is Kind.ABSENT
        if was_directory and new.kind is not Kind.DIRECTORY:
            below = sorted((p for p in self.standing if p.startswith(path + b"/")), key=lambda p: (parent(p), p))
            for gone in below:
                made += self._settle(gone, Known(gone, Kind.ABSENT, None, 0, pinned=False))
        return made + self._settle(path, new)

    def _settle(self, path: RelPath, new: Known) -> list[Known]:
        """The version that an observation makes of its own path, if any."""
        old = self.versions[self.standing[path]] if path in self.standing else None
        self.dirty.discard(path)
        if old is None and new.kind is Kind.ABSENT:
            return []
        if old is None and parent(path) and parent(path) not in self.standing:
            self.dirty.add(parent(path))
        if old is not None:
            same = (old.kind, old.digest, old.mode) == (new.kind, new.digest, new.mode)
            if same and old.state is not State.SUPERSEDED:
                return []
            if old.is_given_up():
                old.state = State.SUPERSEDED
        return [new]

    @precondition(lambda self: self.versions)
    @rule(chosen=st.randoms(use_true_random=False), state=st.sampled_from(AFTER), durable=st.booleans())
    def advance(self, chosen: object, state: State, durable: bool) -> None:
        """The destination answered; or a bug asks for a step that is none."""
        seq = chosen.choice(sorted(self.versions))  # type: ignore[attr-defined] # a Random of hypothesis' own
        version = self.versions[seq]
        known = {version.digest} if durable and version.digest else set()
        if version.state is State.SUPERSEDED and state is State.QUARANTINED:
            self.journal.advance([(seq, state, "why")], durable=known)
        elif state is version.state or state in STEPS[version.state]:
            self.journal.advance([(seq, state, "why")], durable=known)
            version.state = state
        else:
            with contextlib.suppress(IllegalTransition):
                self.journal.advance([(seq, state, "why")], durable=known)
                raise AssertionError(f"{version.state} to {state} was allowed")
            return
        self.durable |= known

    @precondition(lambda self: self.journal.queued(after=0, limit=1))
    @rule(chosen=st.randoms(use_true_random=False))
    def give_up(self, chosen: object) -> None:
        """A file is not what its version says."""
        delivery = chosen.choice(self.journal.queued(after=0, limit=1000))  # type: ignore[attr-defined] # likewise
        self.journal.give_up(delivery, "changed")
        self.versions[delivery.version.id.seq].state = State.SUPERSEDED
        self.dirty.add(delivery.version.path)

    @rule(paths=st.sets(st.sampled_from(PATHS), min_size=1))
    def mark(self, paths: set[RelPath]) -> None:
        """The watcher told."""
        self.journal.mark_dirty((self.root, path) for path in paths)
        self.dirty |= paths

    @rule(content=st.sampled_from(CONTENTS))
    def forget(self, content: Digest) -> None:
        """The destination denies a content."""
        self.journal.forget_durable(content)
        self.durable.discard(content)

    @precondition(lambda self: self.versions)
    @rule(chosen=st.randoms(use_true_random=False))
    def renumber(self, chosen: object) -> None:
        """The destination knows another version under the number."""
        seq = chosen.choice(sorted(self.versions))  # type: ignore[attr-defined] # likewise
        self.journal.renumber(seq)
        new, self.least_seq = self.least_seq, self.least_seq + 1
        self.versions[new] = self.versions.pop(seq)
        self.standing = {path: new if number == seq else number for path, number in self.standing.items()}

    @rule(last_seq=st.integers(0, 60))
    def number_from(self, last_seq: int) -> None:
        """The destination knows numbers up to here."""
        self.journal.number_from(last_seq)
        self.least_seq = max(self.least_seq, last_seq + 1)

    @rule()
    def crash(self) -> None:
        """The process dies and another opens the file; the dead one's descriptors stay, as after SIGKILL of a thread."""
        self.left.append(self.journal)
        self.journal = Journal(self.folder / "journal", agent="lisbon-1")

    @invariant()
    def agrees(self) -> None:
        """Every reading of the journal gives what the model says."""
        if not hasattr(self, "journal"):
            return
        counts: dict[str, int] = {}
        for version in self.versions.values():
            counts[version.state] = counts.get(version.state, 0) + 1
        assert self.journal.counts() == counts
        waiting = [seq for seq, version in sorted(self.versions.items()) if version.state is State.QUEUED]
        queued = self.journal.queued(after=0, limit=10_000)
        assert [d.version.id.seq for d in queued] == waiting
        assert [(d.version.path, d.version.digest, d.pinned) for d in queued] == [
            (v.path, v.digest, v.pinned) for v in (self.versions[seq] for seq in waiting)
        ]
        for directory in (ROOT, RelPath(b"d"), RelPath(b"d/e")):
            here = {p.rpartition(b"/")[2] for p in self.standing if parent(p) == directory}
            assert set(self.journal.signatures(self.root, directory)) == here
        assert self.journal.dirty() == sorted((self.root, path) for path in self.dirty)
        assert self.journal.durable_among(CONTENTS) == self.durable
        assert self.journal.pinned() == {v.digest for v in self.versions.values() if v.pinned and v.state is State.QUEUED}
        assert len(self.journal.quarantined()) == counts.get(State.QUARANTINED, 0)

    def teardown(self) -> None:
        """Closes what crashes left open."""
        for journal in (*self.left, *([self.journal] if hasattr(self, "journal") else [])):
            journal.close()
        shutil.rmtree(self.folder)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
