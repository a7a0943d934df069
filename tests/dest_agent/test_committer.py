"""Many receipts, one sync."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.database import DatabaseError
from common.model import Receipt, Refusal, RefusalCode, Stored
from dest_agent.catalogue import Arrival, Catalogue
from dest_agent.catalogue.sqlite import SqliteCatalogue
from dest_agent.committer import MAX_GROUP, Committer
from dest_agent.store import NoSpace, StoreFailed
from tests.contracts.catalogue_contract import bringing, naming, version
from tests.fakes.catalogues import MemoryCatalogue


class CountingCatalogue(MemoryCatalogue):
    """Counts transactions and fails the n-th."""

    def __init__(self, *, fail_at: int = 0, error: DatabaseError | None = None) -> None:
        """`error`: what the n-th transaction fails with."""
        super().__init__()
        self.sizes: list[int] = []
        self._fail_at = fail_at
        self._error = error or DatabaseError("disk I/O error")

    def commit(self, arrivals: Sequence[Arrival], *, received_ns: int) -> list[Stored | Refusal]:
        """See Catalogue."""
        self.sizes.append(len(arrivals))
        if len(self.sizes) == self._fail_at:
            raise self._error
        return super().commit(arrivals, received_ns=received_ns)


async def committed(catalogue: Catalogue, arrivals: Sequence[Arrival]) -> list[Stored | Refusal | BaseException]:
    """The outcomes of arrivals that come at once."""
    committer = Committer(catalogue, SystemClock())
    outcomes = await asyncio.gather(*(committer.commit(a) for a in arrivals), return_exceptions=True)
    await committer.close()
    return outcomes


def test_what_arrives_together_is_committed_together() -> None:
    """Bounded: nobody waits for a transaction without end."""
    catalogue = CountingCatalogue()
    outcomes = asyncio.run(committed(catalogue, [bringing(version(n, b"%d" % n)) for n in range(1, 1501)]))
    assert outcomes == [Stored()] * 1500
    assert len(catalogue.sizes) < 10
    assert max(catalogue.sizes) <= MAX_GROUP


def test_each_caller_gets_its_own_outcome() -> None:
    """A refusal in the middle of a group holds up nobody."""
    arrivals = [bringing(version(1, b"a")), bringing(version(1, b"b")), naming(version(3, b"c"))]
    first, second, third = asyncio.run(committed(CountingCatalogue(), arrivals))
    assert (first, third) == (Stored(), Stored())
    assert isinstance(second, Refusal)
    assert second.code is RefusalCode.CONFLICT


def test_a_failed_transaction_fails_its_group_alone() -> None:
    """The next one is tried as if nothing had happened."""

    async def scene() -> None:
        catalogue = CountingCatalogue(fail_at=1)
        committer = Committer(catalogue, SystemClock())
        with pytest.raises(StoreFailed):
            await committer.commit(bringing(version(1, b"a")))
        assert await committer.commit(bringing(version(1, b"a"))) == Stored()
        await committer.close()

    asyncio.run(scene())


def test_a_record_on_a_full_disk_is_refused_not_failed(tmp_path: Path) -> None:
    """SQLite itself says that it is full."""

    async def scene() -> list[Receipt]:
        catalogue = SqliteCatalogue(tmp_path / "c.sqlite")
        catalogue._writer.execute("PRAGMA max_page_count=20")
        committer = Committer(catalogue, SystemClock())
        versions = [version(n, b"%0200d" % n, None) for n in range(1, 300)]
        receipts = await committer.record(versions, sharing=frozenset({"lisbon-1"}))
        with pytest.raises(NoSpace):
            await committer.commit(naming(version(500, b"/".join([b"x" * 200] * 140), None)))
        await committer.close()
        assert catalogue.sources() == []
        catalogue.close()
        return receipts

    receipts = asyncio.run(scene())
    assert {r.outcome.code for r in receipts if isinstance(r.outcome, Refusal)} == {RefusalCode.NO_SPACE}
    assert len(receipts) == 299


def test_closing_writes_what_is_queued() -> None:
    """A stop in the middle of a group loses no commit."""

    async def scene() -> int:
        catalogue = MemoryCatalogue()
        committer = Committer(catalogue, SystemClock())
        waiting = [asyncio.create_task(committer.commit(bringing(version(n, b"a")))) for n in range(1, 700)]
        await asyncio.sleep(0)
        await committer.close()
        await asyncio.gather(*waiting)
        return catalogue.sources()[0].versions

    assert asyncio.run(scene()) == 699
