"""Members as deltas, through real agents: what is sent, kept and given back, and what becomes of a member without a base."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fakes.compare import differences
from tests.fakes.receipts import broken_recipes, false_receipts
from tests.fakes.scenes import encoded, scene
from tests.fakes.sites import Sites, sites, until

pytestmark = pytest.mark.timeout(400)
"""Deltas are made, on whatever machine this is."""

SIZE = (960, 720)


def write_family(folder: Path, *, seed: int = 1) -> list[str]:
    """A photo and six pictures made of it; the names of those."""
    shot = scene(seed, SIZE)
    stripped = encoded(shot, quality=93)
    (folder / "original.jpg").write_bytes(stripped[:2] + b"\xff\xfe\x00\x08a word" + stripped[2:])
    family = {
        "again.jpg": encoded(shot, quality=80),
        "small.jpg": encoded(shot.resize((480, 360)), quality=85),
        "cut.jpg": encoded(shot.crop((64, 32, 864, 632)), quality=88),
        "turned.jpg": encoded(shot.rotate(90, expand=True), quality=85),
        "stripped.jpg": stripped,
        "lossless.png": encoded(shot.resize((640, 480)), "PNG"),
    }
    for name, content in family.items():
        (folder / name).write_bytes(content)
    return sorted(family)


def kept(at: Sites) -> dict[str, dict[str, Any]]:
    """How the destination keeps each file."""
    return {entry["path"]: entry for entry in at.ls() if entry["kind"] == "file"}


def journalled(at: Sites, query: str) -> list[Any]:
    """What the source's journal says."""
    with closing(sqlite3.connect(f"file:{at.journal}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def all_is_well(at: Sites) -> None:
    """Everything that was said to be there is there, and comes back byte for byte."""
    assert false_receipts(at) == []
    assert broken_recipes(at) == []
    assert at.verify()["problems"] == []
    assert differences(at.library, at.restore()) == []


def test_near_duplicates_travel_as_deltas_and_come_back_byte_for_byte() -> None:
    """The original goes whole, first; what is made of it costs a part of itself, and is kept so."""
    with sites() as at:
        names = write_family(at.library)
        at.dest()
        once = at.once()
        assert (once["representatives"], once["members"]) == (1, len(names))
        there = kept(at)
        assert "base" not in there["original.jpg"]
        deltas = [name for name in names if "base" in there[name]]
        assert {"again.jpg", "stripped.jpg"} <= set(deltas)
        assert {there[name]["base"] for name in deltas} == {there["original.jpg"]["digest"]}
        assert sum(there[name]["stored_bytes"] for name in deltas) <= once["sent_bytes"]["deltas"]
        assert 0 < once["sent_bytes"]["approximations"] < 800 * len(names)
        assert there["stripped.jpg"]["stored_bytes"] < 1000
        assert len(deltas) == dict(journalled(at, "SELECT state, count(*) FROM delta GROUP BY state"))["stored"]
        assert not any((at.journal.parent / "deltas").iterdir()), "a delta outlived its receipt"
        assert not any((at.journal.parent / "pins").iterdir()), "a pin outlived its delivery"
        all_is_well(at)


def test_a_member_whose_base_is_gone_here_goes_whole() -> None:
    """The destination has the base, but nothing can be made over what no file has any more; the reason is told."""
    with sites() as at:
        shot = scene(1, SIZE)
        (at.library / "original.jpg").write_bytes(encoded(shot, quality=93))
        at.dest()
        at.once()
        (at.library / "original.jpg").unlink()
        (at.library / "small.jpg").write_bytes(encoded(shot.resize((480, 360)), quality=85))
        once = at.once()
        assert (once["members"], once["delta_fallbacks"], once["sent_bytes"]["deltas"]) == (1, {"base_gone": 1}, 0)
        assert journalled(at, "SELECT state, reason FROM delta") == [("fell_back", "base_gone")]
        assert "base" not in kept(at)["small.jpg"]
        all_is_well(at)


def test_a_base_that_is_damaged_at_the_destination_is_alarmed_and_the_member_goes_whole() -> None:
    """What cannot be read back is no base; the damage is heard of without anybody asking."""
    with sites() as at:
        shot = scene(1, SIZE)
        (at.library / "original.jpg").write_bytes(encoded(shot, quality=93))
        at.dest()
        at.once()
        (stored,) = [path for path in (at.objects / "objects").rglob("*") if path.is_file()]
        stored.chmod(0o600)
        spoilt = bytearray(stored.read_bytes())
        spoilt[len(spoilt) // 2] ^= 0xFF
        stored.write_bytes(spoilt)
        (at.library / "small.jpg").write_bytes(encoded(shot, quality=70))
        once = at.once()
        assert once["delta_fallbacks"] == {"refused": 1}
        assert at.dest_status()["refusals"]["BAD_BASE"] == 1
        there = kept(at)
        assert "base" not in there["small.jpg"]
        (problem,) = at.verify(code=30)["problems"]
        assert problem["digest"] == there["original.jpg"]["digest"]
        restored = at.restore(code=30)
        assert (restored / "small.jpg").read_bytes() == (at.library / "small.jpg").read_bytes()
        assert not (restored / "original.jpg").exists()


def test_a_daemon_sends_a_member_as_a_delta_and_its_copy_for_nothing() -> None:
    """Without a restart, over a base that was delivered before; the status counts it."""
    with sites(policy={"settle": 0.05}) as at:
        shot = scene(1, SIZE)
        at.dest()
        source = at.source()
        (at.library / "original.jpg").write_bytes(encoded(shot, quality=93))
        until(lambda: "original.jpg" in kept(at), "the original is delivered", seconds=60)
        for name in ("again.jpg", "copy.jpg"):
            (at.library / name).write_bytes(encoded(shot, quality=75))
        until(lambda: at.caught_up() and len(kept(at)) == 3, "all are delivered", seconds=150)
        there = kept(at)
        assert there["again.jpg"]["base"] == there["copy.jpg"]["base"] == there["original.jpg"]["digest"]
        status = at.source_status()
        assert (status["deltas"], status["delta_fallbacks"]) == ({"stored": 1}, {})
        assert "1 stored" in at.smarter("status", "--source", f"unix:{at.folder / 'lisbon-1.sock'}").stdout
        assert source.stop() == 0
        all_is_well(at)


def test_a_member_that_changes_while_it_waits_is_delivered_as_it_was_and_as_it_is() -> None:
    """What waits is pinned, whatever the policy's mode: the version that was journalled is a version for good."""
    with sites(policy={"settle": 0.05, "pin": "off"}) as at:
        shot = scene(1, SIZE)
        (at.library / "original.jpg").write_bytes(encoded(shot, quality=93))
        member = encoded(shot, quality=75)
        (at.library / "member.jpg").write_bytes(member)
        waits = at.once_started("tests.fakes.crashing", "G1", "1")  # no destination yet: it is killed with its word journalled
        assert waits.killed() == "G1 1"
        (at.library / "member.jpg").write_bytes(b"something else")
        at.dest()
        at.once()
        versions = [entry for entry in at.ls("--all-versions") if entry["path"] == "member.jpg"]
        assert [entry["size"] for entry in versions] == [len(member), len(b"something else")]
        assert "base" in versions[0]
        all_is_well(at)


def test_a_member_that_has_not_come_is_listed_and_shown_roughly_when_asked() -> None:
    """Under a name that says so; when it has come it is neither."""
    with sites() as at:
        shot = scene(1, SIZE)
        (at.library / "original.jpg").write_bytes(encoded(shot, quality=93))
        (at.library / "small.jpg").write_bytes(encoded(shot.resize((480, 360)), quality=85))
        at.dest()
        assert at.once_started("tests.fakes.crashing", "E1", "1").killed() == "E1 1"
        to = at.folder / "rough"
        told = at.smarter("restore", *at.asks_dest, "--policy", "photos", "--to", str(to), "--approximate", "--json").json
        assert (told["announced"], told["approximate"]) == (["small.jpg"], ["small.jpg.approximate.png"])
        assert told["counts"] == {"exact": 1, "approximate": 1, "absent": 0}
        lines = [json.loads(line) for line in Path(told["manifest"]).read_text().splitlines()]
        assert {(line["path"], line["is"], line["shown"]) for line in lines} == {
            ("original.jpg", "exact", None),
            ("small.jpg", "approximate", "small.jpg.approximate.png"),
        }
        assert {path.name for path in to.iterdir()} == {"original.jpg", "small.jpg.approximate.png"}
        with Image.open(to / "small.jpg.approximate.png") as rough, Image.open(at.library / "small.jpg") as small:
            assert np.abs(np.asarray(rough, np.int16) - np.asarray(small.convert("RGB"), np.int16)).mean() < 8
        assert (
            "1 announced and not delivered" in at.smarter("restore", *at.asks_dest, "--policy", "photos", "--to", str(to)).stdout
        )
        at.once()
        assert at.smarter("restore", *at.asks_dest, "--policy", "photos", "--to", str(to), "--json").json["announced"] == []
        all_is_well(at)
