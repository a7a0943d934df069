"""The source's answers to an operator, on its admin socket: translate, call, translate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import grpc.aio

from common.clock import Clock
from common.metrics import DELTA_FALLBACKS, FALLBACKS, WATCH_OVERFLOWS, snapshot
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import AdminServicer, add_AdminServicer_to_server
from source_agent.deliverer import Deliverer
from source_agent.deliveries_admin import problem
from source_agent.deltas import Deltas
from source_agent.groups import Groups
from source_agent.journal import Journal
from source_agent.link import SOFTWARE
from source_agent.observer import Observer
from source_agent.protection import protected
from source_agent.tally import Tally
from source_agent.versions import Chosen, Versions

MOST_PROBLEMS = 200


@dataclass(slots=True)
class SourceAdmin(AdminServicer):
    """Status of a source; verifying is the destination's."""

    agent: str
    journal: Journal
    groups: Groups
    deltas: Deltas
    observer: Observer
    deliverer: Deliverer
    versions: Versions
    tally: Tally
    clock: Clock
    started_s: float

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""
        add_AdminServicer_to_server(self, server)

    async def Status(self, request: pb.StatusRequest, context: grpc.ServicerContext) -> pb.StatusReply:  # noqa: N802 - the service's name
        """Where everything stands. Never waits for the link."""
        del request, context
        source = await asyncio.to_thread(self.glance)
        uptime = self.clock.monotonic_s() - self.started_s
        return pb.StatusReply(agent=self.agent, software=SOFTWARE, uptime_s=uptime, source=source)

    async def Verify(  # noqa: N802
        self, request: pb.VerifyRequest, context: grpc.ServicerContext
    ) -> AsyncIterator[pb.VerifyEvent]:
        """Refused: what is kept is verified where it is kept."""
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "a source keeps nothing to verify: ask the destination")
        yield pb.VerifyEvent()  # type: ignore[unreachable]  # it makes this the stream that the service names

    async def Similar(  # noqa: N802
        self, request: pb.SimilarRequest, context: grpc.ServicerContext
    ) -> pb.SimilarReply:
        """Refused: a destination compares what it holds."""
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "a source holds nothing to compare with: ask the destination")
        return pb.SimilarReply()  # type: ignore[unreachable]

    async def RecordDrill(self, request: pb.DrillResult, context: grpc.ServicerContext) -> pb.DrillReply:  # noqa: N802
        """Refused: what is restored comes from a destination."""
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "nothing is restored from a source: tell the destination")
        return pb.DrillReply()  # type: ignore[unreachable]

    def glance(self) -> pb.SourceStatus:
        """The state now. Blocks: for a thread. Errors: DatabaseError."""
        backlog_bytes, oldest_ns = self.journal.backlog()
        return pb.SourceStatus(
            connected=bool(self.deliverer.connected_to),
            destination=self.deliverer.connected_to or self.deliverer.address,
            link_error=self.deliverer.error or self.tally.problem,
            last_receipt_ns=self.tally.last_receipt_ns,
            versions_by_state=self.journal.counts(),
            backlog_bytes=backlog_bytes,
            lag_s=max(0.0, (self.clock.now_ns() - oldest_ns) / 1e9) if oldest_ns else 0.0,
            sent_bytes=self.tally.sent_bytes,
            fallbacks={reason: int(n) for reason, n in snapshot(FALLBACKS).items()},
            problems=self._problems(),
            watch_overflows=int(sum(snapshot(WATCH_OVERFLOWS).values())),
            last_rescan_ns=self.observer.last_rescan_ns,
            dirty=self.journal.n_dirty(),
            pictures=self.groups.counts(),
            deltas=self.deltas.counts(),
            delta_fallbacks={reason: int(n) for reason, n in snapshot(DELTA_FALLBACKS).items()},
            received_bytes=self.tally.logical_bytes,
            protection=self._protection(),
        )

    def _protection(self) -> pb.Protection:
        shares, now_ns = protected(self.journal), self.clock.now_ns()
        return pb.Protection(
            exact=shares["exact"].n_files,
            approximate=shares["approximate"].n_files,
            not_yet=shares["not_yet"].n_files,
            approximate_lag_s=shares["approximate"].lag_s(now_ns),
            not_yet_lag_s=shares["not_yet"].lag_s(now_ns),
        )

    def _problems(self) -> list[pb.Problem]:
        found = [problem(one) for one in self.versions.set_aside(Chosen())]
        by_id = {root.id: root for root in self.observer.roots}
        for root, reason in self.observer.unavailable.items():
            found.append(pb.Problem(policy=by_id[root].key.policy, root=by_id[root].key.name, reason=reason))
        return found[:MOST_PROBLEMS]
