"""The source's senses: watching, rescanning and intake, as three loops around the journal's dirty paths.

    watch   events → dirty marks (S1); a new directory → scan of it; an overflow → rescan of everything
    rescan  at start, then every root's `rescan` time
    intake  dirty paths that are at rest → versions (S3), again after a short rest for the restless

A crash anywhere loses no more than hints: the rescan at the next start finds every difference.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from common.clock import Clock
from common.logs import get
from common.metrics import DIRTY, RESCANS, WATCH_OVERFLOWS
from common.paths import ROOT, RelPath
from source_agent.deliveries import RootId
from source_agent.intake import Intake
from source_agent.journal import Journal
from source_agent.roots import Root
from source_agent.scanner import RootUnavailable, Scanner, Seen
from source_agent.watcher import Place, Watcher

MARK_BATCH = 1000
DEBOUNCE_S = 0.05
REST_S = 0.1
MOST_LOOKS = 50
"""How often `once` looks at a file that will not come to rest before it names it unreadable."""

_log = get("source.observer")


@dataclass(slots=True)
class Observer:
    """One agent's senses. `quiet` says that nothing known is waiting for a look, but for files that never rest."""

    roots: Sequence[Root]
    journal: Journal
    intake: Intake
    clock: Clock
    found: Callable[[], None]
    """Called when the journal has new versions, and when the observer falls quiet."""
    seen: dict[RootId, Seen] = field(default_factory=dict)
    unavailable: dict[RootId, str] = field(default_factory=dict)
    last_rescan_ns: int = 0
    quiet: bool = False
    _look: asyncio.Event = field(default_factory=asyncio.Event)

    def look_again(self) -> None:
        """Something was marked dirty elsewhere: it is looked at soon, and until then the observer is not quiet."""
        self.quiet = False
        self._look.set()

    async def scan_all(self, watcher: Watcher | None = None) -> None:
        """Compares every root with the journal and marks what differs; a root that cannot be read is named and left alone."""
        if watcher is not None:
            watcher.unwatched = 0
        for root in self.roots:
            await asyncio.to_thread(self._scan, root, watcher=watcher)
            self._look.set()
        if watcher is not None and watcher.unwatched:
            _log.warning(
                "directories_unwatched", n=watcher.unwatched, mend="raise fs.inotify.max_user_watches; rescans find changes"
            )
        self.last_rescan_ns = self.clock.now_ns()

    def _scan(self, root: Root, *, below: RelPath = ROOT, watcher: Watcher | None = None) -> None:
        seen = Seen()
        entered = partial(watcher.enter, root.id) if watcher is not None else None
        marks: list[Place] = []
        try:
            for path in Scanner(root, self.journal).changes(seen, below=below, entered=entered):
                marks.append((root.id, path))
                if len(marks) >= MARK_BATCH:
                    self.journal.mark_dirty(marks)
                    marks = []
        except RootUnavailable as error:
            self.unavailable[root.id] = str(error.strerror or error)
            _log.error("root_unavailable", policy=root.key.policy, root=root.key.name, reason=str(error.strerror or error))
            return
        if marks:
            self.journal.mark_dirty(marks)
        if below == ROOT:
            self.seen[root.id] = seen
            self.unavailable.pop(root.id, None)
            RESCANS.inc()

    async def look_once(self) -> None:
        """The intake of a run without the daemon: looks at everything dirty until nothing is, then waits to be woken."""
        looks: Counter[Place] = Counter()
        while True:
            self._look.clear()
            taken = await self._take(at_rest_only=False)
            for place in taken:
                looks[place] += 1
                if looks[place] >= MOST_LOOKS:
                    await asyncio.to_thread(self.journal.note_unreadable, *place, "it never stopped changing")
            if taken:
                await self.clock.sleep(REST_S)
                continue
            self.quiet = True
            self.found()
            await self._look.wait()
            self.quiet = False

    async def look_always(self) -> None:
        """The daemon's intake: looks at what is dirty as it comes to rest."""
        while True:
            self._look.clear()
            restless = await self._take(at_rest_only=True)
            if not self.quiet:
                self.quiet = True  # a log that is written to day and night must not keep what waits for a quiet moment
                self.found()
            if restless:
                await self.clock.sleep(REST_S)
            else:
                await self._look.wait()

    async def _take(self, *, at_rest_only: bool) -> list[Place]:
        """Looks at what is dirty until only the restless are; what was found may make more dirty."""
        watched = {root.id for root in self.roots}
        restless: dict[Place, None] = {}
        while True:
            dirty = [place for place in await asyncio.to_thread(self.journal.dirty) if place[0] in watched]
            DIRTY.set(len(dirty))
            fresh = [place for place in dirty if place not in restless]
            if not fresh:
                return list(restless)
            taken = await asyncio.to_thread(self.intake.take, fresh, at_rest_only=at_rest_only)
            if taken.deliveries:
                self.found()
            restless.update(dict.fromkeys(taken.restless))

    async def rescan(self, watcher: Watcher | None) -> None:
        """The periodic comparison: each root at its own pace, all of them at start. Runs until cancelled."""
        await self.scan_all(watcher)
        async with asyncio.TaskGroup() as group:
            for root in self.roots:
                group.create_task(self._rescan_one(root, watcher))

    async def _rescan_one(self, root: Root, watcher: Watcher | None) -> None:
        while True:
            await self.clock.sleep(root.rescan_s)
            await asyncio.to_thread(self._scan, root, watcher=watcher)
            self.last_rescan_ns = self.clock.now_ns()
            self._look.set()

    async def watch(self, watcher: Watcher) -> None:
        """Turns events into dirty marks until cancelled."""
        while True:
            await _readable(watcher.fileno())
            await self.clock.sleep(DEBOUNCE_S)  # events come in flocks; one look for each flock
            await self._heed(watcher)

    async def _heed(self, watcher: Watcher) -> None:
        changes = watcher.read()
        if changes.overflowed:
            WATCH_OVERFLOWS.inc()
            _log.warning("watch_overflowed")
            await self.scan_all(watcher)
            return
        marks = set(changes.touched)
        for root, path in changes.left:
            marks.update((root, below) for below in await asyncio.to_thread(self.journal.below, root, path))
        if marks:
            self.quiet = False
            await asyncio.to_thread(self.journal.mark_dirty, sorted(marks))
        by_id = {root.id: root for root in self.roots}
        for root, path in sorted(changes.arrived):
            if by_id[root].rules.takes_whole_path(path, is_directory=True):
                await asyncio.to_thread(self._scan, by_id[root], below=path, watcher=watcher)
        self._look.set()


async def _readable(fd: int) -> None:
    """Waits until a descriptor can be read. The loop is asked anew each time: what lies unread would keep it turning."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(fd, told.set)
    try:
        await told.wait()
    finally:
        loop.remove_reader(fd)
