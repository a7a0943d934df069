"""The two doors: mutual TLS for the world, a 0600 Unix socket for whoever may open it. There is no third."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from common import adminsocket
from common.admin.admission import Admission, PeerOf, socket_peer, tls_peer
from common.admin.audit import Audit
from common.admin.upkeep import Upkeep
from common.errors import SmarterError
from common.pb import admin_pb2, restore_pb2
from common.pb.admin_pb2_grpc import add_AdminServicer_to_server
from common.pb.replication_pb2_grpc import add_ReplicationServicer_to_server
from common.pb.restore_pb2_grpc import add_RestoreServicer_to_server
from common.tls import TlsFiles, server_credentials
from common.wire.transport import SERVER_OPTIONS
from dest_agent.index.similar import Similar
from dest_agent.restore import Restorer
from dest_agent.rpc import Calls
from dest_agent.rpc.admin import Admin
from dest_agent.rpc.replication import Delivery, Replication
from dest_agent.rpc.restore import Restore
from dest_agent.status import Status
from dest_agent.throttle import Throttle
from dest_agent.verify import Verifier


@dataclass(frozen=True, slots=True)
class Served:
    """What stands behind the doors."""

    delivery: Delivery
    restorer: Restorer
    verifier: Verifier
    status: Status
    similar: Similar
    throttle: Throttle
    audit: Audit
    upkeep: Upkeep


def tls_door(address: str, files: TlsFiles, served: Served) -> tuple[grpc.aio.Server, int]:
    """A server, not yet started, for sources and the operator, and the port it has.

    Errors: SmarterError where the address cannot be bound; ConfigError for unusable TLS files.
    """
    server = _server(served, tls_peer)
    calls = Calls(tls_peer)
    add_ReplicationServicer_to_server(Replication(served.delivery, calls, served.throttle), server)
    _add_reading(server, served, calls, throttle=served.throttle)
    credentials = server_credentials(files)
    try:
        return server, server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise SmarterError(f"listen: {address} cannot be bound: is another program there?") from error


def admin_door(socket: Path, served: Served) -> grpc.aio.Server:
    """A server, not yet started, on the admin socket; the only one that lists its services. Errors: ConfigError, SmarterError."""
    server = _server(served, socket_peer)
    _add_reading(server, served, Calls(socket_peer))
    own = (
        restore_pb2.DESCRIPTOR.services_by_name["Restore"],
        *(admin_pb2.DESCRIPTOR.services_by_name[n] for n in ("Admin", "Upkeep")),
    )
    names = (*(service.full_name for service in own), health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    adminsocket.bind(server, socket)
    return server


def _server(served: Served, peer_of: PeerOf) -> grpc.aio.Server:
    return grpc.aio.server(options=SERVER_OPTIONS, interceptors=[Admission(served.audit, peer_of)])


def _add_reading(server: grpc.aio.Server, served: Served, calls: Calls, *, throttle: Throttle | None = None) -> None:
    admin = Admin(served.status, served.verifier, served.similar, calls=calls)
    add_RestoreServicer_to_server(Restore(served.restorer, calls, throttle), server)
    add_AdminServicer_to_server(admin, server)
    served.upkeep.serve_on(server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
