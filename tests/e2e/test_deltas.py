"""Members as deltas, through real agents: what is sent, kept and given back, and what becomes of a member without a base."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.fakes.compare import differences
from tests.fakes.receipts import broken_recipes, false_receipts
from tests.fakes.scenes import encoded, scene
from tests.fakes.sites import Sites, sites

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
        assert there["stripped.jpg"]["stored_bytes"] < 1000
        assert len(deltas) == dict(journalled(at, "SELECT state, count(*) FROM delta GROUP BY state"))["stored"]
        assert not any((at.journal.parent / "deltas").iterdir()), "a delta outlived its receipt"
        assert not any((at.journal.parent / "pins").iterdir()), "a pin outlived its delivery"
        all_is_well(at)
