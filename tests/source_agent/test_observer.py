"""The observer: watching, rescanning and intake together, on real files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from common.clock import Clock, SystemClock, cpu_s
from common.paths import RelPath
from source_agent import observer as observer_module
from source_agent.observer import MOST_LOOKS, Observer
from source_agent.rules import Rules
from source_agent.watcher import Changes, Watcher
from tests.fakes.watched import WatchedTree, watched, with_settings
from tests.fakes.working import until

QUICK = with_settings(settle_s=0.05)


@dataclass
class Senses:
    """An observer with what it was told and what it told."""

    tree: WatchedTree
    watcher: Watcher
    observer: Observer
    found: list[None] = field(default_factory=list)

    async def stands(self, *paths: bytes) -> None:
        """Waits until exactly these paths are journalled and nothing is dirty."""
        await until(lambda: self.tree.standing() == set(paths) and not self.tree.journal.n_dirty(), seconds=10)


def sensing(tree: WatchedTree, clock: Clock, *, watcher: type[Watcher] = Watcher) -> Senses:
    """An observer of a tree."""
    found: list[None] = []
    observer = Observer([tree.root], tree.journal, tree.intake, clock, found=lambda: found.append(None))
    return Senses(tree, watcher(), observer, found)


def living(
    tmp_path: Path,
    deed: Callable[[Senses], Awaitable[None]],
    *,
    watcher: type[Watcher] = Watcher,
    rules: Rules | None = None,
) -> None:
    """Runs the three loops of the daemon on real time while the deed is done."""

    async def run() -> None:
        with watched(tmp_path, rules=rules, look_clock=SystemClock(), change=QUICK) as tree:
            senses = sensing(tree, SystemClock(), watcher=watcher)
            observer = senses.observer
            lives = [observer.watch(senses.watcher), observer.rescan(senses.watcher), observer.look_always()]
            tasks = [asyncio.create_task(life) for life in lives]
            try:
                await until(lambda: observer.last_rescan_ns > 0)
                await deed(senses)
                assert not [task for task in tasks if task.done()]
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                senses.watcher.close()

    asyncio.run(run())


def test_the_daemon_finds_what_is_made_changed_moved_and_deleted(tmp_path: Path) -> None:
    """Within a moment, each as a version of its path; directories made with files in them at once."""

    async def deed(senses: Senses) -> None:
        folder = senses.tree.folder
        (folder / "f").write_bytes(b"x")
        (folder / "a/b/c").mkdir(parents=True)
        (folder / "a/b/c/deep").write_bytes(b"x")
        await senses.stands(b"f", b"a", b"a/b", b"a/b/c", b"a/b/c/deep")
        (folder / "a/b/c/deep").write_bytes(b"longer")
        (folder / "a/b").rename(folder / "moved")
        (folder / "f").unlink()
        await senses.stands(b"a", b"moved", b"moved/c", b"moved/c/deep")
        (folder / "moved/c/more").write_bytes(b"x")
        await senses.stands(b"a", b"moved", b"moved/c", b"moved/c/deep", b"moved/c/more")
        (folder / "moved").rename(tmp_path / "outside")
        await senses.stands(b"a")
        (tmp_path / "outside").rename(folder / "back")
        await senses.stands(b"a", b"back", b"back/c", b"back/c/deep", b"back/c/more")
        assert senses.found

    living(tmp_path, deed)


def append(path: Path, piece: bytes) -> None:
    """Writes on at the end of a file and closes it."""
    with open(path, "ab") as file:
        file.write(piece)


def test_a_file_is_taken_when_its_writer_rests_not_before(tmp_path: Path) -> None:
    """One version of a file that was written in many pieces."""

    async def deed(senses: Senses) -> None:
        for _ in range(8):
            append(senses.tree.folder / "f", b"piece")
            await SystemClock().sleep(0.02)
        await senses.stands(b"f")
        versions = senses.tree.journal.queued(after=0, limit=99)
        assert [d.version.size for d in versions if d.version.path == b"f"] == [40]

    living(tmp_path, deed)


def test_a_file_that_is_written_to_for_ever_keeps_nobody_waiting(tmp_path: Path) -> None:
    """What goes in a quiet moment, as members of groups do, goes in spite of a log that grows day and night."""

    async def deed(senses: Senses) -> None:
        writing = asyncio.create_task(_write_for_ever(senses.tree.folder / "log"))
        (senses.tree.folder / "photo").write_bytes(b"x")
        await until(lambda: b"photo" in senses.tree.standing())
        await until(lambda: senses.observer.quiet)
        assert not writing.done()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    async def _write_for_ever(path: Path) -> None:
        while True:
            append(path, b"line\n")
            await SystemClock().sleep(0.01)

    living(tmp_path, deed)


def test_a_path_that_is_made_dirty_again_is_looked_at_again(tmp_path: Path) -> None:
    """The sender found that the file is not what its version says."""

    async def deed(senses: Senses) -> None:
        senses.tree.journal.mark_dirty([(senses.tree.root.id, RelPath(b"gone"))])
        senses.observer.look_again()
        assert not senses.observer.quiet
        await senses.stands()
        await until(lambda: senses.observer.quiet)

    living(tmp_path, deed)


class Overflowing(Watcher):
    """Its queue is always full: it tells nothing but that."""

    def read(self) -> Changes:
        """Loses what was told."""
        super().read()
        return Changes(overflowed=True)


def test_an_overflow_is_a_rescan_that_finds_everything(tmp_path: Path) -> None:
    """No event needed to arrive for that."""

    async def deed(senses: Senses) -> None:
        (senses.tree.folder / "d").mkdir()
        for n in range(20):
            (senses.tree.folder / f"d/{n}").write_bytes(b"x")
        await senses.stands(b"d", *(b"d/%d" % n for n in range(20)))

    living(tmp_path, deed, watcher=Overflowing)


def test_an_excluded_directory_is_neither_scanned_nor_watched(tmp_path: Path) -> None:
    """A cache of a million files costs nothing."""

    async def deed(senses: Senses) -> None:
        (senses.tree.folder / "cache/deep").mkdir(parents=True)
        (senses.tree.folder / "f").write_bytes(b"x")
        await senses.stands(b"f")
        assert set(senses.watcher._watch_by_place) == {(senses.tree.root.id, b"")}

    living(tmp_path, deed, rules=Rules(exclude=["/cache/"]))


def test_waiting_for_a_flock_of_events_costs_no_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that lie unread must not turn the loop."""
    monkeypatch.setattr(observer_module, "DEBOUNCE_S", 0.6)

    async def deed(senses: Senses) -> None:
        (senses.tree.folder / "f").write_bytes(b"x")
        before = cpu_s()
        await SystemClock().sleep(0.5)
        assert cpu_s() - before < 0.25

    living(tmp_path, deed)


