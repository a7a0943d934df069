"""The operator's two doors to a source: a 0600 Unix socket and, if it is configured, mutual TLS. There is no third."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from common import adminsocket
from common.admin.admission import Admission, PeerOf, socket_peer, tls_peer
from common.admin.audit import Audit
from common.errors import SmarterError
from common.logs import get
from common.pb import admin_pb2
from common.tls import TlsFiles, server_credentials
from common.wire.transport import SERVER_OPTIONS
from source_agent.config import SourceAdminSection

STOP_S = 3.0
"""Calls may end by themselves for so long."""

_SERVICES = [service.full_name for service in admin_pb2.DESCRIPTOR.services_by_name.values()]

_log = get("source.doors")


class Service(Protocol):
    """A servicer that knows how to be served."""

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""


@asynccontextmanager
async def open_doors(
    config: SourceAdminSection, files: TlsFiles, *, services: Sequence[Service], audit: Audit
) -> AsyncIterator[None]:
    """Answers the operator for the length of the block.

    Errors: SmarterError where socket or address cannot be bound; ConfigError for unusable TLS files.
    """
    async with AsyncExitStack() as ends:
        server = await _server(services, audit, socket_peer)
        reflection.enable_server_reflection([*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        adminsocket.bind(server, config.socket)
        await server.start()
        ends.push_async_callback(server.stop, STOP_S)
        if config.listen is not None:
            server = await _server(services, audit, tls_peer)
            try:
                port = server.add_secure_port(config.listen, server_credentials(files))
            except RuntimeError as error:
                raise SmarterError(f"admin.listen: {config.listen} cannot be bound: is another program there?") from error
            await server.start()
            ends.push_async_callback(server.stop, STOP_S)
            _log.info("operator_admitted", listen=config.listen, port=port)
        yield


async def _server(services: Sequence[Service], audit: Audit, peer_of: PeerOf) -> grpc.aio.Server:
    server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=[Admission(audit, peer_of)])
    for service in services:
        service.serve_on(server)
    answers = health.aio.HealthServicer()
    await answers.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    return server
