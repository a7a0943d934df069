"""The deliverer: who it talks to, and how it comes back after every kind of failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from admin_client.pki import issue_pki
from common.clock import SystemClock
from common.errors import ConfigError, PeerError, SmarterError
from common.tls import TlsFiles
from source_agent.deliverer import Deliverer
from source_agent.link import ask_name
from tests.fakes.delivering import Delivering, delivering
from tests.fakes.pki import DEST, SOURCE, make_pki, tls_files
from tests.fakes.scripted import Script, serve
from tests.fakes.working import until


async def run_once(deliverer: Deliverer) -> None:
    """A run that gives up where waiting does not help."""
    async with asyncio.timeout(20):
        await deliverer.run(finished=lambda: True, gives_up=True)


def test_the_name_of_the_first_destination_is_learned_and_kept(tmp_path: Path) -> None:
    """From then on nobody else is taken at that address, not even one of our own authority."""

    async def deed(site: Delivering) -> None:
        site.write(a=b"x")
        await run_once(site.deliverer(server_name=None))
        assert site.tree.journal.meta("destination") == DEST
        await site.server.stop(None)
        issue_pki(tmp_path / "pki", dests=["bergen-1"])
        impostor = Script()
        server, _ = await serve(impostor, tls_files(tmp_path / "pki", "bergen-1"), agent="bergen-1", port=site.port)
        site.write(b=b"y")
        with pytest.raises(PeerError):
            await run_once(site.deliverer(server_name=None))
        await server.stop(None)
        assert impostor.hellos == 0
        assert site.states() == {"replicated": 1, "queued": 1}

    delivering(tmp_path, deed)


def test_a_configured_name_wins_over_a_learned_one(tmp_path: Path) -> None:
    """And is checked."""

    async def deed(site: Delivering) -> None:
        site.tree.journal.set_meta("destination", "somebody-else")
        await run_once(site.deliverer(server_name=DEST))
        with pytest.raises(PeerError, match="TLS handshake refused"):
            await run_once(site.deliverer(server_name="bergen-1"))

    delivering(tmp_path, deed)


def test_a_server_of_another_authority_is_not_talked_to(tmp_path: Path) -> None:
    """Neither when its name is known nor when it is asked for."""

    async def deed(site: Delivering) -> None:
        stranger = make_pki(tmp_path / "strange")
        site.files = tls_files(stranger, SOURCE)
        for name in (DEST, None):
            with pytest.raises(PeerError):
                await run_once(site.deliverer(server_name=name))
        assert site.script.hellos == 0

    delivering(tmp_path, deed)


def test_a_source_is_no_destination(tmp_path: Path) -> None:
    """A certificate of our authority with the wrong role."""

    async def deed(site: Delivering) -> None:
        server, port = await serve(Script(), tls_files(tmp_path / "pki", SOURCE), agent=SOURCE)
        with pytest.raises(PeerError, match="source"):
            await ask_name(f"127.0.0.1:{port}", site.files)
        await server.stop(None)

    delivering(tmp_path, deed)


def test_nobody_there_is_tried_again_until_somebody_is(tmp_path: Path) -> None:
    """With the reason in the status meanwhile."""

    async def deed(site: Delivering) -> None:
        await site.server.stop(None)
        site.write(a=b"x")
        deliverer = site.deliverer()
        delivery = asyncio.create_task(run_once(deliverer))
        await until(lambda: bool(deliverer.error))
        assert site.tools.tally.problem == deliverer.error != ""
        assert deliverer.connected_to == ""
        server, _ = await serve(site.script, tls_files(tmp_path / "pki", DEST), port=site.port)
        await delivery
        assert site.is_delivered()
        await server.stop(None)

    delivering(tmp_path, deed)


def test_a_server_that_stops_in_the_middle_is_found_again(tmp_path: Path) -> None:
    """Every content arrives once, whatever was in flight."""

    async def deed(site: Delivering) -> None:
        site.write(**{f"f{n}": bytes([n]) * 200_000 + bytes(range(256)) for n in range(40)})
        delivery = asyncio.create_task(run_once(site.deliverer()))
        await until(lambda: len(site.script.versions) > 3)
        await site.server.stop(None)
        assert not delivery.done()
        server, _ = await serve(site.script, tls_files(tmp_path / "pki", DEST), port=site.port)
        await delivery
        assert site.is_delivered()
        assert len(site.script.holds()) == 40
        await server.stop(None)

    delivering(tmp_path, deed)


def test_our_own_files_missing_is_said_as_such(tmp_path: Path) -> None:
    """A single run ends; the daemon waits for them."""

    async def deed(site: Delivering) -> None:
        site.files = TlsFiles(site.files.ca, tmp_path / "gone.pem", site.files.key)
        for name in (DEST, None):
            with pytest.raises(ConfigError, match=r"gone\.pem"):
                await run_once(site.deliverer(server_name=name))

    delivering(tmp_path, deed)


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.PERMISSION_DENIED])
def test_no_status_that_a_call_ends_with_ends_the_daemon(tmp_path: Path, code: grpc.StatusCode) -> None:
    """It says why, waits, and dials again; a single run gives up."""

    async def deed(site: Delivering) -> None:
        site.write(a=b"x")
        site.script.abort = code
        clock = site.tree.clock
        deliverer = site.deliverer(clock=clock)
        daemon = asyncio.create_task(deliverer.run(finished=lambda: False, gives_up=False))
        await until(lambda: "as the script says" in deliverer.error)
        await until(lambda: bool(clock.sleepers))
        clock.advance(60)
        await until(site.is_delivered)
        assert not daemon.done()
        daemon.cancel()
        await asyncio.gather(daemon, return_exceptions=True)
        site.write(b=b"y")
        site.script.abort = code
        with pytest.raises(SmarterError, match="as the script says"):
            await run_once(site.deliverer())

    delivering(tmp_path, deed)


def test_renewed_certificates_are_taken_up_without_a_restart(tmp_path: Path) -> None:
    """The connection is made anew with them."""

    async def deed(site: Delivering) -> None:
        clock = site.tree.clock
        deliverer = site.deliverer(clock=clock)
        daemon = asyncio.create_task(deliverer.run(finished=lambda: False, gives_up=False))
        await until(lambda: deliverer.connected_to == DEST and bool(clock.sleepers))
        issue_pki(tmp_path / "pki", sources=[SOURCE], force=True)
        clock.advance(60)
        await until(lambda: deliverer.error != "")
        await until(lambda: bool(clock.sleepers))
        clock.advance(60)
        await until(lambda: site.script.hellos == 2)
        daemon.cancel()
        await asyncio.gather(daemon, return_exceptions=True)

    delivering(tmp_path, deed)


def test_a_lie_of_the_first_connection_is_survived_by_the_second(tmp_path: Path) -> None:
    """A broken connection is what the deliverer is there for."""

    async def deed(site: Delivering) -> None:
        site.write(a=b"x")
        await run_once(site.deliverer(clock=SystemClock()))
        assert site.is_delivered()
        assert site.script.hellos == 2

    delivering(tmp_path, deed, script=Script(cut_after_bytes=1))