def in_turn(tmp_path: Path, deed: Callable[[Senses], Awaitable[None]]) -> None:
    """Runs a deed on an observer whose time the test turns."""

    async def run() -> None:
        with watched(tmp_path) as tree:
            senses = sensing(tree, tree.clock)
            try:
                await deed(senses)
            finally:
                senses.watcher.close()

    asyncio.run(run())


def test_without_a_watch_the_rescan_finds_it_in_its_own_time(tmp_path: Path) -> None:
    """Each root at its own pace."""

    async def deed(senses: Senses) -> None:
        clock = senses.tree.clock
        rescan = asyncio.create_task(senses.observer.rescan(None))
        await until(lambda: bool(clock.sleepers))
        (senses.tree.folder / "f").write_bytes(b"x")
        clock.advance(senses.tree.root.rescan_s - 1)
        await SystemClock().sleep(0)
        assert not [path for _, path in senses.tree.journal.dirty() if path == b"f"]
        clock.advance(1)
        await until(lambda: (senses.tree.root.id, b"f") in senses.tree.journal.dirty())
        rescan.cancel()
        await asyncio.gather(rescan, return_exceptions=True)

    in_turn(tmp_path, deed)


def test_a_single_run_falls_quiet_when_nothing_is_left(tmp_path: Path) -> None:
    """And looks again when it is woken."""

    async def deed(senses: Senses) -> None:
        observer, tree = senses.observer, senses.tree
        (tree.folder / "d").mkdir()
        (tree.folder / "d/f").write_bytes(b"x")
        await observer.scan_all()
        looking = asyncio.create_task(observer.look_once())
        await until(lambda: observer.quiet)
        assert tree.standing() == {b"d", b"d/f"}
        (tree.folder / "g").write_bytes(b"x")
        tree.journal.mark_dirty([(tree.root.id, RelPath(b"g"))])
        observer.look_again()
        await until(lambda: observer.quiet and b"g" in tree.standing())
        assert observer.seen[tree.root.id].files == 1
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    in_turn(tmp_path, deed)


