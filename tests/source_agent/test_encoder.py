"""Who makes deltas, with workers that make what they are told to: which base wins, and what falls back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import ContentError
from common.ids import Digest, digest_of
from common.model import Role
from common.workers import Delta, Workers
from source_agent.delta_spool import DeltaSpool
from source_agent.deltas import Deltas, Ready
from source_agent.encoder import Encoder
from source_agent.spool import Spool
from source_agent.states import State
from source_agent.tally import Tally
from tests.fakes.delivering import OPEN_GATES
from tests.fakes.watched import WatchedTree, watched

CONTENTS = {b"base": b"base " * 400, b"second": b"second " * 300, b"member": b"member " * 300}
BASE, SECOND, MEMBER = (digest_of(content) for content in CONTENTS.values())
_COLUMNS = "digest, of_group, role, n_features, pixels, n_metadata, n_bytes, moment, has_features, bond"


class Told(Workers):
    """Workers without a process."""

    def __init__(self) -> None:
        super().__init__(1)
        self.sizes: dict[Digest, int | ContentError] = {BASE: 500, SECOND: 300}
        """Of the delta over each base, or what is wrong with it."""
        self.needs_base = True
        self.asked: list[Digest] = []
        self.approximations: list[bytes] = []

    async def encode_delta(
        self, target: tuple[int, Digest], base: tuple[int, Digest], *, hint: str = "", approximation: bytes = b""
    ) -> Delta:
        """As told."""
        assert (os.fstat(target[0]).st_size, hint) == (len(CONTENTS[b"member"]), "")
        self.asked.append(base[1])
        self.approximations.append(approximation)
        size = self.sizes[base[1]]
        if isinstance(size, ContentError):
            raise size
        return Delta("zstd-patch", self.needs_base, bytes(size))

    async def approximate(self, target_fd: int, base_fd: int, *, hint: str = "") -> bytes:
        """Always the same."""
        del target_fd, base_fd, hint
        return b"rough"


class Full(DeltaSpool):
    """Has no room."""

    def keep(self, target: Digest, content: bytes) -> None:
        """Never."""
        del target, content
        raise OSError(errno.ENOSPC, "full")


@dataclass(slots=True)
class Making:
    """An encoder over a group of three, of which the member waits and the others are delivered."""

    tree: WatchedTree
    encoder: Encoder
    workers: Told
    n_found: list[None] = field(default_factory=list)

    async def run(self) -> None:
        """Until nothing waits for its delta."""
        running = asyncio.create_task(self.encoder.run())
        try:
            async with asyncio.timeout(20):
                while not self.encoder.quiet:
                    await asyncio.sleep(0.01)
                    assert not running.done(), running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def ends(self) -> list[tuple[str, str]]:
        """The states of the member's deltas, with their reasons."""
        with self.tree.journal.reading() as db:
            return [tuple(row) for row in db.execute("SELECT state, reason FROM delta ORDER BY id")]

    async def only_ready(self) -> Ready:
        """The delta that may go, once it was announced."""
        await self.encoder.announced(MEMBER)
        (ready,) = await self.encoder.ready(limit=9, gates=OPEN_GATES)
        return ready


def making(tmp_path: Path, deed: Callable[[Making], Awaitable[None]]) -> None:
    """Does a deed with an encoder."""

    async def play() -> None:
        with watched(tmp_path) as tree:
            for name, content in CONTENTS.items():
                (tree.folder / name.decode()).write_bytes(content)
            tree.take(*CONTENTS)
            with tree.journal.writing() as db:
                db.execute("INSERT INTO picture_group (id, representative) VALUES (1, ?)", (BASE,))
                for digest in (BASE, SECOND, MEMBER):
                    db.execute(
                        f"INSERT INTO picture ({_COLUMNS}) VALUES (?, 1, 'member', 1, 1, 1, 1, x'', 0, 'none')",  # noqa: S608 - names only
                        (digest,),
                    )
                for digest in (BASE, SECOND):
                    tree.journal.assign(db, digest, Role.MEMBER, State.REPLICATED, among=(State.QUEUED,))
                    db.execute("INSERT INTO durable_content VALUES (?)", (digest,))
                tree.journal.assign(db, MEMBER, Role.MEMBER, State.DEFERRED, among=(State.QUEUED,))
            workers = Told()
            found: list[None] = []
            spool = Spool(
                tmp_path / "spool", roots={tree.root.id: tree.root}, pins=tree.pins, workers=workers, keep_bytes=1 << 20
            )
            encoder = Encoder(
                journal=tree.journal,
                deltas=Deltas(tree.journal),
                kept=DeltaSpool(tmp_path / "deltas"),
                spool=spool,
                workers=workers,
                n_at_once=1,
                clock=SystemClock(),
                tally=Tally(SystemClock()),
                idle=lambda: True,
                found=lambda: found.append(None),
                look_again=lambda: found.append(None),
            )
            await deed(Making(tree, encoder, workers, found))

    asyncio.run(play())


