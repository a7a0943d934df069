"""Metrics over HTTP, for Prometheus: `GET /metrics`. No TLS and no login, so by default it listens nowhere.

One request at a time, each with a deadline: whoever can reach the port can delay other readers by seconds, and no more.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from common.errors import SmarterError
from common.logs import get
from common.metrics import CONTENT_TYPE, Registry, exposition

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

REQUEST_S = 5.0
"""A request that has not been read, or an answer that has not been taken, after so long of silence is given up."""
POLL_S = 0.1
"""How long the end may be waited for."""

_log = get("exporter")


class _Request(WSGIRequestHandler):
    timeout: ClassVar[float] = REQUEST_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
        """Scrapes are no events."""


@asynccontextmanager
async def exporting(listen: str | None, *registries: Registry, observe: Callable[[], object]) -> AsyncIterator[int]:
    """Answers on HOST:PORT for the length of the block, and gives the port; without an address it does nothing and gives 0.

    `observe` brings the gauges up to date before each answer; it is called in a thread. Errors: SmarterError where the
    address cannot be bound.
    """
    if listen is None:
        yield 0
        return

    with _bound(listen) as server:
        server.set_app(partial(_respond, registries, observe))
        threading.Thread(target=server.serve_forever, args=(POLL_S,), name="exporter", daemon=True).start()
        try:
            yield server.server_port
        finally:
            await asyncio.to_thread(server.shutdown)


def _respond(
    registries: Sequence[Registry], observe: Callable[[], object], request: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    status, text = _answer(registries, observe, request)
    body = text.encode()
    start_response(status, [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
    return [body]


def _answer(registries: Sequence[Registry], observe: Callable[[], object], request: WSGIEnvironment) -> tuple[str, str]:
    if request.get("PATH_INFO") != "/metrics":
        return "404 Not Found", "the metrics are at /metrics\n"
    if request.get("REQUEST_METHOD") != "GET":
        return "405 Method Not Allowed", "only GET\n"
    try:
        observe()
    except (SmarterError, OSError) as error:
        # Prometheus then knows that nothing is known, which is better than the figures of a while ago.
        _log.warning("metrics_failed", reason=str(error))
        return "503 Service Unavailable", f"{error}\n"
    return "200 OK", exposition(*registries)


def _bound(listen: str) -> WSGIServer:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")

    class Server(WSGIServer):
        """Of the address's family."""

        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def handle_error(self, _request: object, client_address: object) -> None:
            """A reader that went away is its own affair."""
            _log.debug("scrape_failed", client=str(client_address))

    try:
        return Server((host, int(port)), _Request)
    except OSError as error:
        raise SmarterError(f"metrics.listen: {listen} cannot be bound: {error.strerror or error}") from error
