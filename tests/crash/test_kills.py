"""The recovery contract: kill a program at any boundary, start it again, and nothing is lost and no receipt was false.

For each point of `CRASH_POINTS` the process that passes it is killed there twice, at the first time that it comes by and at
a later one. Each time, before anything is started again, the source's journal is held against what the destination has on
disk. Then both run to the end: `verify` is clean, and a restore is the source.
"""

from __future__ import annotations

import pytest

from common.durable import CRASH_POINTS
from tests.fakes.compare import differences
from tests.fakes.pictures import jpeg
from tests.fakes.receipts import broken_recipes, false_receipts, n_replicated
from tests.fakes.scenes import encoded, scene
from tests.fakes.sites import POLICY, Sites, sites, until
from tests.fakes.trees import write_library, write_links

pytestmark = pytest.mark.timeout(400)
"""Deltas are made, on whatever machine this is."""

LATER = {"S1": 2, "S2": 7, "S3": 2, "G1": 1, "E1": 2, "E2": 2, "S4": 2, "S5": 4}
LATER |= {"D1": 6, "D2": 6, "D3": 3, "D4": 5, "D5": 5, "R1": 9}
"""How often a point is passed before the second kill, in what the first one left to do."""
AS_DELTA = {"S2": 3, "G1": 1, "E1": 3, "E2": 3, "S4": 2, "S5": 3, "D1": 3, "D2": 4, "D3": 2, "D4": 3, "D5": 4}
"""Likewise, of a photo and many like it: by then deltas travel."""


def both_roots(at: Sites) -> None:
    """Two roots, so that the source marks twice; many links, so that it journals in several batches; copies as pins."""
    write_library(at.library)
    write_links(at.folder / "links")
    roots = [str(at.library), str(at.folder / "links")]
    at.policies = [{"name": POLICY, "roots": roots, "pin": "copy"}]
    at.dial(at.port)


def nothing_is_lost(at: Sites) -> None:
    """The checks after the end: the destination proves all it has, and gives back what the source has."""
    assert false_receipts(at) == []
    assert broken_recipes(at) == []
    assert at.verify()["problems"] == []
    restored = at.restore()
    assert differences(at.library, restored / "library") == []
    assert differences(at.folder / "links", restored / "links") == []


def test_every_boundary_has_its_kill() -> None:
    """A boundary without a kill is a promise that nobody ever called in."""
    assert tuple(LATER) == CRASH_POINTS


@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if point.startswith(("S", "G"))])
def test_a_source_killed_at_a_boundary_loses_nothing(point: str) -> None:
    """What was marked, pinned, journalled or delivered before the kill is found again or done again."""
    with sites() as at:
        both_roots(at)
        at.dest()
        for late, n in enumerate((1, LATER[point])):
            (at.library / f"late {late}.jpg").write_bytes(jpeg(900 + late))
            once = at.once_started("tests.fakes.crashing", point, str(n))
            assert once.killed() == f"{point} {n}"
            assert false_receipts(at) == []
        at.once()
        nothing_is_lost(at)
        assert not any((at.journal.parent / "pins").iterdir()), "a pin outlived its delivery"


def write_many_alike(at: Sites) -> None:
    """A photo and nine pictures made of it."""
    shot = scene(1, (640, 480))
    (at.library / "original.jpg").write_bytes(encoded(shot, quality=94))
    for quality in range(60, 87, 3):
        (at.library / f"again-{quality}.jpg").write_bytes(encoded(shot, quality=quality))


def deltas_are_there(at: Sites) -> None:
    """The checks after the end: everything is there, most of it as deltas, and nothing lies about at the source."""
    assert false_receipts(at) == []
    assert broken_recipes(at) == []
    assert at.verify()["problems"] == []
    assert differences(at.library, at.restore()) == []
    assert sum("base" in entry for entry in at.ls()) >= 8
    state = at.journal.parent
    assert not any((state / "pins").iterdir()), "a pin outlived its delivery"
    assert not any((state / "deltas").iterdir()), "a delta outlived its receipt"


