"""Our own disk fails or is full: the source is told to wait, nothing false is promised, and the fault is proved to have fired."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import ContentError
from common.ids import digest_of
from common.model import Begin, Data, End, Frame, Offer, Receipt, Refusal, RefusalCode, SendWhole, Stored
from common.workers import Decoded
from dest_agent.access import Access
from dest_agent.collect import Claims
from dest_agent.committer import Committer
from dest_agent.index.similar import Similar
from dest_agent.landing import Landing
from dest_agent.offers import Offers
from dest_agent.receiver import MAX_LANDING, Receiver
from dest_agent.recipes import Rebuilder
from dest_agent.room import Space
from dest_agent.staging import Staging
from dest_agent.store import StoreFailed
from tests.contracts.catalogue_contract import version
from tests.dest_agent.served import file_version, frames, refusals
from tests.fakes.catalogues import MemoryCatalogue
from tests.fakes.pki import SOURCE
from tests.fakes.stores import FaultyStore, MemoryStore

CONTENT = random.Random(3).randbytes(200_000)


class Decoder:
    """Decodes what it is told to; `gate` holds it up and `most_at_once` counts."""

    def __init__(self, content: bytes = b"", *, gate: asyncio.Event | None = None) -> None:
        """`content`: what everything decodes to."""
        self._content = content
        self._gate = gate
        self._n_running = 0
        self.most_at_once = 0
        self.crowded = asyncio.Event()

    async def decode(self, coding: str, source_fd: int, target_fd: int | None, *, size: int) -> Decoded:
        """See Workers.decode."""
        del source_fd, target_fd, size
        self._n_running += 1
        self.most_at_once = max(self.most_at_once, self._n_running)
        if self.most_at_once >= MAX_LANDING:
            self.crowded.set()
        if self._gate is not None:
            await self._gate.wait()
        self._n_running -= 1
        if coding == "lepton":
            raise ContentError("crashed", "the worker died")
        return Decoded(digest_of(self._content), len(self._content))

    async def decode_delta(self, delta_fd: int, base_fd: int, target_fd: int | None) -> Decoded:
        """See Workers.decode_delta."""
        del base_fd
        return await self.decode("delta", delta_fd, target_fd, size=0)


@dataclass(slots=True)
class Inside:
    """The inside of a destination, with a store that can be made to fail."""

    store: FaultyStore
    catalogue: MemoryCatalogue
    staging: Staging
    receiver: Receiver
    offers: Offers
    space: Space

    async def receive(self, *said: Frame) -> list[Receipt]:
        """The receipts of one stream."""
        return [receipt async for receipt in self.receiver.receive(SOURCE, _each(said))]

    def staged(self) -> list[bytes]:
        """What lies in staging."""
        return sorted(path.read_bytes() for path in self.staging.directory.glob("*/*"))


async def _each(said: tuple[Frame, ...]) -> AsyncIterator[Frame]:
    for frame in said:
        yield frame


def play(folder: Path, scene: Callable[[Inside], Awaitable[None]], *, decoder: Decoder | None = None) -> None:
    """Plays a scene inside a destination."""

    async def whole() -> None:
        store, catalogue, staging, access = FaultyStore(MemoryStore()), MemoryCatalogue(), Staging(folder), Access(None)
        space = Space(store, content_bytes=1 << 40, min_free_bytes=1000)
        committer = Committer(catalogue, SystemClock())
        decodes = decoder or Decoder()
        rebuilder = Rebuilder(store, decodes, folder, contents=catalogue.contents)
        receiver = Receiver(Landing(staging, decodes, catalogue, rebuilder, space, committer, Claims()), access)
        similar = Similar(catalogue, folder / "index", access=access, clock=SystemClock(), k=0)
        offers = Offers(catalogue, staging, space=space, access=access, similar=similar)
        await scene(Inside(store, catalogue, staging, receiver, offers, space))
        await receiver.drain(seconds=5)
        await committer.close()

    asyncio.run(whole())


def test_a_full_disk_is_a_refusal_that_the_source_waits_out(tmp_path: Path) -> None:
    """The staged bytes are given back to the disk, the stream goes on, and the status says so until a write succeeds."""

    async def scene(inside: Inside) -> None:
        inside.store.fail_at, inside.store.error = 1, errno.ENOSPC
        assert refusals(await inside.receive(*frames(file_version(1, CONTENT), CONTENT))) == [RefusalCode.NO_SPACE]
        assert inside.store.fired == 1
        assert not inside.space.accepting
        assert inside.staged() == []
        assert inside.catalogue.sources() == []
        assert refusals(await inside.receive(*frames(file_version(1, CONTENT), CONTENT))) == [None]
        assert inside.space.accepting

    play(tmp_path, scene)


def test_a_quota_that_is_reached_while_bytes_come_in_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging is on the same disk; it may fill up first."""
    fired = []

    def full(_fd: int, _pieces: list[bytes], _at: int) -> int:
        fired.append(True)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    async def scene(inside: Inside) -> None:
        with monkeypatch.context() as planted:
            planted.setattr("os.pwritev", full)
            receipts = await inside.receive(*frames(file_version(1, CONTENT), CONTENT), *frames(file_version(2, b"x"), b"x"))
            assert refusals(receipts) == [RefusalCode.NO_SPACE, RefusalCode.NO_SPACE]
        assert len(fired) >= 2
        assert inside.staged() == []
        assert refusals(await inside.receive(*frames(file_version(3, b"x"), b"x"))) == [None]

    play(tmp_path, scene)


