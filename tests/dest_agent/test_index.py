"""The indexes behind the offers: repaired, rebuilt by a command, mended after a failure, and asked by the operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from common.clock import SystemClock
from common.database import DatabaseError, open_database
from common.ids import digest_of
from common.lifecycle import StateLock
from common.metrics import INDEX_PICTURES, SIMILAR_SECONDS, snapshot
from common.pb import admin_pb2, replication_pb2
from dest_agent.access import Access
from dest_agent.agent import CATALOGUE, INDEX, serving
from dest_agent.catalogue import Catalogue, Picture
from dest_agent.catalogue.schema import UPGRADES
from dest_agent.catalogue.sqlite import SqliteCatalogue
from dest_agent.cli import main
from dest_agent.index.namespace import NamespaceIndex
from dest_agent.index.similar import Similar
from tests.contracts.catalogue_contract import NOW_NS, bringing
from tests.dest_agent.served import Site, config, file_version, frames, site
from tests.dest_agent.test_daemon import yaml
from tests.fakes.catalogues import MemoryCatalogue
from tests.fakes.clock import ManualClock
from tests.fakes.pki import SOURCE
from tests.fakes.schemas import check_output
from tests.fakes.sketches import Drawn, drawn

RICH = drawn(1)
SMALL = drawn(1, scale=0.5, quarter_turns=1)
OTHER = drawn(2)


def held(catalogue: Catalogue, *pictures: Drawn) -> None:
    """Makes pictures of the source durable."""
    for seq, p in enumerate(pictures, start=1):
        catalogue.sketch(SOURCE, [Picture(p.digest, len(p.content), p.sketch, p.digest)], offered_ns=NOW_NS)
        catalogue.commit([bringing(file_version(seq, p.content, b"%d" % seq), p.content)], received_ns=NOW_NS)


def play(folder: Path, catalogue: Catalogue, scene: Callable[[Similar], Awaitable[None]]) -> None:
    """A scene with the part that answers offers, on its own."""

    async def whole() -> None:
        similar = Similar(catalogue, folder, access=Access(None), clock=SystemClock(), k=5)
        await similar.start()
        await scene(similar)
        await similar.close()

    asyncio.run(whole())


async def until_seen(similar: Similar) -> None:
    """Until the rich picture is found by its small copy."""
    while True:
        if (await similar.look(SOURCE, [SMALL.offer]))[SMALL.digest].matches:
            return
        await asyncio.sleep(0.01)


async def until_counted(n_pictures: int) -> None:
    """Until the gauge says so."""
    while True:
        if snapshot(INDEX_PICTURES)[""] == n_pictures:
            return
        await asyncio.sleep(0.01)


def test_what_is_in_the_index_outlives_the_process(tmp_path: Path) -> None:
    """It is durable when the agent ends, also what came a moment before; nothing is missing at the next start."""
    catalogue = MemoryCatalogue()

    async def scene(similar: Similar) -> None:
        held(catalogue, RICH, OTHER)
        similar.arrived(SOURCE, RICH.digest)
        similar.arrived(SOURCE, OTHER.digest)
        similar.arrived(SOURCE, digest_of(b"no picture"))
        await until_seen(similar)

    play(tmp_path, catalogue, scene)
    index = NamespaceIndex(tmp_path / SOURCE, catalogue, frozenset({SOURCE}))
    assert RICH.digest not in index.missing()


def test_what_is_no_picture_any_more_is_forgotten(tmp_path: Path) -> None:
    """As after a change of namespaces: the index shall hold what its catalogue says, no more."""
    catalogue = MemoryCatalogue()
    held(catalogue, RICH, OTHER)
    index = NamespaceIndex(tmp_path, catalogue, frozenset({SOURCE}))
    index.insert(index.missing())
    assert len(index) == 2
    index.flush()
    emptied = NamespaceIndex(tmp_path, MemoryCatalogue(), frozenset({SOURCE}))
    assert (emptied.missing(), len(emptied)) == ([], 0)


def test_a_failed_index_is_mended(tmp_path: Path) -> None:
    """A full disk is not for ever: the hourly sweep tries again, and everything is put in."""
    catalogue = MemoryCatalogue()
    held(catalogue, RICH)
    obstacle = tmp_path / SOURCE
    obstacle.write_bytes(b"in the way")

    async def scene(similar: Similar) -> None:
        assert (await similar.look(SOURCE, [SMALL.offer]))[SMALL.digest].matches == ()
        obstacle.unlink()
        assert (await similar.look(SOURCE, [SMALL.offer]))[SMALL.digest].matches == ()
        similar.mend()
        await until_seen(similar)

    play(tmp_path, catalogue, scene)


def test_sketches_that_cannot_be_kept_cost_no_offer(tmp_path: Path) -> None:
    """A disk that is full for hints may still take files."""

    class Full(MemoryCatalogue):
        """Takes no sketches."""

        def sketch(self, source: str, pictures: Sequence[Picture], *, offered_ns: int) -> None:
            """Fails as SQLite does."""
            raise DatabaseError(f"no room for {len(pictures)} of {source} at {offered_ns}")

    async def scene(similar: Similar) -> None:
        await similar.keep(SOURCE, [Picture(RICH.digest, 1, RICH.sketch, RICH.digest)])

    play(tmp_path, Full(), scene)


def test_a_sketch_whose_content_never_came_is_swept(tmp_path: Path, pki: Path) -> None:
    """After the same grace as an object without a recipe; one whose content came stays."""
    settings, clock = config(tmp_path, pki), ManualClock()

    async def scene() -> None:
        async with serving(settings, clock=clock) as served:
            at = Site(served.port, tmp_path, pki)
            async with at.caller() as client, at.operator() as operator:
                await client.offer(RICH.offer, OTHER.offer)
                await client.upload(*frames(file_version(1, RICH.content), RICH.content))
                db = open_database(settings.agent.state / CATALOGUE, UPGRADES)
                clock.advance(settings.orphan_grace + 1)
                while True:
                    if [row["digest"] for row in db.execute("SELECT digest FROM sketches")] == [RICH.digest]:
                        break
                    await asyncio.sleep(0.01)
                db.close()
                assert (await operator.status()).pictures == 1

    asyncio.run(scene())


def test_looking_is_measured_and_pictures_are_counted(tmp_path: Path) -> None:
    """What an operator's dashboard shows."""
    catalogue = MemoryCatalogue()
    held(catalogue, RICH, OTHER)

    async def scene(similar: Similar) -> None:
        n_before = snapshot(SIMILAR_SECONDS)[""]
        await until_counted(2)
        await similar.look(SOURCE, [SMALL.offer, OTHER.offer])
        assert snapshot(SIMILAR_SECONDS)[""] == n_before + 2

    play(tmp_path, catalogue, scene)


