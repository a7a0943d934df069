"""The composition root of the source: the one place that builds its parts and says in which order they live.

    run      the daemon: watch, rescan, intake and delivery side by side until it is told to stop
    once     one scan: everything that differs is taken in and delivered, then it ends
    reindex  what was seen of the pictures is made again, then it ends

Start-up after a crash: the lock is free, stray pins and coded files go, and the rescan finds what was missed (recovery
needs no more than that, since no state on disk means "busy").
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common import lifecycle
from common.admin.audit import Audit
from common.admin.log_level import LogLevel
from common.admin.reloading import Reloaded
from common.admin.upkeep import Upkeep
from common.clock import Clock, SystemClock
from common.durable import make_directory
from common.errors import ConfigError, ContentError, SmarterError, TransientError
from common.exporter import exporting
from common.logs import get
from common.metrics import BOTH, BUILD, SOURCE
from common.tls import PeerRole
from common.workers import Workers
from source_agent.admin import SourceAdmin
from source_agent.album import Album, discard
from source_agent.config import SourceConfig, own_source_config
from source_agent.deliverer import Deliverer
from source_agent.deliveries_admin import DeliveriesAdmin
from source_agent.delta_spool import DeltaSpool
from source_agent.deltas import Deltas
from source_agent.doors import Service, open_doors
from source_agent.encoder import Encoder
from source_agent.group_views import GroupViews
from source_agent.groups import Groups
from source_agent.groups_admin import GroupsAdmin
from source_agent.intake import Intake
from source_agent.journal import Journal
from source_agent.observer import Observer
from source_agent.pacing import Pacing
from source_agent.pacing_admin import PacingAdmin
from source_agent.pins import Pins
from source_agent.recogniser import Recogniser
from source_agent.reloading import changes, plan_of, taken_over
from source_agent.roots import Root, roots_of
from source_agent.spool import Spool
from source_agent.summary import Reindexed, Summary, summed_up
from source_agent.tally import Tally
from source_agent.thumbnails import Thumbnails
from source_agent.tools import Tools
from source_agent.versions import Versions
from source_agent.vitals import Vitals
from source_agent.waiting import pinned_beyond
from source_agent.watcher import Watcher

PATIENCE_CHECK_S = 1.0
SILENCE = 10
"""How many times its patience `once` waits for a destination that is there and says nothing."""
UNHURRIED_S = 3600.0
"""So much longer a drain may take, at most, for the fewest bytes: what comes later is coded as the link goes."""

_log = get("source")


@dataclass(slots=True)
class Source:
    """The parts of one source agent, put together."""

    config: SourceConfig
    clock: Clock
    roots: list[Root]
    journal: Journal
    observer: Observer
    recogniser: Recogniser
    encoder: Encoder
    deliverer: Deliverer
    pacing: Pacing
    tally: Tally
    audit: Audit
    log_level: LogLevel
    started_s: float
    file: Path | None = None
    """The configuration's."""

    async def reread(self, file: Path) -> Reloaded:
        """Reads the configuration again, and takes over what needs no restart. Errors: ConfigError; nothing is changed then."""
        return self.reload(await asyncio.to_thread(own_source_config, file))

    def reload(self, config: SourceConfig) -> Reloaded:
        """Takes over what of another configuration needs no restart, and says what that is and what does."""
        done = changes(self.config, config)
        self.config = taken_over(self.config, config)
        self.log_level.configure(self.config.log)
        self.pacing.reload(plan_of(self.config))
        _log.info("configuration_reloaded", changed=done.changed, needs_restart=done.needs_restart)
        return done

    async def run(self, stop: asyncio.Event) -> None:
        """The daemon. Errors: SmarterError where something cannot be bound or opened; runs until `stop` otherwise."""
        # A picture that lands must not wait until a delta is made: it is looked at, and coded, by the worker that is left.
        self.encoder.n_at_once = max(1, self.config.limits.workers - 1)
        watcher = Watcher()
        vitals = self._vitals()
        services = self._services(vitals)
        doors = open_doors(self.config.admin, self.config.tls.files(), services=services, audit=self.audit)
        lives = [
            self.observer.watch(watcher),
            self.observer.rescan(watcher),
            self.observer.look_always(),
            self.recogniser.run(),
            self.recogniser.reviews(),
            self.encoder.run(),
            self.deliverer.run(finished=lambda: False, gives_up=False),
            self.pacing.run(),
            *([self._reread_when_told(self.file)] if self.file is not None else []),
        ]
        if (pings := self.config.health_ping.pings()).wanted:
            lives.append(pings.go_on(vitals.problem, self.clock))
        metrics = exporting(self.config.metrics.listen, SOURCE, BOTH, observe=vitals.observe)
        async with doors:
            never = asyncio.create_task(stop.wait())
            tasks = [asyncio.create_task(life) for life in lives]
            _log.info("source_started", agent=self.config.agent.name, roots=len(self.roots))
            try:
                async with metrics, lifecycle.told_systemd(self.clock):
                    done, _ = await asyncio.wait([never, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                await _end(never, *tasks)
        watcher.close()
        _log.info("source_stopped", agent=self.config.agent.name)

    async def once(self, *, drain: bool) -> Summary:
        """One scan and all that it leads to; with `drain` also what waits for its hour, or for the user's word.

        Errors: PeerError, ConfigError; TransientError when patience runs out.
        """
        self.pacing.in_a_hurry = True
        if drain:
            self.pacing.drain()
            self.recogniser.end_reviews()
            self.deliverer.tools.unhurried_until_s = self.clock.monotonic_s() + UNHURRIED_S
        else:
            self.recogniser.groups.end_reviews(self.clock.now_ns())
        await self.observer.scan_all()
        self.tally.progress_s = self.clock.monotonic_s()
        looking = asyncio.create_task(self.observer.look_once())
        # All that was found is compared together: so the richest picture stands for the others, whichever was read first.
        recognising = asyncio.create_task(self.recogniser.run(ready=lambda: self.observer.quiet))
        encoding = asyncio.create_task(self.encoder.run())
        delivering = asyncio.create_task(self.deliverer.run(finished=self._all_is_ready, gives_up=True))
        losing_patience = asyncio.create_task(self._lose_patience())
        pacing = asyncio.create_task(self.pacing.run())
        tasks = (looking, recognising, encoding, delivering, losing_patience, pacing)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(*tasks)
        return self._summary()

    async def reindex(self, *, progress: Callable[[int, int], None]) -> Reindexed:
        """Looks again at every picture that was placed and is not known any more; tells `progress` how far it is."""
        lost = await self.recogniser.take_up(progress=progress)
        pictures = self.recogniser.groups.counts()["pictures"]
        return Reindexed(pictures, lost, round(self.clock.monotonic_s() - self.started_s, 3))

    def _vitals(self) -> Vitals:
        BUILD.labels(self.config.agent.name, PeerRole.SOURCE, version("smarter")).set(1)
        late_s = self.config.health_ping.late
        return Vitals(self.journal, self.observer, self.deliverer, self.tally, self.clock, late_s=late_s)

    async def _reread_when_told(self, file: Path) -> None:
        hangup = lifecycle.hangup_event(asyncio.get_running_loop())
        while True:
            await hangup.wait()
            hangup.clear()
            try:
                await self.reread(file)
            except ConfigError as error:
                _log.error("configuration_refused", problems=error.problems)

    def _all_is_ready(self) -> bool:
        """Whether all that there is to deliver has been read, looked at and made."""
        return self.deliverer.tools.idle() and self.encoder.quiet

    async def _lose_patience(self) -> None:
        """Errors: TransientError once nothing has gone forward for the configured time, with the reason as last heard."""
        worked_s = 0.0
        while True:
            await self.clock.sleep(PATIENCE_CHECK_S)
            if not self.deliverer.tools.idle() or self.encoder.n_working:
                worked_s = self.clock.monotonic_s()
                continue  # still reading, looking at pictures, or making deltas: nothing may be there to be answered
            idle_s = self.clock.monotonic_s() - max(self.tally.progress_s, worked_s)
            if self.tally.problem and idle_s > self.config.patience:
                raise TransientError(f"gave up after {idle_s:.0f} s without progress: {self.tally.problem}")
            # Proving a very large content takes its time, and says nothing meanwhile; but not for ever.
            silent_s = self.clock.monotonic_s() - max(self.tally.progress_s, self.tally.moved_s)
            if silent_s > SILENCE * self.config.patience:
                raise TransientError(
                    f"gave up after {silent_s:.0f} s: {self.deliverer.address} takes everything and answers nothing"
                )

    def _summary(self) -> Summary:
        return summed_up(
            self.roots,
            self.journal,
            self.observer,
            self.tally,
            in_review=self.recogniser.groups.counts()["in_review"],
            seconds=round(self.clock.monotonic_s() - self.started_s, 3),
        )

    def _services(self, vitals: Vitals) -> list[Service]:
        groups = self.recogniser.groups
        versions = Versions(self.journal)
        admin = SourceAdmin(
            agent=self.config.agent.name,
            journal=self.journal,
            groups=groups,
            deltas=self.encoder.deltas,
            observer=self.observer,
            deliverer=self.deliverer,
            versions=versions,
            tally=self.tally,
            clock=self.clock,
            started_s=self.started_s,
        )
        wake = self.deliverer.tools.wake.set

        def again() -> None:
            wake()
            self.observer.look_again()

        views = GroupViews(self.journal, self.roots)
        thumbnails = Thumbnails(self.journal, self.recogniser.spool, self.recogniser.workers)
        return [
            admin,
            GroupsAdmin(groups, views, self.clock, heard=wake, thumbnails=thumbnails),
            DeliveriesAdmin(versions, again),
            PacingAdmin(self.pacing, self.journal, self.tally.throughput, self.clock),
            Upkeep(self.audit, self.log_level, (SOURCE, BOTH), vitals.observe, self.file, self.reread),
        ]


@contextlib.asynccontextmanager
async def assembled(
    config: SourceConfig, *, clock: Clock | None = None, keeps_looks: bool = True, file: Path | None = None
) -> AsyncIterator[Source]:
    """A source agent for the length of the block, alone on its state directory; unless it `keeps_looks`, it has seen nothing.

    `file` is the configuration's, for whoever has it read again.
    Errors: StateInUse, SchemaTooNew, DatabaseError; ConfigError where the certificate is not this agent's.
    """
    clock = clock or SystemClock()
    started_s = clock.monotonic_s()
    make_directory(config.agent.state)
    lock = lifecycle.StateLock(config.agent.state)
    with contextlib.ExitStack() as ends:
        ends.callback(lock.release)
        pins = Pins(config.agent.state / "pins")
        journal = Journal(config.agent.state / "journal.sqlite", agent=config.agent.name, has_pin=pins.holds)
        ends.callback(journal.close)
        roots = roots_of(config, journal)
        pins.sweep(journal.pinned())
        workers = Workers(config.limits.workers, memory_bytes=config.limits.worker_memory)
        spool = Spool(
            config.agent.state / "spool",
            roots={root.id: root for root in roots},
            pins=pins,
            workers=workers,
            keep_bytes=config.limits.spool_bytes,
        )
        spool.sweep()
        intake = Intake(roots, journal, pins=pins, clock=clock, threads=config.limits.workers)
        ends.callback(intake.close)
        groups = Groups(journal)
        if not keeps_looks:
            discard(config.agent.state)
        album = Album(config.agent.state)
        ends.callback(album.close)
        tally = Tally(clock)
        wake = asyncio.Event()
        observer = Observer(roots, journal, intake, clock, found=lambda: _tell(wake, recogniser, encoder))
        recogniser = Recogniser(
            roots={root.id: root for root in roots},
            journal=journal,
            groups=groups,
            album=album,
            spool=spool,
            pins=pins,
            workers=workers,
            n_at_once=config.limits.workers,
            clock=clock,
            found=lambda: _tell(wake, encoder),
            look_again=observer.look_again,
        )
        ends.callback(recogniser.close)
        encoder = Encoder(
            journal=journal,
            deltas=Deltas(journal),
            kept=DeltaSpool(config.agent.state / "deltas"),
            spool=spool,
            workers=workers,
            n_at_once=config.limits.workers,
            clock=clock,
            tally=tally,
            idle=lambda: observer.quiet and recogniser.quiet,
            found=wake.set,
            look_again=observer.look_again,
        )
        encoder.take_up()
        pacing = Pacing(
            plan_of(config),
            clock,
            kept=journal.meta("orders"),
            keep=lambda orders: journal.set_meta("orders", orders),
            promoted=lambda policy, budget_bytes: pinned_beyond(journal, policy, budget_bytes),
        )
        pacing.changed = wake.set
        tools = Tools(
            journal=journal,
            spool=spool,
            pins=pins,
            tally=tally,
            pacing=pacing,
            clock=clock,
            look_again=observer.look_again,
            pictures=recogniser,
            deltas=encoder,
            idle=lambda: observer.quiet and recogniser.quiet,
            coders=config.limits.workers + 1,
            room_bytes=config.limits.spool_bytes,
            wake=wake,
        )
        deliverer = Deliverer(config.destination.address, config.tls.files(), config.destination.server_name, tools, clock)
        log_level = LogLevel(config.log, clock)
        ends.callback(log_level.close)
        try:
            yield Source(
                config=config,
                clock=clock,
                roots=roots,
                journal=journal,
                observer=observer,
                recogniser=recogniser,
                encoder=encoder,
                deliverer=deliverer,
                pacing=pacing,
                tally=tally,
                audit=Audit(config.agent.state, clock),
                log_level=log_level,
                started_s=started_s,
                file=file,
            )
        finally:
            await workers.close()


def _tell(deliveries: asyncio.Event, *makers: Recogniser | Encoder) -> None:
    """The journal has something new, or the observer fell quiet."""
    deliveries.set()
    for maker in makers:
        maker.wake()


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits for them; what they raised before has been heard."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, (SmarterError, ContentError)):
            _log.debug("task_ended", reason=repr(outcome))
