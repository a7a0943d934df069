"""The journal: what it makes of observations, receipts and changes of number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import IllegalTransition
from common.ids import Digest, digest_of
from common.model import Attributes, Kind, Role
from common.paths import ROOT, RelPath
from source_agent.deliveries import Delivery, Observation
from source_agent.journal import Journal
from source_agent.states import State


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal with the root 1."""
    made = Journal(tmp_path / "journal.sqlite", agent="lisbon-1")
    assert made.root("photos", "library").id == 1
    yield made
    made.close()


def file(
    path: bytes = b"a", content: bytes = b"one", *, mode: int = 0o644, signature: bytes = b"s1", pinned: bool = False
) -> Observation:
    """A file as intake finds it."""
    return Observation(
        root=1,
        path=RelPath(path),
        kind=Kind.FILE,
        attributes=Attributes(mode=mode),
        observed_ns=5,
        signature=signature,
        digest=digest_of(content),
        size=len(content),
        pinned=pinned,
    )


def directory(path: bytes) -> Observation:
    """A directory as intake finds it."""
    return Observation(1, RelPath(path), Kind.DIRECTORY, Attributes(mode=0o755), 5, signature=b"d")


def absent(path: bytes = b"a") -> Observation:
    """Nothing where something may have been."""
    return Observation(1, RelPath(path), Kind.ABSENT, Attributes(), 6, signature=b"")


def one(journal: Journal, seen: Observation) -> Delivery:
    """The one delivery that an observation makes."""
    (made,) = journal.record([seen])
    return made


def seq_of(delivery: Delivery) -> int:
    """The number of a delivery's version."""
    return delivery.version.id.seq


def queued(journal: Journal) -> list[int]:
    """The numbers of all that waits."""
    return [seq_of(d) for d in journal.queued(after=0, limit=1000)]


def test_a_new_path_is_a_version_and_a_queued_delivery(journal: Journal) -> None:
    """Every field of the observation is in it."""
    made = one(journal, file(pinned=True))
    version = made.version
    assert (version.policy, version.root, version.path, version.kind) == ("photos", "library", b"a", Kind.FILE)
    assert (version.digest, version.size, version.observed_ns, version.role) == (digest_of(b"one"), 3, 5, Role.NONE)
    assert (version.attributes, made.pinned, str(version.id)) == (Attributes(mode=0o644), True, "lisbon-1:1")
    assert journal.queued(after=0, limit=10) == [made]
    assert journal.signatures(1, ROOT) == {b"a": b"s1"}


def test_a_path_that_is_as_it_was_only_gets_its_signature_refreshed(journal: Journal) -> None:
    """A touch back and forth costs no version."""
    one(journal, file())
    assert journal.record([file(signature=b"s2")]) == []
    assert journal.signatures(1, ROOT) == {b"a": b"s2"}
    assert journal.counts() == {"queued": 1}


@pytest.mark.parametrize("change", [file(content=b"two"), file(mode=0o600), absent(), directory(b"a")])
def test_any_change_is_a_new_version_and_gives_the_unsent_one_up(journal: Journal, change: Observation) -> None:
    """Content, attributes, kind or absence; the old bytes are gone, so the old version cannot be sent any more."""
    old = one(journal, file())
    new = one(journal, change)
    assert queued(journal) == [seq_of(new)]
    assert journal.counts() == {"queued": 1, "superseded": 1}
    assert seq_of(new) > seq_of(old)


def test_a_pinned_version_is_delivered_whatever_happens_to_its_file(journal: Journal) -> None:
    """Its bytes are kept, so the change after it is a second delivery."""
    old = one(journal, file(pinned=True))
    new = one(journal, file(content=b"two"))
    assert queued(journal) == [seq_of(old), seq_of(new)]


def test_a_delivered_version_stays_delivered_when_its_path_changes(journal: Journal) -> None:
    """History at the destination is not touched."""
    journal.advance([(seq_of(one(journal, file())), State.REPLICATED, "")])
    one(journal, absent())
    assert journal.counts() == {"replicated": 1, "queued": 1}


def test_a_given_up_version_that_comes_back_the_same_gets_a_new_one(journal: Journal) -> None:
    """Else the destination would never have it: nothing sends what is superseded."""
    old = one(journal, file())
    journal.advance([(seq_of(old), State.SUPERSEDED, "changed before it was sent")])
    new = one(journal, file())
    assert new.version.digest == old.version.digest
    assert queued(journal) == [seq_of(new)]


def test_giving_a_version_up_has_its_path_looked_at_as_if_it_were_new(journal: Journal) -> None:
    """In one step: a crash, or a look, between the two would leave a path that nothing stands for."""
    delivery = one(journal, file())
    journal.give_up(delivery, "changed")
    assert journal.dirty() == [(1, b"a")]
    assert journal.signatures(1, ROOT) == {b"a": b""}
    assert queued(journal) == []
    assert seq_of(one(journal, file())) > seq_of(delivery)


