"""What a peer may write into a message: every field has a limit, and nothing that the kernel could not have said passes."""

from __future__ import annotations

import pytest

from common.ids import digest_of
from common.model import Attributes, Covered, Kind, Limits, Match, Offer, Plan, Sketch
from common.paths import MAX_PATH_BYTES
from common.pb import replication_pb2 as pb
from common.wire.replication import (
    MAX_COUNT,
    MAX_MATCHES,
    MAX_SKETCH_BYTES,
    offers_from_pb,
    offers_to_pb,
    plans_from_pb,
    plans_to_pb,
    receipts_from_pb,
)
from common.wire.versions import (
    MAX_OWNER_CHARS,
    MAX_SEQ,
    MAX_XATTR_NAME_BYTES,
    MAX_XATTR_VALUE_BYTES,
    MAX_XATTRS,
    MAX_XATTRS_BYTES,
    attributes_from_pb,
    attributes_to_pb,
    version_from_pb,
)


@pytest.mark.parametrize(
    "bad",
    [
        Attributes(mode=0o10000),
        Attributes(user="u" * (MAX_OWNER_CHARS + 1)),
        Attributes(group="g" * (MAX_OWNER_CHARS + 1)),
        Attributes(target=b"t" * (MAX_PATH_BYTES + 1)),
        Attributes(target=b"/etc\0/passwd"),
        Attributes(xattrs=((b"user.a\0b", b"v"),)),
        Attributes(xattrs=((b"n" * (MAX_XATTR_NAME_BYTES + 1), b""),)),
        Attributes(xattrs=((b"user.v", b"v" * (MAX_XATTR_VALUE_BYTES + 1)),)),
        Attributes(xattrs=tuple((b"user.%d" % n, b"") for n in range(MAX_XATTRS + 1))),
        Attributes(xattrs=tuple((b"user.%d" % n, bytes(MAX_XATTR_VALUE_BYTES)) for n in range(MAX_XATTRS_BYTES >> 16))),
    ],
)
def test_attributes_over_a_limit_are_refused(bad: Attributes) -> None:
    """At both ends: a destination keeps none of them, a restore sets none of them."""
    with pytest.raises(ValueError, match=r"limit|NUL"):
        attributes_from_pb(attributes_to_pb(bad))


def test_every_value_of_an_attribute_may_have_every_byte() -> None:
    """Values are the user's own; only names end at a NUL."""
    good = Attributes(mode=0o7777, mtime_ns=-(1 << 63), target=b"\xff\n", xattrs=((b"user.\xff", bytes(range(256))),))
    assert attributes_from_pb(attributes_to_pb(good)) == good


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", 0),
        ("seq", 1 << 63),
        ("size", 1 << 63),
        ("policy", ".."),
        ("policy", ""),
        ("root", "a/b"),
        ("root", "\x1b[31m"),
        ("root", "\N{PILE OF POO}" * 64),
        ("path", b"/etc/passwd"),
        ("path", b"a/../b"),
        ("path", b"a//b"),
        ("path", b"a\0b"),
        ("path", b"d/" * 600 + b"x"),
        ("path", b"n" * 256),
        ("kind", 0),
        ("kind", 77),
        ("digest", b"short"),
        ("digest", b""),
    ],
)
def test_a_version_with_a_bad_field_is_refused(field: str, value: object) -> None:
    """One bad field is enough; a root's name must also be one that a folder can have."""
    message = pb.Version(seq=1, policy="p", root="r", path=b"x", kind=pb.FILE, digest=bytes(32))
    assert version_from_pb(message, agent="lisbon-1").kind is Kind.FILE
    setattr(message, field, value)
    with pytest.raises(ValueError, match=r"."):
        version_from_pb(message, agent="lisbon-1")


def test_a_batch_of_more_entries_than_were_agreed_is_refused_unread() -> None:
    """A message of a mebibyte may hold half a million empty entries; in both directions."""
    many = Limits().batch + 1
    with pytest.raises(ValueError, match="a batch of"):
        offers_from_pb(pb.OfferBatch(offers=[pb.Offer()] * many), Limits())
    with pytest.raises(ValueError, match="a batch of"):
        plans_from_pb(pb.PlanBatch(plans=[pb.Plan()] * many))
    with pytest.raises(ValueError, match="a batch of"):
        receipts_from_pb(pb.ReceiptBatch(receipts=[pb.Receipt()] * many))


SKETCH = Sketch(b"coarse", n_features=400, pixels=12_000_000, n_metadata=40)


def test_offers_with_and_without_a_sketch_come_as_they_went() -> None:
    """No sketch and an empty one are two things: only the first means "send it anyway"."""
    offers = [Offer(digest_of(b"a"), 7, SKETCH), Offer(digest_of(b"b"), 8, Sketch(b"", 0, 0, 0)), Offer(digest_of(b"c"), 9)]
    assert offers_from_pb(offers_to_pb(offers), Limits()) == offers


def test_a_covered_plan_comes_as_it_went() -> None:
    """Every match with its sketch, the best first."""
    matches = tuple(Match(digest_of(b"%d" % n), n, SKETCH, sd=n / 8, inliers=n) for n in range(MAX_MATCHES, 0, -1))
    plan = Plan(digest_of(b"a"), Covered(matches))
    assert plans_from_pb(plans_to_pb([plan])) == [plan]


@pytest.mark.parametrize(
    "bad",
    [
        pb.Sketch(features=bytes(MAX_SKETCH_BYTES + 1)),
        pb.Sketch(n_features=MAX_COUNT + 1),
        pb.Sketch(n_metadata=MAX_COUNT + 1),
        pb.Sketch(pixels=MAX_SEQ + 1),
    ],
)
def test_a_sketch_over_a_limit_is_refused_in_both_directions(bad: pb.Sketch) -> None:
    """Limits come before anything is read; in an offer as in a match."""
    with pytest.raises(ValueError, match="sketch"):
        offers_from_pb(pb.OfferBatch(offers=[pb.Offer(digest=bytes(32), sketch=bad)]), Limits())
    covered = pb.Covered(matches=[pb.Match(digest=bytes(32), sketch=bad)])
    with pytest.raises(ValueError, match="sketch"):
        plans_from_pb(pb.PlanBatch(plans=[pb.Plan(digest=bytes(32), covered=covered)]))


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        ([], "no picture"),
        ([pb.Match(digest=bytes(32))] * (MAX_MATCHES + 1), "matches"),
        ([pb.Match(digest=b"short")], "digest"),
        ([pb.Match(digest=bytes(32), sd=1.5)], "degree"),
        ([pb.Match(digest=bytes(32), sd=-0.1)], "degree"),
        ([pb.Match(digest=bytes(32), sd=float("nan"))], "degree"),
        ([pb.Match(digest=bytes(32), inliers=MAX_COUNT + 1)], "inliers"),
        ([pb.Match(digest=bytes(32), size=MAX_SEQ + 1)], "size"),
    ],
)
def test_a_covered_plan_that_makes_no_sense_is_refused(matches: list[pb.Match], said: str) -> None:
    """A destination is trusted with nothing but its receipts."""
    with pytest.raises(ValueError, match=said):
        plans_from_pb(pb.PlanBatch(plans=[pb.Plan(digest=bytes(32), covered=pb.Covered(matches=matches))]))