def test_too_little_free_space_refuses_offers_and_uploads_before_they_travel(tmp_path: Path) -> None:
    """What is kept free is for the catalogue and for deletions."""

    async def scene(inside: Inside) -> None:
        disk = MemoryStore()
        inside.store.inner = disk
        disk.free = 1000 + len(CONTENT) - 1
        (plan,) = await inside.offers.answer(SOURCE, [Offer(digest_of(CONTENT), len(CONTENT))])
        assert isinstance(plan.answer, Refusal)
        assert plan.answer.code is RefusalCode.NO_SPACE
        assert refusals(await inside.receive(*frames(file_version(1, CONTENT), CONTENT))) == [RefusalCode.NO_SPACE]
        assert inside.space.accepting
        disk.free = 999
        refused = not inside.space.accepting
        assert refused
        disk.free = 1000 + len(CONTENT)
        (plan,) = await inside.offers.answer(SOURCE, [Offer(digest_of(CONTENT), len(CONTENT))])
        assert plan.answer == SendWhole()

    play(tmp_path, scene)


def test_a_disk_error_ends_the_stream_and_no_receipt_is_sent(tmp_path: Path) -> None:
    """Nothing is known about the bytes, so nothing is promised."""

    async def scene(inside: Inside) -> None:
        inside.store.fail_at = 1
        with pytest.raises(StoreFailed):
            await inside.receive(*frames(file_version(1, CONTENT), CONTENT))
        assert inside.store.fired == 1
        assert inside.catalogue.sources() == []
        assert refusals(await inside.receive(*frames(file_version(1, CONTENT), CONTENT))) == [None]

    play(tmp_path, scene)


def test_a_worker_that_dies_costs_the_coding_not_the_stream(tmp_path: Path) -> None:
    """The source then sends the plain bytes."""

    async def scene(inside: Inside) -> None:
        (receipt,) = await inside.receive(*frames(file_version(1, CONTENT), b"coded", coding="lepton"))
        assert isinstance(receipt.outcome, Refusal)
        assert receipt.outcome.code is RefusalCode.PROOF_FAILED
        assert "crashed" in receipt.outcome.reason
        assert inside.staged() == []

    play(tmp_path, scene)


def test_few_contents_wait_for_their_proof_and_no_more_is_read_then(tmp_path: Path) -> None:
    """A source that is faster than our processors is held up, not stored up."""
    n_read = 0

    async def scene(inside: Inside) -> None:
        nonlocal n_read

        async def many() -> AsyncIterator[Frame]:
            nonlocal n_read
            for n in range(1, 200):
                for frame in frames(file_version(n, CONTENT), b"%d" % n, coding="zstd"):
                    n_read += 1
                    yield frame

        async def take() -> int:
            return len([r async for r in inside.receiver.receive(SOURCE, many()) if r.outcome == Stored()])

        taking = asyncio.create_task(take())
        async with asyncio.timeout(30):
            await decoder.crowded.wait()
        for _ in range(200):
            await asyncio.sleep(0)
        assert n_read == 3 * (MAX_LANDING + 1)
        gate.set()
        assert await taking == 199

    gate = asyncio.Event()
    decoder = Decoder(CONTENT, gate=gate)
    play(tmp_path, scene, decoder=decoder)
    assert decoder.most_at_once == MAX_LANDING


def test_what_was_complete_when_the_source_vanished_still_lands(tmp_path: Path) -> None:
    """The source will be told `have`; the content it was in the middle of can be resumed."""

    async def scene(inside: Inside) -> None:
        v = file_version(2, CONTENT)

        async def cut() -> AsyncIterator[Frame]:
            for frame in frames(file_version(1, b"complete"), b"complete"):
                yield frame
            yield Begin(v, "raw", len(CONTENT))
            yield Data(0, CONTENT[:100_000])
            raise asyncio.CancelledError

        receiving = inside.receiver.receive(SOURCE, cut())
        _ = [receipt async for receipt in receiving]
        await inside.receiver.drain(seconds=5)
        assert inside.catalogue.last_seq(SOURCE) == 1
        assert inside.staged() == [CONTENT[:100_000]]
        (plan,) = await inside.offers.answer(SOURCE, [Offer(digest_of(CONTENT), len(CONTENT))])
        assert isinstance(plan.answer, SendWhole)
        assert plan.answer.staged is not None
        rest: list[Frame] = [Begin(v, "raw", len(CONTENT), 100_000), Data(100_000, CONTENT[100_000:]), End(digest_of(CONTENT))]
        assert refusals(await inside.receive(*rest)) == [None]
        assert inside.staged() == []

    play(tmp_path, scene)


def test_a_version_without_a_content_cannot_be_landed() -> None:
    """A bug, said so."""
    landing = Landing(*([None] * 7))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="only a file"):
        asyncio.run(landing.land(version(1, b"d", None), None, sharing=frozenset()))  # type: ignore[arg-type]