def test_giving_a_version_up_has_its_path_looked_at_in_the_same_step(journal: Journal) -> None:
    """And the look cannot find it as journalled: a crash between the two would have left nothing that stands for the path."""
    old = one(journal, file())
    journal.give_up(old, "changed before it was sent")
    assert (journal.dirty(), journal.signatures(1, ROOT), journal.counts()) == ([(1, b"a")], {b"a": b""}, {"superseded": 1})
    assert one(journal, file()).version.digest == old.version.digest
    newer = one(journal, file(content=b"newer"))
    journal.give_up(old, "again")
    assert queued(journal) == [seq_of(newer)], "a version that came after is not touched"


def test_a_content_that_returns_is_a_version_of_its_own(journal: Journal) -> None:
    """A, B, A: three versions; the identity is the number, not the digest."""
    numbers = []
    for content in (b"A", b"B", b"A"):
        made = one(journal, file(content=content))
        journal.advance([(seq_of(made), State.REPLICATED, "")], durable=[digest_of(content)])
        numbers.append(seq_of(made))
    assert len(set(numbers)) == 3
    assert journal.counts() == {"replicated": 3}


def test_absence_of_what_was_never_there_is_nothing(journal: Journal) -> None:
    """A file that came and went between two looks leaves no trace but its dirty mark cleared."""
    journal.mark_dirty([(1, RelPath(b"a"))])
    assert journal.record([absent()]) == []
    assert journal.counts() == {}
    assert journal.n_dirty() == 0


def test_an_absent_path_stands_no_longer_and_can_return(journal: Journal) -> None:
    """Deletion is a version; so is the return."""
    one(journal, file())
    gone = one(journal, absent())
    assert gone.version.kind is Kind.ABSENT
    assert journal.signatures(1, ROOT) == {}
    assert one(journal, file()).version.kind is Kind.FILE


@pytest.mark.parametrize("instead", [absent(b"d"), file(b"d")])
def test_with_a_directory_goes_all_that_was_in_it(journal: Journal, instead: Observation) -> None:
    """A folder moved away and replaced by a link holds nothing any more, even where nobody saw its files go."""
    journal.record([directory(b"d"), file(b"d/x"), directory(b"d/e"), file(b"d/e/y"), file(b"d.jpg"), file(b"d0")])
    journal.record([instead])
    assert journal.below(1, RelPath(b"d")) == []
    assert {bytes(name) for name in journal.signatures(1, ROOT)} - {b"d"} == {b"d.jpg", b"d0"}
    gone = {d.version.path for d in journal.queued(after=0, limit=99) if d.version.kind is Kind.ABSENT}
    assert {b"d/x", b"d/e", b"d/e/y"} <= gone


def test_a_file_whose_directory_is_not_journalled_has_the_directory_looked_at(journal: Journal) -> None:
    """It may have been removed while the file was read; then what it held goes with it."""
    journal.record([file(b"d/x")])
    assert journal.dirty() == [(1, b"d")]
    journal.record([absent(b"d")])
    assert (journal.dirty(), journal.below(1, RelPath(b"d"))) == ([], [])
    assert [d.version.kind for d in journal.queued(after=0, limit=9)] == [Kind.ABSENT]
    journal.record([directory(b"e"), file(b"e/x")])
    assert journal.dirty() == []


def test_a_look_clears_the_dirty_mark_and_an_old_complaint(journal: Journal) -> None:
    """Whatever it found."""
    journal.mark_dirty([(1, RelPath(b"a"))])
    journal.note_unreadable(1, RelPath(b"a"), "Permission denied")
    assert journal.n_dirty() == 0
    journal.mark_dirty([(1, RelPath(b"a")), (1, RelPath(b"a"))])
    one(journal, file())
    assert (journal.dirty(), journal.unreadable()) == ([], [])


def test_dirty_paths_come_parents_first(journal: Journal) -> None:
    """And marking twice is marking once."""
    journal.mark_dirty([(1, RelPath(p)) for p in (b"b/c", b"b", b"", b"a\xff", b"b")])
    assert journal.dirty() == [(1, b""), (1, b"a\xff"), (1, b"b"), (1, b"b/c")]


def test_an_illegal_step_writes_nothing_of_its_batch(journal: Journal) -> None:
    """A bug is loud and changes nothing."""
    first, second = one(journal, file(b"a")), one(journal, file(b"b"))
    journal.advance([(seq_of(first), State.REPLICATED, "")])
    with pytest.raises(IllegalTransition):
        journal.advance([(seq_of(second), State.REPLICATED, ""), (seq_of(first), State.QUEUED, "")], durable=[digest_of(b"x")])
    assert journal.counts() == {"replicated": 1, "queued": 1}
    assert journal.durable_among([digest_of(b"x")]) == set()


def test_a_receipt_may_cross_with_the_change_that_gave_its_version_up(journal: Journal) -> None:
    """What is durable at the destination is durable."""
    old = one(journal, file())
    one(journal, file(content=b"two"))
    journal.advance([(seq_of(old), State.REPLICATED, "")], durable=[digest_of(b"one")])
    assert journal.counts() == {"replicated": 1, "queued": 1}
    assert journal.durable_among([digest_of(b"one"), digest_of(b"two")]) == {digest_of(b"one")}


