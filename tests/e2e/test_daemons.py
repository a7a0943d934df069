"""Both daemons running, or one of them down, while somebody works in the library."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from common.clock import SystemClock
from tests.fakes import pictures
from tests.fakes.compare import differences, look_at
from tests.fakes.relay import Relay
from tests.fakes.sites import pause, sites, until
from tests.fakes.trees import write_library

QUICK = {"settle": "0.1s"}


def now() -> str:
    """The present moment as `--at` takes it, away from what happened before and what comes after."""
    pause(0.05)
    moment = datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC).isoformat()
    pause(0.05)
    return moment


def test_what_changed_while_the_source_was_down_is_caught_up_with_at_its_start() -> None:
    """Created, changed, renamed and deleted files, and a file replaced by a folder."""
    with sites(policy=QUICK) as at:
        write_library(at.library)
        at.dest()
        source = at.source()
        until(at.caught_up, "the first state is delivered")
        assert source.stop() == 0
        (at.library / "notes.txt").write_text("changed while nobody looked")
        (at.library / "2026/photo-3.jpg").rename(at.library / "renamed.jpg")
        (at.library / "2026/raw").rename(at.library / "raw")
        (at.library / "2026/photo-4.jpg").unlink()
        (at.library / "cut.jpg").unlink()
        (at.library / "cut.jpg").mkdir()
        (at.library / "cut.jpg/inside").write_bytes(b"a file where there was none")
        (at.library / "new.jpg").write_bytes(pictures.jpeg(7))
        source = at.source()
        until(lambda: at.mirrors(at.library), "the changes are delivered")
        assert source.stop() == 0
        assert differences(at.library, at.restore()) == []


def test_a_tree_that_is_worked_in_is_followed_and_every_earlier_state_can_be_had() -> None:
    """Create, change, rename, delete, each seen as it happens; the state at a time in between is given back as it was."""
    with sites(policy=QUICK) as at:
        at.dest()
        source = at.source()
        until(at.caught_up, "the daemon has begun")
        write_library(at.library)
        until(lambda: at.mirrors(at.library), "what was created is delivered")
        kept = at.folder / "kept"
        shutil.copytree(at.library, kept, symlinks=True)
        first = now()
        (at.library / "notes.txt").write_text("other words")
        (at.library / "2026/photo-5.jpg").chmod(0o600)
        (at.library / "2026").rename(at.library / "2027")
        until(lambda: at.mirrors(at.library), "the changes are delivered")
        second = now()
        shutil.rmtree(at.library / "2027")
        (at.library / "last.txt").write_text("the last one")
        until(lambda: at.mirrors(at.library), "the deletions are delivered")
        assert source.stop() == 0
        assert differences(at.library, at.restore()) == []
        earliest = at.restore("--at", first)
        assert {p: look.sha256 for p, look in look_at(earliest).items()} == {p: look.sha256 for p, look in look_at(kept).items()}
        between = at.restore("--at", second)
        assert (between / "2027/photo-5.jpg").stat().st_mode & 0o777 == 0o600
        assert (between / "notes.txt").read_text() == "other words"
        assert not (between / "2026").exists()
        assert not (between / "last.txt").exists()


def test_a_link_that_is_down_for_a_while_is_caught_up_with() -> None:
    """What happened meanwhile is delivered when it is back, and the status said why nothing came."""
    with sites(policy=QUICK) as at, Relay(("127.0.0.1", at.port)) as relay:
        at.dial(relay.port)
        write_library(at.library)
        at.dest()
        source = at.source()
        until(at.caught_up, "the first state is delivered")
        with relay.down_for():
            until(lambda: not at.source_status()["connected"], "the cut is noticed")
            (at.library / "meanwhile.txt").write_text("while the link was down")
            until(lambda: at.source_status()["versions_by_state"].get("queued"), "it is waiting")
            assert at.source_status()["link_error"]
        until(lambda: at.mirrors(at.library), "it is delivered", seconds=60)
        assert source.stop() == 0
        assert differences(at.library, at.restore()) == []


def test_the_state_of_a_stopped_or_second_agent_is_left_alone() -> None:
    """A second daemon on the same state is refused in one sentence; the first goes on."""
    with sites(policy=QUICK) as at:
        (at.library / "file").write_text("one")
        dest = at.dest()
        source = at.source()
        until(at.caught_up, "the daemon has begun")
        second = at.source().wait()
        assert second.code == 1
        assert "in use by process" in second.stderr
        second = at.start("smarter-dest", "run", "--config", str(at.folder / "dest.yaml")).wait()
        assert second.code == 1
        assert "in use by process" in second.stderr
        assert source.is_alive
        assert dest.is_alive
        assert Path(at.library / "file").read_text() == "one"