def test_a_single_run_names_a_file_that_never_stops_changing(tmp_path: Path) -> None:
    """It does not wait for it for ever."""

    async def deed(senses: Senses) -> None:
        observer, tree = senses.observer, senses.tree
        (tree.folder / "f").write_bytes(b"x")
        clock = tree.clock
        clock.wall_ns = os.stat(tree.folder / "f").st_ctime_ns  # to intake it has just been written, at every look
        await observer.scan_all()
        looking = asyncio.create_task(observer.look_once())
        n_looks = 0
        while not observer.quiet:
            await until(lambda: observer.quiet or bool(clock.sleepers))
            for _, sleeper in list(clock.sleepers):  # woken without moving the wall clock
                sleeper.set_result(None)
                await asyncio.wait({sleeper})
                n_looks += 1
            await SystemClock().sleep(0)
        assert n_looks == MOST_LOOKS
        assert [(path, reason) for _, path, reason in tree.journal.unreadable()] == [(b"f", "it never stopped changing")]
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    in_turn(tmp_path, deed)


def test_a_root_that_cannot_be_read_is_named_until_it_can(tmp_path: Path) -> None:
    """Its files are not taken for deleted."""

    async def deed(senses: Senses) -> None:
        observer, tree = senses.observer, senses.tree
        (tree.folder / "f").write_bytes(b"x")
        tree.catch_up()
        tree.folder.rename(tmp_path / "away")
        await observer.scan_all()
        assert "No such file" in observer.unavailable[tree.root.id]
        assert tree.standing() == {b"f"}
        (tmp_path / "away").rename(tree.folder)
        await observer.scan_all()
        assert observer.unavailable == {}

    in_turn(tmp_path, deed)


def test_dirty_paths_of_a_root_that_is_no_longer_watched_keep_nobody_busy(tmp_path: Path) -> None:
    """They wait for the root to come back."""

    async def deed(senses: Senses) -> None:
        other = senses.tree.journal.root("films", "library")
        senses.tree.journal.mark_dirty([(other.id, RelPath(b"x"))])
        looking = asyncio.create_task(senses.observer.look_once())
        await until(lambda: senses.observer.quiet)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    in_turn(tmp_path, deed)


def test_what_a_directory_took_along_is_settled_before_the_run_falls_quiet(tmp_path: Path) -> None:
    """A file was read while its directory was being removed."""

    async def deed(senses: Senses) -> None:
        tree = senses.tree
        (tree.folder / "d").mkdir()
        (tree.folder / "d/f").write_bytes(b"x")
        seen = tree.look(b"d/f")
        (tree.folder / "d/f").unlink()
        (tree.folder / "d").rmdir()
        tree.journal.record([replace(seen)])
        looking = asyncio.create_task(senses.observer.look_once())
        await until(lambda: senses.observer.quiet)
        assert tree.standing() == set()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    in_turn(tmp_path, deed)
