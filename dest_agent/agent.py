"""The destination agent: the only place that builds its parts and knows how they fit.

start   lock the state, open store and catalogue, recover staging, bind both doors, answer, tell systemd
run     serve; every hour sweep orphans and give up old partials
stop    hang up, let what is being landed reach its commit, close
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from common import adminsocket, lifecycle
from common.clock import Clock, SystemClock
from common.durable import make_directory
from common.errors import ConfigError, SmarterError
from common.logs import get
from common.model import Limits
from common.pb import admin_pb2, restore_pb2
from common.pb.admin_pb2_grpc import add_AdminServicer_to_server
from common.pb.replication_pb2_grpc import add_ReplicationServicer_to_server
from common.pb.restore_pb2_grpc import add_RestoreServicer_to_server
from common.tls import PeerIdentity, PeerRole, own_identity, server_credentials
from common.wire.transport import SERVER_OPTIONS
from common.workers import Workers
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue
from dest_agent.catalogue.sqlite import SqliteCatalogue
from dest_agent.collect import Claims, sweep
from dest_agent.committer import Committer
from dest_agent.config import DestConfig
from dest_agent.landing import Landing
from dest_agent.offers import Offers
from dest_agent.receiver import Receiver
from dest_agent.recipes import Rebuilder
from dest_agent.recovery import recover, trim
from dest_agent.restore import Restorer
from dest_agent.room import Space
from dest_agent.rpc import PeerOf, socket_peer, tls_peer
from dest_agent.rpc.admin import Admin
from dest_agent.rpc.replication import Delivery, Replication
from dest_agent.rpc.restore import Restore
from dest_agent.staging import Staging
from dest_agent.status import Status
from dest_agent.store import ObjectStore
from dest_agent.store.files import FileStore
from dest_agent.verify import Verifier

HANG_UP_S = 0.3
"""Calls may end by themselves for so long; upload streams never would."""
LAND_S = 2.5
"""Contents that are being landed when the agent stops may take so long to be committed."""
SWEEP_EVERY_S = 3600.0
DISK_THREADS = 24
"""Threads that write, sync and read: many small contents are synced at once, and share what a disk writes at one go."""

_STORES = {"files": FileStore}

_log = get("dest.agent")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is built once and served at both doors."""

    catalogue: Catalogue
    store: ObjectStore
    staging: Staging
    claims: Claims
    access: Access
    delivery: Delivery
    restorer: Restorer
    verifier: Verifier
    status: Status


@dataclass(frozen=True, slots=True)
class Serving:
    """A destination that answers."""

    port: int
    """The TCP port that was bound: the configured one, or the kernel's choice where that is 0."""


async def run(config: DestConfig, stop: asyncio.Event, *, clock: Clock | None = None) -> None:
    """Serves until `stop` is set. Errors: ConfigError, StateInUse, SchemaTooNew, DatabaseError, StoreFailed, SmarterError."""
    async with serving(config, clock=clock):
        lifecycle.notify_systemd("READY=1")
        await stop.wait()
        lifecycle.notify_systemd("STOPPING=1")


@asynccontextmanager
async def serving(config: DestConfig, *, clock: Clock | None = None) -> AsyncIterator[Serving]:
    """A destination agent that answers for the length of the block, alone on its state directory. Errors: as `run`."""
    check_identity(config)
    clock = clock or SystemClock()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk"))
    async with AsyncExitStack() as ends:
        parts = await _assembled(config, clock, ends)
        tls, port = _tls_server(config, parts)
        ends.push_async_callback(tls.stop, HANG_UP_S)
        admin = _admin_server(config, parts)
        ends.push_async_callback(admin.stop, HANG_UP_S)
        await tls.start()
        await admin.start()
        ends.push_async_callback(_cancelled, asyncio.create_task(_sweep_now_and_then(config, parts, clock)))
        _log.info("destination_started", agent=config.agent.name, listen=config.listen, port=port, store=str(config.store.path))
        yield Serving(port)
        _log.info("destination_stopping", agent=config.agent.name)


def check_identity(config: DestConfig) -> None:
    """Errors: ConfigError where the TLS files cannot be used or the certificate is not that of the configured agent."""
    own, wanted = own_identity(config.tls.files()), PeerIdentity(PeerRole.DESTINATION, config.agent.name)
    if own != wanted:
        raise ConfigError([f"tls.cert: {config.tls.cert}: the certificate is for {own.uri}, the agent is {wanted.uri}"])


