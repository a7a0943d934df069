"""Deltas and announcements on the wire: what goes comes, and what is over a limit does not."""

from __future__ import annotations

import pytest

from common.ids import VersionId, digest_of
from common.model import (
    DELTA,
    Announcement,
    Attributes,
    Begin,
    DeltaOffer,
    DeltaOver,
    Entry,
    Frame,
    Kind,
    Limits,
    Offer,
    Plan,
    Refusal,
    RefusalCode,
    SendDelta,
    Staged,
    Version,
)
from common.paths import relpath
from common.pb import replication_pb2 as pb
from common.wire.replication import (
    MAX_APPROXIMATION_BYTES,
    MAX_CODING_CHARS,
    announced_from_pb,
    announced_to_pb,
    announcements_from_pb,
    announcements_to_pb,
    frame_from_pb,
    frame_to_pb,
    offers_from_pb,
    offers_to_pb,
    plans_from_pb,
    plans_to_pb,
)
from common.wire.restoring import entries_from_pb, entries_to_pb
from common.wire.versions import MAX_SEQ

BASE = digest_of(b"base")
VERSION = Version(
    VersionId("lisbon-1", 7), "photos", "library", relpath(b"a.jpg"), Kind.FILE, Attributes(), 5, digest_of(b"x"), size=1
)
ANNOUNCED = Announcement(VERSION, BASE, b"\0rough\xff")


def test_offers_plans_and_uploads_of_deltas_come_as_they_went() -> None:
    """Field by field, with a hint and without."""
    offers = [Offer(digest_of(b"a"), 7, delta=DeltaOffer(BASE, "zstd-patch", 5)), Offer(digest_of(b"b"), 8)]
    assert offers_from_pb(offers_to_pb(offers), Limits()) == offers
    hint = Staged(DELTA, 3, digest_of(b"half"))
    plans = [Plan(BASE, SendDelta(hint)), Plan(BASE, SendDelta()), Plan(BASE, Refusal(RefusalCode.BAD_BASE, "not here"))]
    assert plans_from_pb(plans_to_pb(plans)) == plans
    begin: Frame = Begin(VERSION, DELTA, 5, 2, BASE, "zstd-patch")
    assert frame_from_pb(frame_to_pb(begin), Limits(), agent="lisbon-1") == begin
    entry = Entry(VERSION, 9, DeltaOver(BASE, "zstd-patch", 5))
    assert entries_from_pb(entries_to_pb([entry])) == [entry]


@pytest.mark.parametrize(
    "bad",
    [
        pb.DeltaOffer(base=BASE, method="m" * (MAX_CODING_CHARS + 1)),
        pb.DeltaOffer(base=BASE),
        pb.DeltaOffer(base=BASE[:-1], method="m"),
        pb.DeltaOffer(base=BASE, method="m", bytes=MAX_SEQ + 1),
    ],
)
def test_an_offer_of_a_delta_that_breaks_a_limit_is_refused(bad: pb.DeltaOffer) -> None:
    """A base is a digest, a method has a name."""
    with pytest.raises(ValueError, match=r"delta|digest"):
        offers_from_pb(pb.OfferBatch(offers=[pb.Offer(digest=BASE, size=1, delta=bad)]), Limits())


@pytest.mark.parametrize(
    ("field", "value"), [("base", b""), ("base", b"short"), ("method", "m" * (MAX_CODING_CHARS + 1)), ("coding", "zstd")]
)
def test_a_begin_of_a_delta_that_breaks_a_rule_is_refused(field: str, value: object) -> None:
    """A delta has a base, and nothing else has one."""
    message = frame_to_pb(Begin(VERSION, DELTA, 5, 0, BASE, "zstd-patch"))
    setattr(message.begin, field, value)
    with pytest.raises(ValueError, match=r"base|digest|limit"):
        frame_from_pb(message, Limits(), agent="lisbon-1")


def test_announcements_come_as_they_went_and_each_is_answered() -> None:
    """Kept or not: the source only hears that it was heard."""
    assert announcements_from_pb(announcements_to_pb([ANNOUNCED]), Limits(), agent="lisbon-1") == [ANNOUNCED]
    for kept in ([7], []):
        assert announced_from_pb(announced_to_pb([ANNOUNCED], kept)) == [7]


def test_an_announcement_that_breaks_a_limit_is_refused() -> None:
    """Of what is announced, of how much, and of how many at once."""
    long = announcements_to_pb([Announcement(VERSION, BASE, bytes(MAX_APPROXIMATION_BYTES + 1))])
    nothing = announcements_to_pb([ANNOUNCED])
    nothing.announcements[0].version.kind = pb.DIRECTORY
    nothing.announcements[0].version.digest = b""
    no_base = announcements_to_pb([ANNOUNCED])
    no_base.announcements[0].base = b""
    many = pb.AnnouncementBatch(announcements=[pb.Announcement()] * (Limits().batch + 1))
    for bad in (long, nothing, no_base, many):
        with pytest.raises(ValueError, match=r"approximation|content|digest|batch"):
            announcements_from_pb(bad, Limits(), agent="lisbon-1")
    with pytest.raises(ValueError, match="batch"):
        announced_from_pb(pb.AnnouncedBatch(kept=range(Limits().batch + 1)))
