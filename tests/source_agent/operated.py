"""A journal behind the operator's doors, without the rest of an agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from common.admin.audit import Audit
from common.admin.log_level import LogLevel
from common.admin.reloading import Reloaded
from common.admin.upkeep import Upkeep
from common.config import LogSection
from common.ids import digest_of
from common.metrics import SOURCE as SOURCE_METRICS
from common.model import Attributes, Kind, Role
from common.paths import RelPath
from common.pb.admin_pb2_grpc import DeliveriesStub, UpkeepStub
from common.tls import channel_credentials
from common.wire.transport import CHANNEL_OPTIONS
from source_agent.config import SourceAdminSection
from source_agent.deliveries import Observation
from source_agent.deliveries_admin import DeliveriesAdmin
from source_agent.doors import Service, open_doors
from source_agent.journal import Journal
from source_agent.states import State
from source_agent.versions import Versions
from tests.fakes.clock import ManualClock
from tests.fakes.pki import SOURCE, tls_files

Deed = Callable[[Any, Any], Awaitable[None]]
"""What is done with stubs of Deliveries and Upkeep."""


class Operated:
    """The parts that an operator reaches."""

    def __init__(self, place: Path, pki: Path) -> None:
        self.place = place
        self.pki = pki
        self.clock = ManualClock()
        self.journal = Journal(place / "journal.sqlite", agent=SOURCE)
        self.audit = Audit(place, self.clock)
        self.root = self.journal.root("photos", "library").id
        self.other = self.journal.root("papers", "desk").id
        self.n_again = 0
        self.file: Path | None = None
        self.reloading = asyncio.Event()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def put(self, *paths: str, state: State = State.QUEUED, reason: str = "", root: int = 0) -> list[int]:
        """Versions of files in a state; their sequences."""
        seen = [
            Observation(
                root or self.root, RelPath(p.encode()), Kind.FILE, Attributes(), 5, b"s", digest_of(p.encode()), 7, Role.NONE
            )
            for p in paths
        ]
        made = self.journal.record(seen)
        seqs = [delivery.version.id.seq for delivery in made]
        self.journal.advance([(seq, state, reason) for seq in seqs])
        return seqs

    def again(self) -> None:
        """Counts."""
        self.n_again += 1

    async def reload(self, file: Path) -> Reloaded:
        """Takes for ever."""
        self.reloading.set()
        await asyncio.Event().wait()
        raise AssertionError(file)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Both doors open."""
        config = SourceAdminSection(socket=self.place / "s", listen=f"127.0.0.1:{self.port}")
        upkeep = Upkeep(self.audit, LogLevel(LogSection(), self.clock), (SOURCE_METRICS,), lambda: None, self.file, self.reload)
        services: list[Service] = [DeliveriesAdmin(Versions(self.journal), self.again), upkeep]
        async with open_doors(config, tls_files(self.pki, SOURCE), services=services, audit=self.audit):
            yield

    @asynccontextmanager
    async def calling(self, name: str = "") -> AsyncIterator[grpc.aio.Channel]:
        """A channel with the certificate of `name`, or to the admin socket."""
        options = list(CHANNEL_OPTIONS)
        if name:
            credentials = channel_credentials(tls_files(self.pki, name))
            options.append(("grpc.ssl_target_name_override", SOURCE))
            channel = grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options)
        else:
            channel = grpc.aio.insecure_channel(f"unix:{self.place / 's'}", [*options, ("grpc.default_authority", "localhost")])
        async with channel:
            yield channel

    def serve(self, deed: Deed, *, by: str = "") -> None:
        """Does a deed with a client that has the certificate of `by`, or that opens the socket."""

        async def run() -> None:
            async with self.answering(), self.calling(by) as channel:
                await deed(DeliveriesStub(channel), UpkeepStub(channel))

        try:
            asyncio.run(run())
        finally:
            self.journal.close()
