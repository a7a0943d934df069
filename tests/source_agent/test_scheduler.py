"""The order of deliveries, their lanes, and which contents count as pictures."""

from __future__ import annotations

from dataclasses import replace

from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from source_agent.deliveries import Delivery
from source_agent.scheduler import BULK_BYTES, MOST_MEMBERS, STREAMS, Lane, Room, in_order, lane_of, weight
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


def test_each_class_has_streams_of_its_own() -> None:
    """What is very large, too; members of any size keep to themselves, for their hour may be over in the middle."""
    assert lane_of(delivery(1, Role.REPRESENTATIVE, size=BULK_BYTES)) is Lane.PROMPT
    assert lane_of(delivery(1, size=BULK_BYTES)) is Lane.PLAIN
    assert lane_of(delivery(1, size=BULK_BYTES + 1)) is Lane.BULK
    assert lane_of(delivery(1, Role.REPRESENTATIVE, size=BULK_BYTES + 1)) is Lane.BULK
    assert lane_of(delivery(1, Role.MEMBER, size=BULK_BYTES + 1)) is Lane.DEFERRED
    assert set(STREAMS) == set(Lane)


def test_other_contents_in_flight_keep_no_representative_out() -> None:
    """They have room of their own, of which half must be free again before more of them are taken up."""
    room, plain = Room(100), [delivery(n, size=30) for n in range(4)]
    seen = []
    for one in plain:
        room.enter(one)
    for one in plain[:3]:
        seen.append((room.plain_is_full, room.is_full))
        room.leave(one)
    assert [*seen, (room.plain_is_full, room.is_full)] == [(True, False)] * 3 + [(False, False)]
    room.enter(delivery(9, Role.REPRESENTATIVE, size=101))
    assert room.is_full


def test_few_members_are_taken_up_and_none_while_a_representative_is_in_flight() -> None:
    """What is in flight cannot be called back."""
    room = Room(100)
    for n in range(MOST_MEMBERS):
        assert room.for_members == MOST_MEMBERS - n
        room.enter(delivery(n, Role.MEMBER, size=1000))
    assert room.for_members == 0
    assert not room.is_full
    room.leave(delivery(0, Role.MEMBER, size=1000))
    room.enter(delivery(99, Role.REPRESENTATIVE))
    assert room.for_members == 0


def test_one_bulk_content_cannot_fill_the_room_of_all() -> None:
    """It counts nothing: its lane takes one at a time."""
    assert weight(delivery(1, size=BULK_BYTES * 1000)) == 0
    assert weight(delivery(1, size=7)) == 7


def test_pictures_stand_for_themselves_and_everything_else_has_no_role() -> None:
    """Until groups are recognised."""
    assert role_of(pictures.jpeg(1, (16, 16))[:64]) is Role.REPRESENTATIVE
    assert role_of(b"%PDF-1.7") is Role.NONE