def test_one_command_builds_the_index_anew(tmp_path: Path, pki: Path) -> None:
    """Whatever lies in its place; while the daemon runs it refuses."""
    state = tmp_path / "state"
    state.mkdir()
    catalogue = SqliteCatalogue(state / CATALOGUE)
    held(catalogue, RICH, OTHER)
    catalogue.close()
    (state / INDEX / SOURCE).mkdir(parents=True)
    (state / INDEX / SOURCE / "index").write_bytes(b"no index")
    command = ["reindex", "--config", str(yaml(tmp_path, pki))]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.output) == (0, f"{SOURCE}: 2 pictures\n")
    done = CliRunner().invoke(main, [*command, "--json"])
    assert check_output("smarter-dest-reindex", json.loads(done.output)) == {"namespaces": {SOURCE: 2}}
    catalogue = SqliteCatalogue(state / CATALOGUE)
    index = NamespaceIndex(state / INDEX / SOURCE, catalogue, frozenset({SOURCE}))
    assert (len(index), index.missing()) == (2, [])
    catalogue.close()
    lock = StateLock(state)
    assert CliRunner().invoke(main, command).exit_code != 0
    lock.release()


def test_the_operator_asks_what_looks_like_a_picture(tmp_path: Path, pki: Path) -> None:
    """By the digest of a held one, which is not its own match, or by any sketch; never across namespaces."""
    settings = config(tmp_path, pki)
    settings.agent.state.mkdir()
    catalogue = SqliteCatalogue(settings.agent.state / CATALOGUE)
    held(catalogue, RICH, SMALL, OTHER)
    catalogue.close()
    sketch = replication_pb2.Sketch(features=SMALL.sketch.features)

    async def scene() -> None:
        async with site(settings, pki) as at, at.operator() as operator, at.caller() as source:

            async def similar(**asked: Any) -> list[bytes]:
                reply = await operator.admin.Similar(admin_pb2.SimilarRequest(**asked))
                return [match.digest for match in reply.matches]

            await until_counted(3)
            assert await similar(namespace=SOURCE, digest=RICH.digest) == [SMALL.digest]
            assert await similar(namespace=SOURCE, sketch=sketch) == [SMALL.digest, RICH.digest]
            assert await similar(namespace=SOURCE, sketch=replication_pb2.Sketch(features=b"odd")) == []
            for asked, code in (
                ({"namespace": "porto-1", "sketch": sketch}, grpc.StatusCode.NOT_FOUND),
                ({"namespace": SOURCE, "digest": digest_of(b"x")}, grpc.StatusCode.NOT_FOUND),
                ({"namespace": SOURCE, "digest": b"x"}, grpc.StatusCode.INVALID_ARGUMENT),
                ({"namespace": "../etc", "sketch": sketch}, grpc.StatusCode.INVALID_ARGUMENT),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await similar(**asked)
                assert refused.value.code() is code
            with pytest.raises(grpc.aio.AioRpcError) as denied:
                await source.admin.Similar(admin_pb2.SimilarRequest(namespace=SOURCE, sketch=sketch))
            assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED

    asyncio.run(scene())
