"""After any sequence of commits and restarts the catalogue on disk says what the model in memory says."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Refusal, Selection, Stored, Version, Whole
from common.paths import relpath
from dest_agent.catalogue import Arrival, Content
from dest_agent.catalogue.sqlite import SqliteCatalogue
from tests.fakes.catalogues import MemoryCatalogue

SOURCES = ("lisbon-1", "porto-1")
CONTENTS = tuple(b"content %d" % n for n in range(4))

arrivals = st.builds(
    lambda source, seq, path, kind, content, coding, brings, shares, observed_ns: _arrival(
        Version(
            id=VersionId(source, seq),
            policy="photos",
            root="library",
            path=relpath(path),
            kind=kind,
            attributes=Attributes(),
            observed_ns=observed_ns,
            digest=digest_of(content) if kind is Kind.FILE else None,
            size=len(content) if kind is Kind.FILE else 0,
        ),
        content=content if brings else None,
        coding=coding,
        sharing=frozenset(SOURCES) if shares else frozenset({source}),
    ),
    source=st.sampled_from(SOURCES),
    seq=st.integers(1, 12),
    path=st.sampled_from([b"", b"a", b"a/b", b"a-b", b"\xff"]),
    kind=st.sampled_from([Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.ABSENT]),
    content=st.sampled_from(CONTENTS),
    coding=st.sampled_from(["raw", "zstd"]),
    brings=st.booleans(),
    shares=st.booleans(),
    observed_ns=st.integers(1, 50),
)


def _arrival(v: Version, *, content: bytes | None, coding: str, sharing: frozenset[str]) -> Arrival:
    brought = Content(digest_of(content), len(content), Whole(coding, 5)) if content is not None and v.kind is Kind.FILE else None
    return Arrival(v, sharing, brought)


def _codes(outcomes: list[Stored | Refusal]) -> list[object]:
    return [outcome.code if isinstance(outcome, Refusal) else outcome for outcome in outcomes]


class CatalogueMachine(RuleBasedStateMachine):
    """Commits to both and compares all that can be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "catalogue.sqlite"
        self.real = SqliteCatalogue(self.path)
        self.model = MemoryCatalogue()
        self.now_ns = 1

    @rule(group=st.lists(arrivals, min_size=1, max_size=5), later_ns=st.integers(0, 20))
    def commit(self, group: list[Arrival], later_ns: int) -> None:
        """A group of arrivals."""
        self.now_ns += later_ns
        real = self.real.commit(group, received_ns=self.now_ns)
        assert _codes(real) == _codes(self.model.commit(group, received_ns=self.now_ns))

    @rule()
    def restart(self) -> None:
        """Closes the file and opens it again."""
        self.real.close()
        self.real = SqliteCatalogue(self.path)

    @rule(at_ns=st.integers(0, 60), glob=st.sampled_from(["", "a", "*b", "a/"]), every=st.booleans())
    def list(self, at_ns: int, glob: str, every: bool) -> None:
        """A listing at any time."""
        selection = Selection(glob=glob, at_ns=at_ns, all_versions=every)
        assert [*self.real.entries(selection)] == [*self.model.entries(selection)]

    @invariant()
    def they_agree(self) -> None:
        """Counts, contents, who holds what."""
        digests = [digest_of(content) for content in CONTENTS]
        assert [*self.real.every_content("")] == [*self.model.every_content("")]
        assert self.real.totals("") == self.model.totals("")
        assert self.real.sources() == self.model.sources()
        for source in SOURCES:
            assert self.real.held({source}, digests) == self.model.held({source}, digests)

    def teardown(self) -> None:
        """Removes the file."""
        self.real.close()
        self.folder.cleanup()


CatalogueMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20)
TestCatalogueMachine = CatalogueMachine.TestCase
