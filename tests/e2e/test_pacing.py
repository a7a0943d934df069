"""Hours and rates between two real sites: pauses, overrides, what closes in the middle, a configuration that is read again."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import Any

from tests.fakes.compare import differences
from tests.fakes.pictures import jpeg
from tests.fakes.sites import SOURCE, Sites, sites, until

NOISE = random.Random(5).randbytes(6_000_000)
QUICK = {"settle": "0.1s"}


def asked(at: Sites, *words: str, code: int = 0) -> Any:
    """What a verb says of the source."""
    ended = at.smarter(*words, "--source", f"unix:{at.folder / f'{SOURCE}.sock'}", "--json")
    assert ended.code == code, f"{words}: {ended.code}: {ended.stderr[-1000:]}"
    return ended.json if ended.stdout else ended.stderr


def window(found: Any, of: str) -> dict[str, Any]:
    """What holds for a class of the whole agent."""
    (one,) = (one for one in found["windows"] if one["class"] == of and one["policy"] is None)
    return dict(one)


def test_a_pause_outlives_a_restart_and_what_closed_in_the_middle_is_resumed() -> None:
    """The destination keeps what had come."""
    with sites(policy=QUICK | {"bandwidth": {"chunks": "2M"}}) as at:
        at.dest()
        source = at.source()
        until(at.caught_up, "the daemon has begun")
        (at.library / "noise.bin").write_bytes(NOISE)
        partial = until(
            lambda: [p for p in at.objects.rglob("*") if p.is_file() and p.stat().st_size > 1 << 20], "a part has come"
        )
        assert window(asked(at, "pause", "--class", "chunks"), "chunks")["paused"]
        (at.library / "picture.jpg").write_bytes(jpeg(3))
        until(lambda: b"picture.jpg" in {e.version.path for e in at.entries()}, "the picture is delivered")
        assert b"noise.bin" not in {e.version.path for e in at.entries()}
        waiting = {one["class"]: one for one in asked(at, "backlog", "--forecast")["classes"]}
        assert waiting["chunks"]["contents"] == 1
        assert not waiting["chunks"]["open"]
        assert waiting["chunks"]["empty"] is None
        assert waiting["representatives"]["contents"] == 0
        assert source.stop() == 0
        at.source()
        until(lambda: bool(at.source_status()), "the daemon answers again")
        assert window(asked(at, "windows", "show"), "chunks")["paused"]
        assert partial[0].stat().st_size < len(NOISE)
        asked(at, "resume")
        until(at.caught_up, "all is delivered")
        assert at.source_status()["sent_bytes"]["whole"] < len(NOISE)
        assert differences(at.library, at.restore()) == []


def test_the_operators_rate_holds_until_its_end_and_hours_are_read_again() -> None:
    """A mistake in the file changes nothing."""
    with sites(policy=QUICK, in_source={"bandwidth": {"chunks": "closed"}}) as at:
        at.dest()
        source = at.source()
        until(at.caught_up, "the daemon has begun")
        (at.library / "note.txt").write_text("waits")
        until(lambda: at.source_status()["backlog_bytes"] == 5, "it is seen")
        assert window(asked(at, "windows", "show"), "chunks")["opens"] is None
        said = window(asked(at, "windows", "override", "chunks", "1M", "--for", "1h"), "chunks")
        assert (said["rate"], said["timetable_rate"]) == (1 << 20, 0)
        until(at.caught_up, "it went")
        assert window(asked(at, "windows", "clear", "chunks"), "chunks")["rate"] == 0
        assert "no class" not in asked(at, "windows", "override", "chunks", "0", "--for", "1h", code=2)
        assert "in the future" in asked(at, "windows", "override", "link", "off", "--until", "2001-01-01 00:00", code=3)
        file = at.folder / f"{SOURCE}.yaml"
        given = json.loads(file.read_text())
        file.write_text(json.dumps(given | {"bandwidth": {"chunks": "0"}}))
        os.kill(source.process.pid, signal.SIGHUP)
        until(lambda: "configuration_refused" in source.log.read_text(), "the mistake is told")
        assert window(asked(at, "windows", "show"), "chunks")["rate"] == 0
        file.write_text(json.dumps(given | {"bandwidth": {"chunks": "off"}}))
        os.kill(source.process.pid, signal.SIGHUP)
        until(lambda: "configuration_reloaded" in source.log.read_text(), "it is taken over")
        assert window(asked(at, "windows", "show"), "chunks")["rate"] is None


def test_a_single_run_leaves_what_is_closed_and_a_drain_does_not() -> None:
    """Members stay deferred until their hour, announced as they are."""
    with sites(policy=QUICK | {"inline_limit": 0}, in_source={"bandwidth": {"deferred": "closed"}}) as at:
        at.dest()
        (at.library / "large.jpg").write_bytes(jpeg(11, (900, 700), quality=93))
        (at.library / "small.jpg").write_bytes(jpeg(11, (450, 350), quality=70))
        ended = at.start("smarter-source", "once", "--config", str(at.folder / f"{SOURCE}.yaml"), "--json").wait()
        assert ended.code == 0, ended.stderr[-2000:]
        done = ended.json
        assert (done["representatives"], done["members"]) == (1, 0)
        assert done["sent_bytes"]["approximations"] > 0
        assert {e.version.path for e in at.entries() if e.version.digest} == {b"large.jpg"}
        source = at.source()
        until(lambda: at.source_status().get("last_rescan"), "the daemon has scanned")
        protected = at.source_status()["protection"]
        assert (protected["exact"], protected["approximate"], protected["not_yet"]) == (1, 1, 0)
        assert protected["approximate_lag_s"] > 0
        assert source.stop() == 0
        assert at.once()["members"] == 1
        assert differences(at.library, at.restore()) == []
