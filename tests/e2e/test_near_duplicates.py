"""Near-duplicates through both agents: what stands for each group first, the others after it, and all of it bit for bit."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import pytest

from common.model import Role
from tests.fakes.compare import differences
from tests.fakes.scenes import encoded, scene
from tests.fakes.sites import Sites, sites, until

LISBON, PORTO = "lisbon-1", "porto-1"
pytestmark = pytest.mark.timeout(400)
"""Deltas are made, on whatever machine this is."""

N_SCENES = 6
TOGETHER = {"sources": [{"name": LISBON, "namespace": "family"}, {"name": PORTO, "namespace": "family"}]}


def received(at: Sites) -> list[tuple[str, str]]:
    """Path and role of every file in the order in which the destination committed them."""
    with closing(sqlite3.connect(at.catalogue)) as db:
        query = "SELECT path, role FROM versions WHERE digest IS NOT NULL ORDER BY received_ns, seq"
        return [(path.decode(), role) for path, role in db.execute(query)]


def write_pictures(at: Sites) -> None:
    """Scenes, each as it was taken, smaller, encoded again and copied, in folders that are read in an unlucky order."""
    for folder in ("a-small", "b-again", "c-original", "d-copies"):
        (at.library / folder).mkdir()
    for seed in range(N_SCENES):
        picture = scene(seed, (800, 600))
        original = encoded(picture, quality=92)
        (at.library / f"a-small/{seed}.jpg").write_bytes(encoded(picture.resize((400, 300))))
        (at.library / f"b-again/{seed}.png").write_bytes(encoded(picture.resize((640, 480)), "PNG"))
        (at.library / f"c-original/{seed}.jpg").write_bytes(original)
        (at.library / f"d-copies/{seed}.jpg").write_bytes(original)


def _is_there(at: Sites, path: str) -> bool:
    return path in dict(received(at))


def test_no_members_bytes_travel_before_every_representatives() -> None:
    """The counts are the truth, the originals stand for the others, and the restore is the source."""
    with sites() as at:
        write_pictures(at)
        at.dest()
        once = at.once()
        counts = {name: once[name] for name in ("representatives", "members", "exact_duplicates")}
        assert counts == {"representatives": N_SCENES, "members": 2 * N_SCENES, "exact_duplicates": N_SCENES}
        order = received(at)
        uploads = [role for path, role in order if not path.startswith("d-copies")]
        assert uploads == [Role.REPRESENTATIVE] * N_SCENES + [Role.MEMBER] * 2 * N_SCENES
        assert {path for path, role in order if role == Role.REPRESENTATIVE} == {
            f"{folder}/{seed}.jpg" for folder in ("c-original", "d-copies") for seed in range(N_SCENES)
        }
        assert at.dest_status()["pictures"] == N_SCENES
        assert differences(at.library, at.restore()) == []


def test_a_daemon_delivers_a_picture_and_then_those_like_it() -> None:
    """A better one that comes later goes whole as well, and stands for those that come after."""
    with sites(policy={"settle": 0.05}) as at:
        at.dest()
        source = at.source()
        picture = scene(1, (800, 600))
        landing = {"small.jpg": picture.resize((400, 300)), "original.jpg": picture, "middle.jpg": picture.resize((600, 450))}
        for name, one in landing.items():
            (at.library / name).write_bytes(encoded(one))
            until(partial(_is_there, at, name), f"{name} is delivered", seconds=90)
        assert dict(received(at)) == {
            "small.jpg": Role.REPRESENTATIVE,
            "original.jpg": Role.REPRESENTATIVE,
            "middle.jpg": Role.MEMBER,
        }
        assert source.stop() == 0
        assert differences(at.library, at.restore()) == []


def test_what_a_sister_source_delivered_makes_poorer_pictures_members() -> None:
    """In one namespace; the richer ones still go first, and each source restores all of its own."""
    with sites(sources=(LISBON, PORTO), in_dest=TOGETHER) as at:
        picture = scene(1, (800, 600))
        (at.library_of(LISBON) / "original.jpg").write_bytes(encoded(picture, quality=92))
        (at.library_of(PORTO) / "small.jpg").write_bytes(encoded(picture.resize((400, 300))))
        (at.library_of(PORTO) / "other.jpg").write_bytes(encoded(scene(2, (800, 600))))
        at.dest()
        at.once(name=LISBON)
        second = at.once(name=PORTO)
        assert (second["representatives"], second["members"]) == (1, 1)
        assert dict(received(at)) == {
            "original.jpg": Role.REPRESENTATIVE,
            "other.jpg": Role.REPRESENTATIVE,
            "small.jpg": Role.MEMBER,
        }


def test_a_stranger_never_learns_that_a_picture_is_there() -> None:
    """Without a common namespace the same two sources know nothing of one another."""
    with sites(sources=(LISBON, PORTO)) as at:
        picture = scene(1, (800, 600))
        (at.library_of(LISBON) / "original.jpg").write_bytes(encoded(picture, quality=92))
        (at.library_of(PORTO) / "small.jpg").write_bytes(encoded(picture.resize((400, 300))))
        at.dest()
        at.once(name=LISBON)
        second = at.once(name=PORTO)
        assert (second["representatives"], second["members"]) == (1, 0)
