"""The Admin service, before which `Admission` stands, which maps errors too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from common.admin.admission import Context
from common.ids import agent_name, digest_from, label
from common.pb import admin_pb2 as pb
from common.pb import admin_pb2_grpc as pb_grpc
from common.wire.replication import match_to_pb, sketch_from_pb
from dest_agent.index.similar import Similar
from dest_agent.rpc import SOFTWARE, Calls
from dest_agent.status import Glance, Status
from dest_agent.verify import Broken, Progress, Verified, Verifier


class Admin(pb_grpc.AdminServicer):
    """See admin.proto."""

    def __init__(self, status: Status, verifier: Verifier, similar: Similar, *, calls: Calls) -> None:
        self._status = status
        self._verifier = verifier
        self._similar = similar
        self._calls = calls

    async def Status(self, request: pb.StatusRequest, context: Context) -> pb.StatusReply:  # noqa: ARG002, N802
        """Says how the destination is."""
        with self._calls.counted(context):
            glance = await asyncio.to_thread(self._status.glance)
        return _reply(glance)

    async def Verify(self, request: pb.VerifyRequest, context: Context) -> AsyncIterator[pb.VerifyEvent]:  # noqa: N802
        """Reads every content back and proves it."""
        with self._calls.counted(context):
            async for event in self._verifier.verify(label(request.policy) if request.policy else ""):
                yield _event(event)

    async def Similar(self, request: pb.SimilarRequest, context: Context) -> pb.SimilarReply:  # noqa: N802
        """Names the held pictures that look like one."""
        with self._calls.counted(context):
            is_sketch = request.WhichOneof("picture") == "sketch"
            asked = sketch_from_pb(request.sketch) if is_sketch else digest_from(request.digest)
            matches = await self._similar.matches(agent_name(request.namespace), asked)
        return pb.SimilarReply(matches=map(match_to_pb, matches))

    async def RecordDrill(self, request: pb.DrillResult, context: Context) -> pb.DrillReply:  # noqa: N802
        """Remembers that a sample was restored and compared."""
        with self._calls.counted(context):
            recorded_ns = await asyncio.to_thread(self._status.drilled, request.files, request.bytes, n_errors=request.errors)
        return pb.DrillReply(recorded_ns=recorded_ns)


def _reply(glance: Glance) -> pb.StatusReply:
    dest = pb.DestStatus(
        contents=glance.totals.contents,
        logical_bytes=glance.totals.logical_bytes,
        stored_bytes=glance.totals.stored_bytes,
        free_bytes=glance.free_bytes,
        accepting=glance.accepting,
        last_verify_ns=glance.last_verify_ns,
        last_verify_errors=glance.last_verify_errors,
        refusals=glance.refusals,
        pictures=glance.pictures.pictures,
        groups=glance.pictures.groups,
        index_bytes=glance.index_bytes,
        last_drill_ns=glance.drill.at_ns,
        last_drill_files=glance.drill.n_files,
        last_drill_bytes=glance.drill.n_bytes,
        last_drill_errors=glance.drill.n_errors,
        sources=[
            pb.SourceAtDest(
                name=s.name, versions=s.versions, last_seq=s.last_seq, last_received_ns=s.last_received_ns, policies=s.policies
            )
            for s in glance.sources
        ],
    )
    return pb.StatusReply(agent=glance.agent, software=SOFTWARE, uptime_s=glance.uptime_s, dest=dest)


def _event(event: Progress | Broken | Verified) -> pb.VerifyEvent:
    match event:
        case Progress(contents, n_bytes, total):
            return pb.VerifyEvent(
                progress=pb.VerifyProgress(
                    contents=contents, bytes=n_bytes, total_contents=total.contents, total_bytes=total.logical_bytes
                )
            )
        case Broken(digest, reason, paths):
            return pb.VerifyEvent(problem=pb.VerifyProblem(digest=digest, reason=reason, paths=paths))
        case Verified(contents, n_bytes, problems, orphans):
            return pb.VerifyEvent(done=pb.VerifyDone(contents=contents, bytes=n_bytes, problems=problems, orphans=orphans))
