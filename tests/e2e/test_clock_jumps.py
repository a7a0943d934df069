"""Wall clocks that jump by a day, at either site: nothing is lost, and each path keeps its order."""

from __future__ import annotations

import os

import pytest

from tests.fakes.compare import differences
from tests.fakes.faulty import SHIFT
from tests.fakes.receipts import false_receipts
from tests.fakes.sites import Sites, sites, until

DAY_S = 86400
FAULTY = ("tests.fakes.faulty", "shifted_clock")


def writes_and_waits(at: Sites, text: str) -> None:
    """Changes one file, makes another, and waits until both are at the destination."""
    (at.library / "diary.txt").write_text(text)
    (at.library / f"{text}.txt").write_text(text)
    until(lambda: at.mirrors(at.library), f"{text!r} is delivered")


@pytest.mark.parametrize("site", ["source", "dest"])
def test_a_clock_that_jumps_a_day_back_and_forth_loses_nothing(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest version of a path is the one that was seen last, whatever time it says it was."""
    with sites(policy={"settle": "0.1s"}) as at:
        shift = at.folder / "shift"
        monkeypatch.setitem(os.environ, SHIFT, str(shift))
        wrong, right = ("source", "dest") if site == "source" else ("dest", "source")
        agents = {"dest": at.dest(*(FAULTY if wrong == "dest" else ()))}
        agents["source"] = at.source(*(FAULTY if wrong == "source" else ()))
        writes_and_waits(at, "monday")
        shift.write_text(str(DAY_S))
        writes_and_waits(at, "tuesday")
        shift.write_text(str(-DAY_S))
        writes_and_waits(at, "sunday")
        shift.unlink()
        writes_and_waits(at, "again monday")
        assert agents[wrong].fired == "shifted_clock"
        assert not agents[right].fired
        assert all(agent.is_alive for agent in agents.values())
        assert false_receipts(at) == []
        diary = at.ls("--all-versions", "--path", "/diary.txt")
        assert [entry["seq"] for entry in diary] == sorted(entry["seq"] for entry in diary)
        assert [entry["size"] for entry in diary] == [len(text) for text in ("monday", "tuesday", "sunday", "again monday")]
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []
