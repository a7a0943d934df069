"""The page put together: routes behind the guard, and a server that ends when it is told to."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from admin_client.endpoints import Endpoints
from admin_client.web.agents import Agents
from admin_client.web.doors import Guard, Sessions
from admin_client.web.pages import Pages
from admin_client.web.series import Series
from admin_client.web.thumbnails import Thumbnails
from common.clock import SystemClock
from common.errors import SmarterError

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Settings:
    """How the page is served."""

    token: str
    hosts: Collection[str]
    """What a request's Host may be."""
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False


def application(endpoints: Endpoints, settings: Settings) -> ASGIApp:
    """The page as an ASGI application."""
    clock, agents = SystemClock(), Agents(endpoints)
    sessions = Sessions(settings.token, clock)
    series = Series(agents, clock)
    has_tls = settings.certificate is not None or settings.behind_proxy
    pages = Pages(agents, sessions, Thumbnails(agents, clock), series, has_tls)

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        """Samples both sites while the page is served."""
        sampling = asyncio.create_task(series.run())
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
            agents.close()

    app = Starlette(
        routes=[
            Route("/", lambda _: RedirectResponse("/groups", 303)),
            Route("/login", pages.login, methods=["GET", "POST"]),
            Route("/logout", pages.logout, methods=["POST"]),
            Route("/groups", pages.groups),
            Route("/groups/{number:int}", pages.group),
            Route("/groups/{number:int}/beside", pages.beside),
            Route("/groups/{number:int}/{word}", pages.decide, methods=["POST"]),
            Route("/thumbnails/{digest}", pages.thumbnail),
            Route("/dashboard", pages.dashboard),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={SmarterError: pages.failed, ValueError: pages.failed, 404: pages.missing, 405: pages.missing},
        lifespan=living,
    )
    return Guard(app, sessions=sessions, hosts=settings.hosts)


def serve(endpoints: Endpoints, settings: Settings, listener: socket.socket) -> None:
    """Answers on a socket that listens until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        application(endpoints, settings),
        log_config=None,
        access_log=False,
        server_header=False,
        # Who is behind a proxy is the proxy's word, which is taken only where the operator said that there is one.
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips="*" if settings.behind_proxy else None,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        timeout_graceful_shutdown=3,
    )
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """One that a signal ends as it ends the daemons: with exit code 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