async def _assembled(config: DestConfig, clock: Clock, ends: AsyncExitStack) -> _Parts:
    try:
        make_directory(config.agent.state)
        lock = lifecycle.StateLock(config.agent.state)
    except OSError as error:
        raise ConfigError([f"agent.state: {config.agent.state}: {error.strerror or error}"]) from error
    ends.callback(lock.release)
    store = _STORES[config.store.kind](config.store.path)
    catalogue = SqliteCatalogue(config.agent.state / "catalogue.sqlite")
    ends.callback(catalogue.close)
    staging = Staging(config.store.path / "staging")
    recover(staging, now_ns=clock.now_ns())
    workers = Workers(config.limits.workers, memory_bytes=config.limits.worker_memory)
    ends.push_async_callback(workers.close)
    committer = Committer(catalogue, clock)
    ends.push_async_callback(committer.close)
    access = Access(None if config.sources is None else {s.name: s.namespace or s.name for s in config.sources})
    space = Space(store, content_bytes=config.limits.content_bytes, min_free_bytes=config.limits.min_free_bytes)
    claims = Claims()
    landing = Landing(staging, workers, space, committer, claims, keep_original=config.store.keep == "original")
    receiver = Receiver(landing, access)
    ends.push_async_callback(_drained, receiver)
    rebuilder = Rebuilder(store, workers, staging.directory)
    return _Parts(
        catalogue=catalogue,
        store=store,
        staging=staging,
        claims=claims,
        access=access,
        delivery=Delivery(
            agent=config.agent.name,
            limits=Limits(content_bytes=config.limits.content_bytes),
            access=access,
            catalogue=catalogue,
            offers=Offers(catalogue, staging, space=space, access=access),
            receiver=receiver,
            committer=committer,
        ),
        restorer=Restorer(catalogue, rebuilder, access=access, n_ahead=config.limits.workers + 1),
        verifier=Verifier(catalogue, store, rebuilder, clock, config.limits.workers + 1),
        status=Status(config.agent.name, catalogue, space=space, clock=clock),
    )


def _tls_server(config: DestConfig, parts: _Parts) -> tuple[grpc.aio.Server, int]:
    """The door to the world: mutual TLS, no other. Errors: SmarterError where the address cannot be bound."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_ReplicationServicer_to_server(Replication(parts.delivery), server)
    _add_reading(server, parts, tls_peer)
    try:
        port = server.add_secure_port(config.listen, server_credentials(config.tls.files()))
    except RuntimeError as error:
        raise SmarterError(f"listen: {config.listen}: cannot be bound; is another program there?") from error
    return server, port


def _admin_server(config: DestConfig, parts: _Parts) -> grpc.aio.Server:
    """The door for whoever may open the socket. Errors: ConfigError, SmarterError."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    _add_reading(server, parts, socket_peer)
    services = [
        restore_pb2.DESCRIPTOR.services_by_name["Restore"].full_name,
        admin_pb2.DESCRIPTOR.services_by_name["Admin"].full_name,
        health.SERVICE_NAME,
        reflection.SERVICE_NAME,
    ]
    reflection.enable_server_reflection(services, server)
    adminsocket.bind(server, config.admin.socket)
    return server


def _add_reading(server: grpc.aio.Server, parts: _Parts, peer_of: PeerOf) -> None:
    add_RestoreServicer_to_server(Restore(parts.restorer, peer_of), server)
    add_AdminServicer_to_server(Admin(parts.status, parts.verifier, access=parts.access, peer_of=peer_of), server)
    answers = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)


async def _sweep_now_and_then(config: DestConfig, parts: _Parts, clock: Clock) -> None:
    while True:
        await clock.sleep(SWEEP_EVERY_S)
        try:
            before_ns = clock.now_ns() - int(config.orphan_grace * 1e9)
            n_orphans = await asyncio.to_thread(sweep, parts.store, parts.catalogue, parts.claims, before_ns=before_ns)
            n_partials = trim(parts.staging, now_ns=clock.now_ns())
        except SmarterError as error:
            _log.warning("sweep_failed", reason=str(error))
        else:
            _log.info("swept", orphans=n_orphans, partials=n_partials)


async def _drained(receiver: Receiver) -> None:
    await receiver.drain(seconds=LAND_S)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
