"""Metrics over HTTP, asked over a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest

from common import exporter
from common.errors import SmarterError, TransientError
from common.exporter import exporting
from common.metrics import BOTH, CONTENT_TYPE, DESTINATION, DIRTY, SOURCE

LISTEN = "127.0.0.1:0"


def asked(port: int, path: str = "/metrics", *, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str, str]:
    """Status, content type and text of an answer."""
    connection = HTTPConnection(host, port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()


def test_an_agent_tells_its_own_metrics_as_they_are_now() -> None:
    """The other agent's would be zeros that mean nothing; gauges are brought up to date for each answer."""

    async def scene() -> tuple[int, str, str]:
        async with exporting(LISTEN, SOURCE, BOTH, observe=lambda: DIRTY.set(17)) as port:
            DIRTY.set(3)
            return await asyncio.to_thread(asked, port)

    status, kind, text = asyncio.run(scene())
    assert (status, kind) == (200, CONTENT_TYPE)
    assert "smarter_dirty_paths 17.0\n" in text
    assert "process_resident_memory_bytes " in text
    assert not any(family.name in text for family in DESTINATION.collect())


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/metrics/x", "GET", 404), ("/metrics", "POST", 405)])
def test_nothing_else_is_answered(path: str, method: str, status: int) -> None:
    """It is no web server."""

    async def scene() -> int:
        async with exporting(LISTEN, SOURCE, observe=lambda: None) as port:
            return (await asyncio.to_thread(asked, port, path, method=method))[0]

    assert asyncio.run(scene()) == status


def test_figures_that_cannot_be_had_are_not_told() -> None:
    """Those of an hour ago would look well."""

    def observe() -> None:
        raise TransientError("the database is locked")

    async def scene() -> tuple[int, str, str]:
        async with exporting(LISTEN, SOURCE, observe=observe) as port:
            return await asyncio.to_thread(asked, port)

    status, _, text = asyncio.run(scene())
    assert (status, text) == (503, "the database is locked\n")


def test_without_an_address_nothing_listens() -> None:
    """The default."""

    async def scene() -> int:
        before = threading.active_count()
        async with exporting(None, SOURCE, observe=lambda: None) as port:
            assert threading.active_count() == before
            return port

    assert asyncio.run(scene()) == 0


def test_an_address_that_is_taken_is_one_sentence() -> None:
    """Named by its key."""

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            async with exporting(f"127.0.0.1:{taken.getsockname()[1]}", SOURCE, observe=lambda: None):
                pass

    with pytest.raises(SmarterError, match=r"^metrics\.listen: 127\.0\.0\.1:\d+ cannot be bound: Address already in use$"):
        asyncio.run(scene())


def test_a_client_that_says_nothing_keeps_others_waiting_no_longer_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep the agent from ending."""
    monkeypatch.setattr(exporter._Request, "timeout", 0.2)

    async def scene() -> int:
        async with exporting(LISTEN, SOURCE, observe=lambda: None) as port:
            with socket.create_connection(("127.0.0.1", port)) as silent:
                answer = await asyncio.to_thread(asked, port)
                assert silent.recv(1) == b""
            return answer[0]

    assert asyncio.run(scene()) == 200


def test_an_address_of_ipv6_is_bound_too() -> None:
    """In brackets, as everywhere in the configuration."""

    async def scene() -> int:
        async with exporting("[::1]:0", SOURCE, observe=lambda: None) as port:
            return await asyncio.to_thread(lambda: urlopen(f"http://[::1]:{port}/metrics", timeout=10).status)

    assert asyncio.run(scene()) == 200
