"""What a peer may write into a message: every field has a limit, and nothing that the kernel could not have said passes."""

from __future__ import annotations

import pytest

from common.model import Attributes, Kind, Limits
from common.paths import MAX_PATH_BYTES
from common.pb import replication_pb2 as pb
from common.wire.replication import offers_from_pb, plans_from_pb, receipts_from_pb
from common.wire.versions import (
    MAX_OWNER_CHARS,
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
