"""The destination agent: the only place that builds its parts and knows how they fit.

start   lock the state, open store and catalogue, recover staging, bind both doors, answer, tell systemd
run     serve; every hour sweep orphans and give up old partials
stop    hang up, let what is being landed reach its commit, close
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from common import lifecycle
from common.admin.audit import Audit
from common.admin.log_level import LogLevel
from common.admin.reloading import Reloaded, compared
from common.admin.upkeep import Upkeep
from common.clock import Clock, SystemClock
from common.durable import make_directory
from common.errors import ConfigError, SmarterError
from common.exporter import exporting
from common.logs import get
from common.metrics import BOTH, BUILD, DESTINATION
from common.model import Limits
from common.tls import PeerRole
from common.workers import Workers
from dest_agent.access import Access
from dest_agent.catalogue import Catalogue
from dest_agent.catalogue.sqlite import SqliteCatalogue
from dest_agent.collect import Claims, sweep
from dest_agent.committer import Committer
from dest_agent.config import DestConfig, own_dest_config
from dest_agent.index.namespace import rebuilt
from dest_agent.index.similar import Similar
from dest_agent.landing import Landing
from dest_agent.offers import Offers
from dest_agent.receiver import Receiver
from dest_agent.recipes import Rebuilder
from dest_agent.recovery import recover, trim
from dest_agent.restore import Restorer
from dest_agent.room import Space
from dest_agent.rpc.doors import Served, admin_door, tls_door
from dest_agent.rpc.replication import Delivery
from dest_agent.staging import Staging
from dest_agent.status import Status
from dest_agent.store import ObjectStore
from dest_agent.store.files import FileStore
from dest_agent.throttle import Throttle
from dest_agent.verify import Verifier

HANG_UP_S = 0.3
"""Calls may end by themselves for so long; upload streams never would."""
LAND_S = 2.5
"""Contents that are being landed when the agent stops may take so long to be committed."""
SWEEP_EVERY_S = 3600.0
LIVE = frozenset({"log"})
"""Keys of the configuration that need no restart."""
CATALOGUE, INDEX = "catalogue.sqlite", "index"
"""In the state directory."""
DISK_THREADS = 24
"""Threads that write, sync and read: many small contents are synced at once, and share what a disk writes at one go."""

_STORES = {"files": FileStore}

_log = get("dest.agent")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the hourly sweep works on."""

    store: ObjectStore
    catalogue: Catalogue
    staging: Staging
    claims: Claims
    similar: Similar


@dataclass(frozen=True, slots=True)
class Serving:
    """A destination that answers."""

    port: int
    """The TCP port that was bound: the configured one, or the kernel's choice where that is 0."""


async def run(config: DestConfig, stop: asyncio.Event, *, clock: Clock | None = None, file: Path | None = None) -> None:
    """Serves until `stop` is set; `file` is the configuration's.

    Errors: ConfigError, StateInUse, SchemaTooNew, DatabaseError, StoreFailed, SmarterError.
    """
    clock = clock or SystemClock()
    async with serving(config, clock=clock, file=file), lifecycle.told_systemd(clock):
        await stop.wait()


@asynccontextmanager
async def serving(config: DestConfig, *, clock: Clock | None = None, file: Path | None = None) -> AsyncIterator[Serving]:
    """A destination agent that answers for the length of the block, alone on its state directory. Errors: as `run`."""
    clock = clock or SystemClock()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk"))
    async with AsyncExitStack() as ends:
        served, kept = _assembled(config, clock, ends, file=file)
        tls, port = tls_door(config.listen, config.tls.files(), served)
        ends.push_async_callback(tls.stop, HANG_UP_S)
        admin = admin_door(config.admin.socket, served)
        ends.push_async_callback(admin.stop, HANG_UP_S)
        await kept.similar.start()
        await tls.start()
        await admin.start()
        sweeping = asyncio.create_task(_sweep_now_and_then(kept, clock, grace_s=config.orphan_grace))
        ends.push_async_callback(_cancelled, sweeping)
        if (pings := config.health_ping.pings()).wanted:
            ends.push_async_callback(_cancelled, asyncio.create_task(pings.go_on(served.status.problem, clock)))
        BUILD.labels(config.agent.name, PeerRole.DESTINATION, version("smarter")).set(1)
        await ends.enter_async_context(exporting(config.metrics.listen, DESTINATION, BOTH, observe=served.status.glance))
        _log.info("destination_started", agent=config.agent.name, listen=config.listen, port=port, store=str(config.store.path))
        yield Serving(port)
        _log.info("destination_stopping", agent=config.agent.name)


