"""The journal's deltas: when they begin and end, and what each may be over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.errors import IllegalTransition
from common.ids import Digest, digest_of
from common.model import Attributes, Kind, Match, Role, Sketch
from common.paths import RelPath
from source_agent.deliveries import Observation
from source_agent.delta_rows import DeltaStep, Made
from source_agent.delta_spool import DeltaSpool
from source_agent.deltas import Deltas
from source_agent.groups import Groups
from source_agent.journal import Journal
from source_agent.states import DeltaState, State
from source_agent.waiting import queued_members
from tests.fakes.delivering import OPEN_GATES

BASE, MEMBER, OTHER = (digest_of(name) for name in (b"base", b"member", b"other"))
MADE = Made(BASE, "zstd-patch", 5, digest_of(b"delta"))
_COLUMNS = "digest, of_group, role, n_features, pixels, n_metadata, n_bytes, moment, has_features, bond"


class Site:
    """A journal with a group of three, the first standing for it, all seen and none delivered."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.sqlite", agent="lisbon-1", has_pin=lambda _: True)
        self.deltas = Deltas(self.journal)
        self.groups = Groups(self.journal)
        self.root = self.journal.root("photos", "library").id
        self.land({b"base": BASE, b"member": MEMBER, b"other": OTHER})
        with self.journal.writing() as db:
            db.execute("INSERT INTO picture_group (id, representative) VALUES (1, ?)", (BASE,))
            for digest in (BASE, MEMBER, OTHER):
                role = Role.REPRESENTATIVE if digest == BASE else Role.MEMBER
                db.execute(
                    f"INSERT INTO picture ({_COLUMNS}) VALUES (?, 1, ?, 1, 1, 1, 1, x'', 0, 'none')",  # noqa: S608 - names only
                    (digest, role),
                )
                state = State.QUEUED if digest == BASE else State.DEFERRED
                self.journal.assign(db, digest, role, state, among=(State.IDENTIFIED,))

    def land(self, contents: dict[bytes, Digest]) -> list[int]:
        """Files are taken in; the numbers of their versions."""
        seen = [
            Observation(self.root, RelPath(path), Kind.FILE, Attributes(), 5, b"s", digest, 7, awaits_group=True)
            for path, digest in contents.items()
        ]
        return [delivery.version.id.seq for delivery in self.journal.record(seen)]

    def seqs(self, digest: Digest) -> list[int]:
        """The numbers of the versions with a content."""
        with self.journal.reading() as db:
            return [row[0] for row in db.execute("SELECT seq FROM version WHERE digest = ? ORDER BY seq", (digest,))]

    def deliver(self, digest: Digest, *deltas: DeltaStep) -> None:
        """A receipt for the first version with a content."""
        self.journal.advance([(self.seqs(digest)[0], State.REPLICATED, "")], durable=[digest], deltas=deltas)

    def states(self, digest: Digest) -> list[str]:
        """The states of a content's deltas, in their order."""
        with self.journal.reading() as db:
            return [row[0] for row in db.execute("SELECT state FROM delta WHERE target = ? ORDER BY id", (digest,))]

    def pending(self) -> set[Digest]:
        """What may be made now."""
        states = (DeltaState.WAITING, DeltaState.DUE)
        return {target for state in states for _, target in self.deltas.pending(state, limit=9, after=0)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The journal."""
    made = Site(tmp_path)
    with closing(made.journal):
        yield made


def encode(site: Site, target: Digest = MEMBER) -> None:
    """A delta is made."""
    site.deltas.advance([DeltaStep(target, DeltaState.DUE), DeltaStep(target, DeltaState.ENCODED, made=MADE)])


def test_a_member_waits_until_its_base_is_durable(site: Site) -> None:
    """Then both may be made; the base itself waits for nothing."""
    assert site.deltas.waits()
    assert site.pending() == set()
    assert site.deltas.candidates(MEMBER)[0].is_coming
    site.deliver(BASE)
    assert site.pending() == {MEMBER, OTHER}
    (first, *_) = site.deltas.candidates(MEMBER)
    assert (first.digest, first.is_whole, first.stands, first.is_coming) == (BASE, True, True, False)
    assert site.states(BASE) == []


def test_a_delta_is_ready_when_it_is_made_and_stored_with_its_receipt(site: Site) -> None:
    """Its delivery stays deferred until then; the content that went as a delta is no base afterwards."""
    site.deliver(BASE)
    encode(site)
    (ready,) = site.deltas.ready(limit=9, gates=OPEN_GATES)
    assert (ready.target, ready.made, ready.delivery.pinned) == (MEMBER, MADE, True)
    assert site.deltas.encoded() == {MEMBER: MADE}
    site.deliver(MEMBER, DeltaStep(MEMBER, DeltaState.STORED))
    assert site.states(MEMBER) == ["stored"]
    assert site.deltas.ready(limit=9, gates=OPEN_GATES) == []
    by_digest = {one.digest: one for one in site.deltas.candidates(OTHER)}
    assert by_digest[BASE].is_whole
    assert MEMBER not in by_digest or not by_digest[MEMBER].is_whole
    assert site.deltas.counts() == {"stored": 1, "waiting": 1}


def test_what_falls_back_is_queued_in_the_same_step(site: Site) -> None:
    """And goes with the members whose bytes must be sent, not with what is urgent."""
    site.deltas.advance([DeltaStep(MEMBER, DeltaState.FELL_BACK, "no_base")])
    assert site.states(MEMBER) == ["fell_back"]
    assert [d.version.digest for d in site.journal.queued(after=0, limit=9)] == [BASE]
    assert [d.version.digest for d in queued_members(site.journal, limit=9, gates=OPEN_GATES)] == [MEMBER]


def test_what_is_dropped_while_it_still_waits_begins_anew(site: Site) -> None:
    """As after a base that was refused, or a delta that got lost."""
    encode(site)
    site.deltas.advance([DeltaStep(MEMBER, DeltaState.DROPPED, "bad_base")])
    assert site.states(MEMBER) == ["dropped", "waiting"]
    assert site.journal.counts()["deferred"] == 2


def test_a_delta_ends_with_the_last_version_that_waits(site: Site) -> None:
    """A copy keeps it; a change of the only file, or a whole that goes, ends it."""
    (copy,) = site.land({b"copy": MEMBER})
    with site.journal.writing() as db:
        site.journal.assign(db, MEMBER, Role.MEMBER, State.DEFERRED, among=(State.IDENTIFIED,))
    site.journal.advance([(copy, State.SUPERSEDED, "")])
    assert site.states(MEMBER) == ["waiting"]
    site.journal.advance([(site.seqs(MEMBER)[0], State.SUPERSEDED, "")])
    assert site.states(MEMBER) == ["dropped"]
    site.deltas.advance([DeltaStep(MEMBER, DeltaState.DUE)])
    assert site.states(MEMBER) == ["dropped"], "what ended makes no step"


def test_a_receipt_lets_the_copies_of_a_content_be_recorded(site: Site) -> None:
    """None of them waits for a delta of its own."""
    site.land({b"copy": MEMBER})
    with site.journal.writing() as db:
        site.journal.assign(db, MEMBER, Role.MEMBER, State.DEFERRED, among=(State.IDENTIFIED,))
    encode(site)
    assert len(site.deltas.ready(limit=9, gates=OPEN_GATES)) == 2
    site.deliver(MEMBER, DeltaStep(MEMBER, DeltaState.STORED))
    assert site.states(MEMBER) == ["stored"]
    assert [d.version.digest for d in site.journal.queued(after=0, limit=9)] == [BASE, MEMBER]


def test_a_step_that_the_table_does_not_have_is_a_bug(site: Site) -> None:
    """Nothing of it is written."""
    with pytest.raises(IllegalTransition, match="waiting to encoded"):
        site.deltas.advance([DeltaStep(MEMBER, DeltaState.ENCODED, made=MADE)])
    assert site.states(MEMBER) == ["waiting"]


def test_nothing_is_made_or_sent_while_the_user_may_choose(site: Site) -> None:
    """A review holds back what is made too."""
    site.deliver(BASE)
    encode(site)
    with site.journal.writing() as db:
        db.execute("UPDATE picture_group SET review_until_ns = 99")
    assert not site.deltas.waits()
    assert site.pending() == set()
    assert site.deltas.ready(limit=9, gates=OPEN_GATES) == []
    site.groups.end_reviews(100)
    assert site.pending() == {OTHER}
    assert len(site.deltas.ready(limit=9, gates=OPEN_GATES)) == 1


def test_candidates_come_in_the_order_of_their_promise(site: Site) -> None:
    """The one that stands for the group, the one it hangs on, what the destination found, near ones, other shots of the scene."""
    found, scene_of, shot = (digest_of(name) for name in (b"found", b"scene of", b"shot"))
    match = Match(found, 5, Sketch(b"", 1, 1, 1), sd=0.9, inliers=30)
    with site.journal.writing() as db:
        db.execute("UPDATE picture SET base = ?, bond = 'scene' WHERE digest = ?", (scene_of, BASE))
        db.execute("INSERT INTO picture_group (id, representative) VALUES (2, ?)", (shot,))
        db.execute(
            f"INSERT INTO picture ({_COLUMNS}, base) VALUES (?, 2, 'representative', 1, 1, 1, 1, x'', 0, 'scene', ?)",  # noqa: S608
            (shot, BASE),
        )
        db.execute("INSERT INTO found_match VALUES (?, ?, 5, 0.9, 30)", (MEMBER, match.digest))
        db.execute("INSERT INTO durable_content VALUES (?)", (OTHER,))
    digests = [one.digest for one in site.deltas.candidates(MEMBER)]
    assert digests[:3] == [BASE, found, OTHER]
    assert set(digests[3:]) == {scene_of, shot}


def test_a_spool_of_deltas_keeps_what_is_waited_for_and_no_more(tmp_path: Path) -> None:
    """After a start: strays go, and what is not there as it was made is told."""
    spool = DeltaSpool(tmp_path / "deltas")
    spool.keep(MEMBER, b"delta")
    spool.keep(OTHER, b"too long for what was made")
    spool.keep(BASE, b"stray")
    assert spool.sweep({MEMBER: MADE, OTHER: MADE, digest_of(b"never kept"): MADE}) == [OTHER, digest_of(b"never kept")]
    assert [path.name for path in (tmp_path / "deltas").iterdir()] == [f"{MEMBER.hex()}.delta"]
    parcel = spool.parcel(MEMBER, MADE)
    assert (parcel.coding, parcel.coded_bytes, parcel.base, parcel.method) == ("delta", 5, BASE, "zstd-patch")
    spool.discard(MEMBER)
    assert not any((tmp_path / "deltas").iterdir())
