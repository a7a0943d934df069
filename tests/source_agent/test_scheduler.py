"""The order of deliveries, their lanes, and which contents count as pictures."""

from __future__ import annotations

from dataclasses import replace

from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from source_agent.deliveries import Delivery
from source_agent.scheduler import BULK_BYTES, Lane, in_order, lane_of, weight
from source_agent.selection import role_of
from tests.fakes import pictures

VERSION = Version(
    id=VersionId("lisbon-1", 1),
    policy="photos",
    root="library",
    path=RelPath(b"a"),
    kind=Kind.FILE,
    attributes=Attributes(),
    observed_ns=1,
    digest=digest_of(b"a"),
    size=1,
)


def delivery(seq: int, role: Role = Role.NONE, size: int = 1) -> Delivery:
    """A delivery that differs in what the scheduler looks at."""
    return Delivery(replace(VERSION, id=VersionId("lisbon-1", seq), role=role, size=size), root=1, pinned=False)


def test_representatives_go_first_and_each_class_in_the_order_it_was_seen() -> None:
    """The picture that stands for a group protects most."""
    mixed = [delivery(1), delivery(4, Role.REPRESENTATIVE), delivery(2, Role.MEMBER), delivery(3, Role.REPRESENTATIVE)]
    assert [d.version.id.seq for d in in_order(mixed)] == [3, 4, 1, 2]


def test_only_what_is_larger_than_the_bound_takes_the_bulk_lane() -> None:
    """The bound itself is prompt."""
    assert lane_of(delivery(1, size=BULK_BYTES)) is Lane.PROMPT
    assert lane_of(delivery(1, size=BULK_BYTES + 1)) is Lane.BULK


def test_one_bulk_content_cannot_fill_the_room_of_all() -> None:
    """It counts nothing: its lane takes one at a time."""
    assert weight(delivery(1, size=BULK_BYTES * 1000)) == 0
    assert weight(delivery(1, size=7)) == 7


def test_pictures_stand_for_themselves_and_everything_else_has_no_role() -> None:
    """Until groups are recognised."""
    assert role_of(pictures.jpeg(1, (16, 16))[:64]) is Role.REPRESENTATIVE
    assert role_of(b"%PDF-1.7") is Role.NONE
