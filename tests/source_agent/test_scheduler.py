"""The order of deliveries, their lanes, and which contents count as pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath
from source_agent.deliveries import Delivery
from source_agent.scheduler import BULK_BYTES, Lane, in_order, lane_of, weight
from source_agent.selection import is_image, role_of
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


@pytest.mark.parametrize(
    "head",
    [
        pictures.jpeg(1, (16, 16))[:64],
        pictures.png(1, (16, 16))[:64],
        b"GIF89a" + bytes(10),
        b"BM" + bytes(10),
        b"II*\x00",
        b"MM\x00*",
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        b"\x00\x00\x00\x18ftypheic",
        b"\x00\x00\x00\x18ftypavif",
    ],
)
def test_pictures_are_known_by_their_first_bytes(head: bytes) -> None:
    """A picture stands for itself until groups are recognised."""
    assert is_image(head)
    assert role_of(head) is Role.REPRESENTATIVE


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"RIFF\x10\x00\x00\x00WAVE", b"\x00\x00\x00\x18ftypisom", b"%PDF-1.7", b"x\xff\xd8\xff"]
)
def test_everything_else_has_no_role(head: bytes) -> None:
    """Sound, film, text and nothing at all."""
    assert role_of(head) is Role.NONE
