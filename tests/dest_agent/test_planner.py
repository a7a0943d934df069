"""What is wanted of an offer."""

from __future__ import annotations

import pytest

from common.ids import digest_of
from common.model import (
    Covered,
    DeltaOffer,
    DeltaOver,
    Have,
    Match,
    Offer,
    Recipe,
    Refusal,
    RefusalCode,
    SendDelta,
    SendWhole,
    Sketch,
    Staged,
    Whole,
)
from dest_agent.planner import DELTA_METHODS, Known, Room, plan

OFFER = Offer(digest_of(b"x"), 100)
ROOM = Room(content_bytes=100, free_bytes=1100, min_free_bytes=1000)


def test_a_content_that_is_held_need_not_be_sent() -> None:
    """Even where it would no longer be taken: a link costs nothing."""
    assert plan(OFFER, Room(1, 0, 1000), Known(held=True)) == Have()


def test_a_content_that_fits_exactly_is_wanted_with_what_is_staged_of_it() -> None:
    """The hint goes along."""
    hint = Staged("raw", 5, digest_of(b"half"))
    assert plan(OFFER, ROOM, Known(held=False, staged=hint)) == SendWhole(hint)


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
    answer = plan(OFFER, room, Known(held=False))
    assert isinstance(answer, Refusal)
    assert answer.code is code


OFFERED = Sketch(b"", n_features=300, pixels=1000, n_metadata=10)


def match(n_features: int, pixels: int, n_metadata: int, size: int) -> Match:
    """A held picture of a richness."""
    sketch = Sketch(b"", n_features, pixels, n_metadata)
    return Match(digest_of(repr((sketch, size)).encode()), size, sketch, sd=0.5, inliers=20)


@pytest.mark.parametrize(
    ("held", "covers"),
    [
        (match(301, 1, 0, 1), True),
        (match(299, 9999, 99, 999), False),
        (match(300, 1001, 0, 1), True),
        (match(300, 999, 99, 999), False),
        (match(300, 1000, 11, 1), True),
        (match(300, 1000, 9, 999), False),
        (match(300, 1000, 10, 101), True),
        (match(300, 1000, 10, 100), False),
        (match(300, 1000, 10, 99), False),
    ],
)
def test_a_richer_picture_covers(held: Match, covers: bool) -> None:
    """Most features, then pixels, metadata, bytes; an equal one does not, or two sources would cover each other."""
    offer = Offer(digest_of(b"x"), 100, OFFERED)
    answer = plan(offer, ROOM, Known(held=False, matches=[held]))
    assert answer == (Covered((held,)) if covers else SendWhole())


def test_the_richer_ones_of_several_cover_in_their_order() -> None:
    """The poorer ones are nobody's business."""
    best, poor, good = match(400, 1, 1, 1), match(1, 1, 1, 1), match(399, 1, 1, 1)
    offer = Offer(digest_of(b"x"), 100, OFFERED)
    assert plan(offer, ROOM, Known(held=False, matches=[best, poor, good])) == Covered((best, good))


def test_what_is_held_or_does_not_fit_is_never_covered() -> None:
    """The exact copy is better than any; and a member takes room too."""
    offer = Offer(digest_of(b"x"), 100, OFFERED)
    rich = [match(400, 1, 1, 1)]
    assert plan(offer, ROOM, Known(held=True, matches=rich)) == Have()
    assert isinstance(plan(offer, Room(99, 10**9, 0), Known(held=False, matches=rich)), Refusal)


def test_an_offer_without_a_sketch_is_never_covered() -> None:
    """It means: send it anyway."""
    assert plan(OFFER, ROOM, Known(held=False, matches=[match(400, 1, 1, 1)])) == SendWhole()


BASE = digest_of(b"base")
A_METHOD = DELTA_METHODS[0]


def test_a_delta_over_a_whole_base_is_wanted_with_what_is_staged_of_it() -> None:
    """The hint is of an earlier attempt at a delta."""
    offer = Offer(digest_of(b"x"), 100, delta=DeltaOffer(BASE, A_METHOD, 10))
    hint = Staged("delta", 5, digest_of(b"half"))
    assert plan(offer, ROOM, Known(held=False, staged=hint, base=Whole("raw", 7))) == SendDelta(hint)
    assert plan(offer, ROOM, Known(held=True, base=Whole("raw", 7))) == Have()


@pytest.mark.parametrize(
    ("base", "method", "word"),
    [
        (None, A_METHOD, "not here"),
        (DeltaOver(digest_of(b"its base"), A_METHOD, 5), A_METHOD, "delta itself"),
        (Whole("raw", 7), "clairvoyance", "not known"),
        (Whole("raw", 7), "raw", "not known"),
    ],
)
def test_a_delta_over_anything_else_is_refused(base: Recipe | None, method: str, word: str) -> None:
    """A delta depends on one content, never on a chain of them; and a coding that needs no base is no method."""
    offer = Offer(digest_of(b"x"), 100, delta=DeltaOffer(BASE, method, 10))
    answer = plan(offer, ROOM, Known(held=False, base=base))
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.BAD_BASE
    assert word in answer.reason
