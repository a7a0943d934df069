"""What a member's delta may be over."""

from __future__ import annotations

from common.ids import digest_of
from source_agent.bases import MOST_BASES, Bases, Candidate, NoBase, Wait, bases_of


def candidate(name: str, *, is_whole: bool = True, stands: bool = True, is_coming: bool = False) -> Candidate:
    """A picture like the member."""
    return Candidate(digest_of(name.encode()), is_whole, stands, is_coming)


THERE, OTHER = candidate("there"), candidate("other")


def test_the_first_that_the_destination_has_whole_and_a_file_here_has_is_tried_first() -> None:
    """And not more than a few."""
    assert bases_of([THERE, OTHER]) == Bases((THERE.digest, OTHER.digest))
    many = [candidate(str(n)) for n in range(9)]
    assert bases_of(many) == Bases(tuple(one.digest for one in many[:MOST_BASES]))
    unusable = [candidate("as a delta", is_whole=False), candidate("gone", stands=False)]
    assert bases_of([*unusable, THERE]) == Bases((THERE.digest,))


def test_the_picture_that_stands_for_the_group_is_waited_for_and_no_other() -> None:
    """It is the best base that there will be."""
    coming = candidate("coming", is_whole=False, is_coming=True)
    assert bases_of([coming, THERE]) == Wait()
    assert bases_of([THERE, coming]) == Bases((THERE.digest,))
    assert bases_of([coming, THERE], refused={coming.digest}) == Bases((THERE.digest,))


def test_without_a_base_the_reason_is_told() -> None:
    """It is counted, and says what could be done about it."""
    assert bases_of([]) == NoBase("no_base")
    assert bases_of([candidate("on no way", is_whole=False)]) == NoBase("no_base")
    assert bases_of([candidate("gone", stands=False)]) == NoBase("base_gone")
    assert bases_of([THERE], refused={THERE.digest}) == NoBase("refused")
