"""The sending half of a source on real files, against a scripted destination over real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio

from common.clock import Clock, SystemClock
from common.ids import Digest
from common.model import Announcement, Match, Sketch
from common.tls import TlsFiles
from common.workers import Workers
from source_agent.deliverer import Deliverer
from source_agent.deltas import Ready
from source_agent.link import connected
from source_agent.pacing import Pacing
from source_agent.scheduler import STREAMS
from source_agent.sender import Sender
from source_agent.spool import Parcel, Spool
from source_agent.states import State
from source_agent.tally import Tally
from source_agent.tools import DeltaMaker, Pictures, Tools
from source_agent.windows import ANYTHING, Gate, Plan
from tests.fakes.pki import DEST, SOURCE, make_pki, tls_files
from tests.fakes.scripted import Script, serve
from tests.fakes.watched import WatchedTree, watched

OPEN_GATES = (Gate("", ANYTHING, before_ns=ANYTHING),)
"""Every member may go."""


@dataclass(slots=True)
class Delivering:
    """A tree, what delivers it, and the destination's script."""

    tree: WatchedTree
    tools: Tools
    script: Script
    files: TlsFiles
    server: grpc.aio.Server
    port: int
    looked_again: list[None] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the destination listens."""
        return f"127.0.0.1:{self.port}"

    def deliverer(self, *, server_name: str | None = DEST, clock: Clock | None = None) -> Deliverer:
        """A deliverer to that address."""
        return Deliverer(self.address, self.files, server_name, self.tools, clock or SystemClock())

    async def deliver(self) -> None:
        """Delivers everything, dialling as often as it takes."""
        async with asyncio.timeout(20):
            await self.deliverer().run(finished=lambda: True, gives_up=True)

    async def deliver_once(self) -> None:
        """Delivers over one connection, whose end is the caller's to hear of."""
        async with (
            asyncio.timeout(20),
            connected(self.address, self.files, server_name=DEST, n_uploads=len(STREAMS)) as connection,
        ):
            await Sender(self.tools, connection).run(finished=lambda: True)

    def write(self, **contents: bytes) -> None:
        """Writes files and takes them in."""
        for name, content in contents.items():
            (self.tree.folder / name).write_bytes(content)
        self.tree.take(*(name.encode() for name in contents))

    def states(self) -> dict[str, int]:
        """Versions by state."""
        return self.tree.journal.counts()

    def is_delivered(self) -> bool:
        """Whether every version has its receipt, or was given up for a later one."""
        return set(self.states()) <= {State.REPLICATED, State.SUPERSEDED}


class PicturesNobodySaw:
    """Pictures that were compared with nothing."""

    async def sketches(self, digests: Sequence[Digest]) -> Mapping[Digest, Sketch]:
        """None."""
        del digests
        return {}

    async def cover(self, digest: Digest, matches: Sequence[Match]) -> bool:
        """Never."""
        del digest, matches
        return False


class DeltasNobodyMade:
    """Members that wait for nothing."""

    async def ready(self, *, limit: int, gates: Sequence[Gate]) -> Sequence[Ready]:
        """None."""
        del limit, gates
        return []

    async def has_unsaid(self) -> bool:
        """Nothing."""
        return False

    async def unannounced(self, *, limit: int) -> Sequence[Announcement]:
        """Nothing."""
        del limit
        return []

    async def announced(self, target: Digest) -> None:
        """Nothing is said."""

    def parcel(self, ready: Ready) -> Parcel:
        """There is none to ask for."""
        raise NotImplementedError

    def stored(self, target: Digest) -> None:
        """Nothing is kept."""

    async def bad_base(self, ready: Ready, reason: str) -> None:
        """Nothing is offered."""

    async def fall_back(self, target: Digest, reason: str) -> None:
        """Nothing is offered."""

    def wake(self) -> None:
        """Nobody sleeps."""


def delivering(
    tmp_path: Path,
    deed: Callable[[Delivering], Awaitable[None]],
    *,
    script: Script | None = None,
    clock: Callable[[WatchedTree], Clock] = lambda tree: SystemClock(),  # noqa: ARG005 - the default needs no tree
    pictures: Pictures | None = None,
    deltas: DeltaMaker | None = None,
    pacing: Pacing | None = None,
) -> None:
    """Does a deed with a tree and a destination, in an event loop of its own."""

    async def run() -> None:
        pki = make_pki(tmp_path / "pki")
        playing = script or Script()
        server, port = await serve(playing, tls_files(pki, DEST))
        workers = Workers(1)
        try:
            with watched(tmp_path) as tree:
                spool = Spool(
                    tmp_path / "spool", roots={tree.root.id: tree.root}, pins=tree.pins, workers=workers, keep_bytes=1 << 30
                )
                looked_again: list[None] = []
                tools = Tools(
                    journal=tree.journal,
                    spool=spool,
                    pins=tree.pins,
                    tally=Tally(SystemClock()),
                    pacing=pacing or Pacing(Plan(), SystemClock()),
                    clock=clock(tree),
                    look_again=lambda: looked_again.append(None),
                    pictures=pictures or PicturesNobodySaw(),
                    deltas=deltas or DeltasNobodyMade(),
                    idle=lambda: True,
                    coders=2,
                    room_bytes=64 << 20,
                )
                await deed(Delivering(tree, tools, playing, tls_files(pki, SOURCE), server, port, looked_again))
        finally:
            await workers.close()
            await server.stop(None)

    asyncio.run(run())
