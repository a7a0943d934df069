"""What of a library the destination could give back, and what waits, from versions in every state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.ids import digest_of
from common.model import Attributes, Kind, Role
from common.paths import RelPath
from source_agent.deliveries import Observation
from source_agent.delta_rows import DeltaStep
from source_agent.protection import Backlog, Share, backlog, protected
from source_agent.states import DeltaState, State
from tests.source_agent.test_deltas import BASE, MADE, MEMBER, OTHER, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A group of three, none delivered."""
    made = Site(tmp_path)
    with closing(made.journal):
        yield made


def files(site: Site) -> dict[str, int]:
    """How many files there are of each kind."""
    return {how: share.n_files for how, share in protected(site.journal).items()}


def test_a_file_is_exact_with_its_receipt_and_approximate_when_its_member_was_announced(site: Site) -> None:
    """Whatever else is on its way."""
    assert files(site) == {"exact": 0, "approximate": 0, "not_yet": 3}
    site.deliver(BASE)
    site.deltas.announced(MEMBER)
    assert files(site) == {"exact": 1, "approximate": 1, "not_yet": 1}
    for state in (DeltaState.DUE, DeltaState.ENCODED, DeltaState.STORED):
        site.deltas.advance([DeltaStep(MEMBER, state, made=MADE if state is DeltaState.ENCODED else None)])
    site.deliver(MEMBER)
    assert files(site) == {"exact": 2, "approximate": 0, "not_yet": 1}


def test_only_files_that_stand_are_counted(site: Site) -> None:
    """Not folders, nor what was deleted or changed since; a changed file is not yet there again."""
    for digest in (BASE, MEMBER, OTHER):
        site.deliver(digest)
    gone = Observation(site.root, RelPath(b"other"), Kind.ABSENT, Attributes(), 6, b"")
    folder = Observation(site.root, RelPath(b"folder"), Kind.DIRECTORY, Attributes(), 6, b"s")
    changed = Observation(site.root, RelPath(b"member"), Kind.FILE, Attributes(), 6, b"t", digest_of(b"new"), 9)
    site.journal.record([gone, folder, changed])
    assert files(site) == {"exact": 1, "approximate": 0, "not_yet": 1}


def test_what_waits_is_told_by_role_with_its_oldest(site: Site) -> None:
    """A quarantined version waits for nobody."""
    assert backlog(site.journal) == {Role.REPRESENTATIVE: Backlog(1, 7, 5), Role.MEMBER: Backlog(2, 14, 5)}
    plain = Observation(site.root, RelPath(b"notes"), Kind.FILE, Attributes(), 8, b"s", digest_of(b"notes"), 100)
    (delivery,) = site.journal.record([plain])
    site.journal.advance([(site.seqs(BASE)[0], State.QUARANTINED, "refused")])
    assert backlog(site.journal) == {Role.MEMBER: Backlog(2, 14, 5), Role.NONE: Backlog(1, 100, 8)}
    site.journal.advance([(delivery.version.id.seq, State.REPLICATED, "")])
    assert set(backlog(site.journal)) == {Role.MEMBER}
    assert Backlog(1, 1, 5_000_000_000).lag_s(7_500_000_000) == 2.5
    assert Backlog(1, 1, 5).lag_s(3) == 0


def test_the_oldest_of_each_kind_says_how_long_it_has_waited(site: Site) -> None:
    """Where there is none, nothing has."""
    found = protected(site.journal)
    assert found["not_yet"].oldest_ns == 5
    assert Share(1, 5_000_000_000).lag_s(7_500_000_000) == 2.5
    assert found["exact"].lag_s(1 << 60) == 0
