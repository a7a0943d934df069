"""A source up to where deliveries are ready, on real files and with real workers, without a destination."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from common.ids import Digest, digest_of
from common.workers import Workers
from source_agent.album import Album
from source_agent.deliveries import Delivery
from source_agent.groups import Groups
from source_agent.recogniser import Recogniser
from source_agent.spool import Spool
from source_agent.states import State
from source_agent.waiting import queued_members
from tests.fakes.delivering import OPEN_GATES
from tests.fakes.watched import WatchedTree, watched, with_settings


@dataclass(slots=True)
class Recognising:
    """A tree, and what places its pictures."""

    tree: WatchedTree
    groups: Groups
    album: Album
    recogniser: Recogniser
    looked_again: list[None] = field(default_factory=list)

    async def land(self, **contents: bytes) -> None:
        """Files are written, taken in, and placed together."""
        for name, content in contents.items():
            (self.tree.folder / name).write_bytes(content)
        self.tree.catch_up()
        await self.place()

    async def place(self) -> None:
        """Places everything that waits."""
        placing = asyncio.create_task(self.recogniser.run())
        try:
            async with asyncio.timeout(60):
                while not self.recogniser.quiet:
                    assert not placing.done(), placing.result()
                    await asyncio.sleep(0.02)
        finally:
            placing.cancel()
            await asyncio.gather(placing, return_exceptions=True)

    def states(self) -> dict[str, str]:
        """The state of the newest version of every file that waits, by path."""
        deliveries = {State.QUEUED: self.queued(), State.DEFERRED: self.deferred()}
        return {d.version.path.decode(): state.value for state, found in deliveries.items() for d in found if d.version.digest}

    def roles(self) -> dict[str, str]:
        """The roles of all files that wait, by path."""
        waiting = [*self.queued(), *self.deferred()]
        return {d.version.path.decode(): d.version.role.value for d in waiting if d.version.digest}

    def sets(self) -> set[frozenset[str]]:
        """The groups, by the paths of their pictures."""
        names: dict[Digest, set[str]] = {}
        for path in self.tree.folder.iterdir():
            names.setdefault(digest_of(path.read_bytes()), set()).add(path.name)
        groups = self.groups.around(digest for digest, _ in self.groups.every_picture())
        return {frozenset(name for p in group.pictures for name in names.get(p, ())) for group in groups}

    def queued(self) -> list[Delivery]:
        """What may go."""
        journal = self.tree.journal
        return [*journal.queued(after=0, limit=1000), *queued_members(journal, limit=1000, gates=OPEN_GATES)]

    def deferred(self) -> list[Delivery]:
        """What waits for its delta."""
        with self.tree.journal.reading() as db:
            rows = db.execute("SELECT * FROM version WHERE state = ? ORDER BY seq", (State.DEFERRED,)).fetchall()
            return [self.tree.journal.delivery(row) for row in rows]


def recognising(tmp_path: Path, deed: Callable[[Recognising], Awaitable[None]], *, review_s: float = 0.0) -> None:
    """Runs a deed on a source below `tmp_path`; what is kept there is taken up again."""

    async def run() -> None:
        workers = Workers(2)
        with watched(tmp_path, change=with_settings(groups=True, review_s=review_s)) as tree:
            roots = {tree.root.id: tree.root}
            spool = Spool(tmp_path / "spool", roots=roots, pins=tree.pins, workers=workers, keep_bytes=1 << 30)
            album, groups = Album(tmp_path), Groups(tree.journal)
            looked_again: list[None] = []
            recogniser = Recogniser(
                roots=roots,
                journal=tree.journal,
                groups=groups,
                album=album,
                spool=spool,
                pins=tree.pins,
                workers=workers,
                n_at_once=2,
                clock=tree.clock,
                found=lambda: None,
                look_again=lambda: looked_again.append(None),
            )
            try:
                await deed(Recognising(tree, groups, album, recogniser, looked_again))
            finally:
                recogniser.close()
                album.close()
                await workers.close()

    asyncio.run(run())