def test_the_smallest_delta_of_several_bases_is_kept(tmp_path: Path) -> None:
    """With what is said of the member before; a restart takes both up, and nothing is made twice."""

    async def deed(at: Making) -> None:
        await at.run()
        assert at.workers.asked == [BASE, SECOND]
        assert at.workers.approximations == [b"rough", b""]
        (said,) = await at.encoder.unannounced(limit=9)
        assert (said.base, said.approximation) == (BASE, b"rough")
        assert await at.encoder.ready(limit=9, gates=OPEN_GATES) == [], "it is announced first"
        ready = await at.only_ready()
        assert (ready.made.base, ready.made.n_bytes) == (SECOND, 300)
        assert at.encoder.parcel(ready).path == tmp_path / "deltas" / f"{MEMBER.hex()}.delta"
        at.encoder.take_up()
        assert at.ends() == [("encoded", "")]
        at.encoder.stored(MEMBER)
        at.encoder.take_up()
        assert at.ends() == [("dropped", "lost"), ("waiting", "")], "what got lost is made again"
        assert not at.encoder.quiet

    making(tmp_path, deed)


def test_a_base_that_is_good_enough_ends_the_search(tmp_path: Path) -> None:
    """The others would cost time for little."""

    async def deed(at: Making) -> None:
        at.workers.sizes[BASE] = 9
        await at.run()
        assert at.workers.asked == [BASE]

    making(tmp_path, deed)


def test_a_base_that_the_destination_refuses_is_not_tried_again(tmp_path: Path) -> None:
    """Another one is; when there is none left, the member goes whole."""

    async def deed(at: Making) -> None:
        for refused in (SECOND, BASE):
            await at.run()
            ready = await at.only_ready()
            assert ready.made.base == refused
            await at.encoder.bad_base(ready, "as the destination says")
            assert not any((tmp_path / "deltas").iterdir())
        await at.run()
        assert at.ends() == [("dropped", "bad_base"), ("dropped", "bad_base"), ("fell_back", "refused")]
        assert at.tree.journal.counts()["queued"] == 1

    making(tmp_path, deed)


@pytest.mark.parametrize("reason", ["deadline", "memory", "crashed", "mismatch", "too_large", "base_changed"])
def test_what_no_worker_makes_goes_whole_for_its_reason(tmp_path: Path, reason: str) -> None:
    """Whatever is wrong concerns this member alone."""

    async def deed(at: Making) -> None:
        at.workers.sizes = dict.fromkeys((BASE, SECOND), ContentError(reason, "as the test says"))
        await at.run()
        assert at.ends() == [("fell_back", reason)]

    making(tmp_path, deed)


def test_a_member_that_is_smaller_whole_goes_whole(tmp_path: Path) -> None:
    """A delta that needs no base is none."""

    async def deed(at: Making) -> None:
        at.workers.needs_base = False
        await at.run()
        assert at.ends() == [("fell_back", "whole_is_smaller")]

    making(tmp_path, deed)


def test_a_base_that_no_file_has_any_more_is_passed_over(tmp_path: Path) -> None:
    """The next one is tried."""

    async def deed(at: Making) -> None:
        (at.tree.folder / "base").unlink()
        await at.run()
        assert at.workers.asked == [SECOND]
        assert (await at.only_ready()).made.base == SECOND

    making(tmp_path, deed)


def test_a_member_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    """Its version is given up: no pin has its bytes here."""

    async def deed(at: Making) -> None:
        at.workers.sizes = dict.fromkeys((BASE, SECOND), ContentError("changed", "as the test says"))
        await at.run()
        assert at.ends() == [("dropped", "superseded")]
        assert at.tree.journal.n_dirty() == 1
        assert at.n_found

    making(tmp_path, deed)


def test_a_delta_for_which_there_is_no_room_is_not_kept(tmp_path: Path) -> None:
    """The member goes whole; the link needs no room here."""

    async def deed(at: Making) -> None:
        at.encoder.kept = Full(tmp_path / "deltas")
        await at.run()
        assert at.ends() == [("fell_back", "no_room")]

    making(tmp_path, deed)