def test_a_refusal_may_cross_with_the_change_that_gave_its_version_up(journal: Journal) -> None:
    """Then there is nothing left to name: the newer version will be judged by itself."""
    old = one(journal, file())
    one(journal, file(content=b"two"))
    journal.advance([(seq_of(old), State.QUARANTINED, "too_large: ...")])
    assert journal.counts() == {"superseded": 1, "queued": 1}
    assert journal.quarantined() == []


def test_a_refused_version_is_named_until_its_path_changes(journal: Journal) -> None:
    """The operator who mends the file is not reminded of it for ever."""
    refused = one(journal, file())
    journal.advance([(seq_of(refused), State.QUARANTINED, "invalid: no")])
    assert journal.record([file(signature=b"s2")]) == []
    assert journal.quarantined() == [(refused.version, "invalid: no")]
    one(journal, file(content=b"mended"))
    assert journal.quarantined() == []


def test_steps_of_a_number_that_is_gone_are_passed_over(journal: Journal) -> None:
    """The version was renumbered while its receipt was under way."""
    old = one(journal, file())
    journal.renumber(seq_of(old))
    journal.advance([(seq_of(old), State.REPLICATED, "")])
    assert journal.counts() == {"queued": 1}


def test_renumbering_keeps_everything_but_the_number(journal: Journal) -> None:
    """The path's entry follows, so a later change supersedes the right version."""
    old = one(journal, file(pinned=True))
    journal.renumber(seq_of(old))
    (new,) = journal.queued(after=0, limit=9)
    assert seq_of(new) > seq_of(old)
    assert (new.version.digest, new.version.path, new.pinned) == (old.version.digest, old.version.path, True)
    assert journal.record([file(signature=b"s9")]) == [], "the entry points at the new number"
    journal.renumber(seq_of(old))
    assert queued(journal) == [seq_of(new)], "a number that is gone is not numbered again"


def test_numbering_goes_on_behind_what_the_destination_knows(journal: Journal) -> None:
    """Before the first version, after some, and never backwards."""
    journal.number_from(41)
    assert seq_of(one(journal, file(b"a"))) == 42
    journal.number_from(7)
    assert seq_of(one(journal, file(b"b"))) == 43
    journal.number_from(100)
    assert seq_of(one(journal, file(b"c"))) == 101


def test_a_content_counts_as_durable_until_the_destination_denies_it(journal: Journal) -> None:
    """Then it is offered again."""
    digest = digest_of(b"one")
    journal.advance([(seq_of(one(journal, file())), State.REPLICATED, "")], durable=[digest, digest])
    assert journal.durable_among([digest]) == {digest}
    journal.forget_durable(digest)
    assert journal.durable_among([digest]) == set()
    assert journal.known(digest)
    assert not journal.known(Digest(bytes(32)))


def test_pins_are_needed_by_undelivered_versions_alone(journal: Journal) -> None:
    """Two versions of one content: the pin goes with the last."""
    first, second = one(journal, file(b"a", pinned=True)), one(journal, file(b"b", pinned=True))
    digest = digest_of(b"one")
    assert journal.pinned() == {digest}
    journal.advance([(seq_of(first), State.REPLICATED, "")])
    assert journal.needs_pin(digest)
    journal.advance([(seq_of(second), State.REPLICATED, "")])
    assert not journal.needs_pin(digest)
    assert journal.pinned() == set()


def test_the_backlog_counts_what_has_no_receipt(journal: Journal) -> None:
    """Bytes, and since when."""
    assert journal.backlog() == (0, 0)
    first = one(journal, file(b"a"))
    one(journal, file(b"b", b"longer"))
    assert journal.backlog() == (9, 5)
    journal.advance([(seq_of(first), State.QUARANTINED, "")])
    assert journal.backlog() == (6, 5)


def test_what_is_below_a_directory_is_found_at_any_depth_and_nothing_beside_it(journal: Journal) -> None:
    """Names that sort between `d` and `d/` are the trap."""
    journal.record([file(p) for p in (b"d/x", b"d/e/y", b"d-e/z", b"d.x", b"d0/q", b"e/d/x", b"d\xff/r")])
    assert sorted(journal.below(1, RelPath(b"d"))) == [b"d/e/y", b"d/x"]


def test_roots_are_told_apart_by_policy_and_name(journal: Journal) -> None:
    """And keep their numbers and devices."""
    other = journal.root("films", "library")
    assert other.id != 1
    assert journal.root("films", "library") == other
    journal.remember_device(other.id, 7)
    assert (journal.device(1), journal.device(other.id)) == (0, 7)


def test_words_are_remembered(journal: Journal) -> None:
    """The destination's name among them."""
    assert journal.meta("destination") == ""
    journal.set_meta("destination", "oslo-1")
    journal.set_meta("destination", "oslo-2")
    assert journal.meta("destination") == "oslo-2"