def _assembled(config: DestConfig, clock: Clock, ends: AsyncExitStack, *, file: Path | None) -> tuple[Served, _Kept]:
    """Builds everything behind the doors, and has `ends` take it down in the opposite order."""
    limits = config.limits
    try:
        make_directory(config.agent.state)
        lock = lifecycle.StateLock(config.agent.state)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise  # nothing is wrong with what was configured
        raise ConfigError([f"agent.state: {config.agent.state}: {error.strerror or error}"]) from error
    ends.callback(lock.release)
    store = _STORES[config.store.kind](config.store.path)
    staging = Staging(config.store.path / "staging")
    recover(staging, now_ns=clock.now_ns())
    catalogue = SqliteCatalogue(config.agent.state / CATALOGUE)
    ends.callback(catalogue.close)
    workers = Workers(limits.workers, memory_bytes=limits.worker_memory)
    ends.push_async_callback(workers.close)
    committer = Committer(catalogue, clock)
    ends.push_async_callback(committer.close)
    access = Access(config.namespace_by_source)
    space = Space(store, content_bytes=limits.content_bytes, min_free_bytes=limits.min_free_bytes)
    claims = Claims()
    similar = Similar(catalogue, config.agent.state / INDEX, access=access, clock=clock, k=config.similar.k)
    ends.push_async_callback(similar.close)
    rebuilder = Rebuilder(store, workers, staging.directory, contents=catalogue.contents)
    landing = Landing(
        staging,
        workers,
        catalogue,
        rebuilder,
        space,
        committer,
        claims,
        arrived=similar.arrived,
        keep_original=config.store.keep == "original",
    )
    receiver = Receiver(landing, access)
    ends.push_async_callback(_drained, receiver)
    delivery = Delivery(
        agent=config.agent.name,
        limits=Limits(content_bytes=limits.content_bytes),
        access=access,
        catalogue=catalogue,
        offers=Offers(catalogue, staging, space=space, access=access, similar=similar),
        receiver=receiver,
        committer=committer,
    )
    status = Status(config.agent.name, catalogue, space=space, clock=clock, index=similar.folder)
    audit = Audit(config.agent.state, clock)
    log_level = LogLevel(config.log, clock)
    ends.callback(log_level.close)
    served = Served(
        delivery=delivery,
        restorer=Restorer(catalogue, rebuilder, access=access, n_ahead=limits.workers + 1),
        verifier=Verifier(catalogue, store, rebuilder, clock, n_at_once=limits.workers + 1),
        status=status,
        similar=similar,
        throttle=Throttle(config.bandwidth.timetables(), clock),
        audit=audit,
        upkeep=Upkeep(audit, log_level, (DESTINATION, BOTH), status.glance, file, _Reloading(config, log_level).reload),
    )
    return served, _Kept(store, catalogue, staging, claims, similar)


def reindex(config: DestConfig) -> Iterator[tuple[str, int]]:
    """Builds the indexes of sketches anew from the catalogue, and says of each namespace how many pictures it has.

    For an agent that does not run. Blocks. Errors: StateInUse, SchemaTooNew, DatabaseError, OSError.
    """
    lock = lifecycle.StateLock(config.agent.state)
    try:
        catalogue = SqliteCatalogue(config.agent.state / CATALOGUE)
        try:
            yield from rebuilt(catalogue, config.agent.state / INDEX, Access(config.namespace_by_source))
        finally:
            catalogue.close()
    finally:
        lock.release()


class _Reloading:
    """The configuration in force."""

    def __init__(self, config: DestConfig, log_level: LogLevel) -> None:
        self._config = config
        self._log_level = log_level

    async def reload(self, file: Path) -> Reloaded:
        """Reads it again, and takes over what needs no restart. Errors: ConfigError; nothing is changed then."""
        config = await asyncio.to_thread(own_dest_config, file)
        done = compared(self._config, config, live=LIVE)
        self._log_level.configure(config.log)
        self._config = self._config.model_copy(update={name: getattr(config, name) for name in LIVE})
        _log.info("configuration_reloaded", changed=done.changed, needs_restart=done.needs_restart)
        return done


async def _sweep_now_and_then(kept: _Kept, clock: Clock, *, grace_s: float) -> None:
    while True:
        await clock.sleep(SWEEP_EVERY_S)
        before_ns = clock.now_ns() - int(grace_s * 1e9)
        try:
            n_orphans = await asyncio.to_thread(sweep, kept.store, kept.catalogue, kept.claims, before_ns=before_ns)
            n_partials = trim(kept.staging, now_ns=clock.now_ns())
            n_sketches = await asyncio.to_thread(kept.catalogue.forget_sketches, before_ns=before_ns)
            kept.similar.mend()
        except SmarterError as error:
            _log.warning("sweep_failed", reason=str(error))
        else:
            _log.info("swept", orphans=n_orphans, partials=n_partials, sketches=n_sketches)


async def _drained(receiver: Receiver) -> None:
    await receiver.drain(seconds=LAND_S)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