@pytest.mark.parametrize("point", [point for point in AS_DELTA if not point.startswith("D")])
def test_a_source_killed_with_deltas_in_hand_loses_nothing(point: str) -> None:
    """What was made is sent from where it is kept; what was not journalled is made again."""
    with sites() as at:
        write_many_alike(at)
        at.dest()
        for late, n in enumerate((1, AS_DELTA[point])):
            (at.library / f"late {late}.jpg").write_bytes(encoded(scene(1, (640, 480)), quality=50 + late))
            once = at.once_started("tests.fakes.crashing", point, str(n))
            assert once.killed() == f"{point} {n}"
            assert false_receipts(at) == []
        at.once()
        deltas_are_there(at)


@pytest.mark.parametrize("point", [point for point in AS_DELTA if point.startswith("D")])
def test_a_destination_killed_with_deltas_on_their_way_breaks_no_receipt(point: str) -> None:
    """The first kill is before its base is there, or just then; the second among the deltas."""
    with sites() as at:
        write_many_alike(at)
        dest = at.dest("tests.fakes.crashing", point, "2")
        once = at.once_started()
        assert dest.killed() == f"{point} 2"
        assert false_receipts(at) == []
        assert broken_recipes(at) == []
        dest = at.dest("tests.fakes.crashing", point, str(AS_DELTA[point]))
        assert dest.killed() == f"{point} {AS_DELTA[point]}"
        assert false_receipts(at) == []
        assert broken_recipes(at) == []
        at.dest()
        assert once.wait().code == 0
        deltas_are_there(at)
        assert not any(path.is_file() for path in (at.objects / "staging").rglob("*")), "staged bytes outlived their content"


@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if point.startswith("D")])
def test_a_destination_killed_at_a_boundary_breaks_no_receipt(point: str) -> None:
    """The source goes on by itself when the destination is back, and was told of nothing that is not there."""
    with sites() as at:
        both_roots(at)
        dest = at.dest("tests.fakes.crashing", point, "1")
        once = at.once_started()
        assert dest.killed() == f"{point} 1"
        assert false_receipts(at) == []
        assert broken_recipes(at) == []
        dest = at.dest("tests.fakes.crashing", point, str(LATER[point]))
        assert dest.killed() == f"{point} {LATER[point]}"
        assert false_receipts(at) == []
        assert broken_recipes(at) == []
        at.dest()
        assert once.wait().code == 0
        assert n_replicated(at) == len(at.ls("--all-versions"))
        nothing_is_lost(at)
        assert not any(path.is_file() for path in (at.objects / "staging").rglob("*")), "staged bytes outlived their content"


def test_a_restore_killed_before_it_names_a_file_is_completed_by_the_next() -> None:
    """No file stands under its own name before it is whole, and what a killed restore left is taken away."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        at.once()
        to = at.folder / "restored"
        for n in (1, LATER["R1"]):
            arguments = ("restore", *at.asks_dest, "--policy", POLICY, "--to", str(to))
            killed = at.start("smarter", *arguments, launcher=("tests.fakes.crashing", "R1", str(n)))
            assert killed.killed() == f"R1 {n}"
            parts = [line for line in differences(at.library, to) if "size" in line or "sha256" in line]
            assert parts == [], "a part of a file stands under the name of the whole"
        at.restore(to=to)
        assert differences(at.library, to) == []


def test_both_sites_killed_together_lose_nothing() -> None:
    """As in a power cut that takes a whole building: destination and source, in the middle of it."""
    with sites() as at:
        both_roots(at)
        dest = at.dest()
        once = at.once_started()
        until(lambda: n_replicated(at) > 5, "the first receipts are journalled")
        dest.kill()
        once.kill()
        assert false_receipts(at) == []
        at.dest()
        at.once()
        nothing_is_lost(at)
