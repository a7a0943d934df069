"""The Upkeep service, which is the same for both agents: translate, call, translate. Errors are mapped by `Admission`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import grpc.aio

from common.admin.admission import Context
from common.admin.audit import Audit
from common.admin.log_level import LogLevel
from common.admin.reloading import Reloaded
from common.errors import RefusedError
from common.metrics import Registry, exposition
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import UpkeepServicer, add_UpkeepServicer_to_server

PAGE = 100
MOST_ON_PAGE = 1000
PAGE_BYTES = 512 << 10
"""A page ends when it has as many: well below the largest message."""
MAX_TOKEN_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Upkeep(UpkeepServicer):
    """See admin.proto."""

    audit: Audit
    log_level: LogLevel
    registries: Sequence[Registry]
    """Those of its metrics."""
    observe: Callable[[], object]
    """Brings the gauges up to date. Blocks: it is called in a thread."""
    file: Path | None
    """The configuration's."""
    reload: Callable[[Path], Awaitable[Reloaded]]
    """Reads the configuration again and does what it says. Errors: ConfigError; nothing is changed then."""

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""
        add_UpkeepServicer_to_server(self, server)

    async def Metrics(self, request: pb.MetricsRequest, context: Context) -> pb.MetricsReply:  # noqa: N802 - the service's name
        """The metrics as Prometheus reads them."""
        del request, context
        await asyncio.to_thread(self.observe)
        return pb.MetricsReply(text=await asyncio.to_thread(exposition, *self.registries))

    async def SetLogLevel(self, request: pb.SetLogLevelRequest, context: Context) -> pb.LogLevelReply:  # noqa: N802
        """Logs more or less for a while."""
        del context
        self.log_level.ask(request.level, seconds=request.seconds)
        now = self.log_level
        return pb.LogLevelReply(level=now.level, configured=now.configured.level, until_ns=now.until_ns)

    async def ReloadConfig(self, request: pb.ReloadConfigRequest, context: Context) -> pb.ReloadConfigReply:  # noqa: N802
        """Reads the configuration again."""
        del request, context
        if self.file is None:
            raise RefusedError("this agent was not started from a file")
        done = await self.reload(self.file)
        return pb.ReloadConfigReply(file=str(self.file), changed=done.changed, needs_restart=done.needs_restart)

    async def ListAudit(self, request: pb.ListAuditRequest, context: Context) -> pb.ListAuditReply:  # noqa: N802
        """A page of the audit log."""
        del context
        return await asyncio.to_thread(self._audited, request)

    def _audited(self, request: pb.ListAuditRequest) -> pb.ListAuditReply:
        most = min(request.page_size or PAGE, MOST_ON_PAGE)
        reply = pb.ListAuditReply()
        n_bytes = 0
        entries = self.audit.entries(before=page_number(request.page_token), since_ns=request.since_ns)
        for entry in islice(entries, most + 1):
            if len(reply.entries) == most or n_bytes > PAGE_BYTES:
                reply.next_page_token = str(reply.entries[-1].number)
                break
            told = pb.AuditEntry(
                number=entry.number, at_ns=entry.at_ns, by=entry.by, call=entry.call, asked=entry.asked, failed=entry.failed
            )
            n_bytes += told.ByteSize()
            reply.entries.append(told)
        return reply


def page_number(token: str) -> int:
    """What a page token that is a number stands for; 0 for the first page. Errors: ValueError."""
    if not token:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) <= MAX_TOKEN_DIGITS):
        raise ValueError(f"{token[:40]!r} is no page token of this agent")
    return int(token)
