"""What is wanted of an offer."""

from __future__ import annotations

import pytest

from common.ids import digest_of
from common.model import Have, Offer, Refusal, RefusalCode, SendWhole, Staged
from dest_agent.planner import Room, plan

OFFER = Offer(digest_of(b"x"), 100)
ROOM = Room(content_bytes=100, free_bytes=1100, min_free_bytes=1000)


def test_a_content_that_is_held_need_not_be_sent() -> None:
    """Even where it would no longer be taken: a link costs nothing."""
    assert plan(OFFER, Room(1, 0, 1000), held=True, staged=None) == Have()


def test_a_content_that_fits_exactly_is_wanted_with_what_is_staged_of_it() -> None:
    """The hint goes along."""
    hint = Staged("raw", 5, digest_of(b"half"))
    assert plan(OFFER, ROOM, held=False, staged=hint) == SendWhole(hint)


@pytest.mark.parametrize(
    ("room", "code"),
    [
        (Room(99, 10**9, 0), RefusalCode.TOO_LARGE),
        (Room(100, 1099, 1000), RefusalCode.NO_SPACE),
        (Room(100, 0, 1000), RefusalCode.NO_SPACE),
    ],
)
def test_a_content_that_does_not_fit_is_refused_before_it_travels(room: Room, code: RefusalCode) -> None:
    """One byte too many, for the limit or for the disk."""
    answer = plan(OFFER, room, held=False, staged=None)
    assert isinstance(answer, Refusal)
    assert answer.code is code
