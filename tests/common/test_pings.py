"""Health pings, heard by a real web server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from common import pings
from common.config import http_url
from common.metrics import PINGS, snapshot
from common.pings import Event, Pings
from tests.fakes.clock import ManualClock
from tests.fakes.http import listening
from tests.fakes.pki import DEST, make_pki
from tests.fakes.working import until


def tell(event: Event, url: str) -> bool:
    """One ping."""
    return asyncio.run(Pings(start=url, success=url, fail=url).tell(event))


def test_an_event_is_told_to_its_own_address_with_path_and_query() -> None:
    """And to no other; one without an address is told to nobody."""
    with listening() as at:
        told = Pings(start=at.url("abc/start?rid=1"), fail=at.url("abc/fail"))
        assert asyncio.run(told.tell("start"))
        assert asyncio.run(told.tell("success"))
        assert at.paths == ["abc/start?rid=1"]
    assert snapshot(PINGS)["start/told"] >= 1


@pytest.mark.parametrize("status", [404, 500, 302])
def test_an_answer_that_is_no_success_is_a_ping_lost(status: int) -> None:
    """A redirect is not followed: the watcher said where it listens."""
    with listening() as at, structlog.testing.capture_logs() as logs:
        at.status = status
        assert not tell("success", at.url("secret-key"))
    assert [(line["event"], line["reason"]) for line in logs] == [("ping_lost", f"HTTP status {status}")]
    assert "secret-key" not in str(logs)


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.net ESMTP\r\n", b"HTTP/1.1 fine\r\n", b"x" * 5000, b"HTTP/1.1\r\n"])
def test_what_is_no_web_server_is_a_ping_lost(answer: bytes) -> None:
    """Whatever it says, the work goes on."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with closing(server.accept()[0]) as peer:
                peer.recv(4096)
                peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        assert not tell("success", f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_nobody_there_is_a_ping_lost() -> None:
    """At once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not tell("fail", f"http://127.0.0.1:{port}/")


def test_a_watcher_that_never_answers_costs_the_deadline_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts, and is silent."""
    monkeypatch.setattr(pings, "PING_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not tell("start", f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_a_watcher_whose_certificate_nobody_signed_is_not_told(tmp_path: Path) -> None:
    """The address is a secret: it is given to whom it belongs."""
    pki = make_pki(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / f"{DEST}.pem", pki / f"{DEST}.key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        read: list[bytes] = []

        def serve() -> None:
            try:
                with closing(context.wrap_socket(server.accept()[0], server_side=True)) as peer:
                    read.append(peer.recv(4096))
            except OSError:
                read.append(b"")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert not tell("success", f"https://127.0.0.1:{server.getsockname()[1]}/secret")
        thread.join(10)
    assert read == [b""]


def test_a_daemon_tells_how_it_is_regularly_and_a_change_at_once() -> None:
    """So a watcher knows within seconds, and hears of a daemon that hangs by its silence."""
    clock = ManualClock()
    wrong = [""]

    async def scene() -> list[str]:
        with listening() as at:
            told = Pings(at.url("start"), at.url("success"), at.url("fail"), every_s=300)
            life = asyncio.create_task(told.go_on(lambda: wrong[0], clock))
            await heard(at.paths, 2)
            for _ in range(29):
                await moved(clock)
            assert at.paths == ["start", "success"]
            await moved(clock)
            await heard(at.paths, 3)
            wrong[0] = "the disk is full"
            await moved(clock)
            await heard(at.paths, 4)
            wrong[0] = ""
            await moved(clock)
            await heard(at.paths, 5)
            life.cancel()
            return at.paths

    assert asyncio.run(scene()) == ["start", "success", "success", "fail", "success"]


async def heard(paths: list[str], n: int) -> None:
    """Waits until the server has heard so many."""
    await until(lambda: len(paths) >= n)


async def moved(clock: ManualClock) -> None:
    """Ten seconds go by, once the daemon sleeps."""
    await until(lambda: bool(clock.sleepers))
    clock.advance(10)
    await until(lambda: all(not sleeper.done() for _, sleeper in clock.sleepers))


@pytest.mark.parametrize("text", ["http://h/", "https://hc-ping.com/0b1c?create=1", "http://[::1]:8000/x"])
def test_an_address_of_the_web_is_taken(text: str) -> None:
    """As it is."""
    assert http_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hc-ping.com/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "http://",
        "http://u:p@h/",
        "http://h/a b",
        "http://h/\r\nX: y",
        "http://h:99999/",
        "http://[::1/",
    ],
)
def test_what_is_no_address_of_the_web_is_refused(text: str) -> None:
    """Other schemes above all."""
    with pytest.raises(ValueError, match="is not an address"):
        http_url(text)
