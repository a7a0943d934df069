"""The Restore service: a source sees its own versions, the operator all."""

from __future__ import annotations

from collections.abc import AsyncIterator

from common.ids import agent_name, digest_from
from common.pb import restore_pb2 as pb
from common.pb import restore_pb2_grpc as pb_grpc
from common.wire.replication import refusal_to_pb
from common.wire.restoring import announced_to_pb, entries_to_pb, selection_from_pb
from dest_agent.restore import Piece, Restorer, Wanted
from dest_agent.rpc import Calls, Context, messages


class Restore(pb_grpc.RestoreServicer):
    """See restore.proto."""

    def __init__(self, restorer: Restorer, calls: Calls) -> None:
        self._restorer = restorer
        self._calls = calls

    async def List(self, request: pb.ListRequest, context: Context) -> AsyncIterator[pb.EntryBatch]:  # noqa: N802
        """Lists the selected versions."""
        async with self._calls.answering(context) as peer:
            async for batch in self._restorer.list(peer, selection_from_pb(request.selection)):
                yield entries_to_pb(batch)

    async def ListAnnounced(self, request: pb.ListRequest, context: Context) -> AsyncIterator[pb.EntryBatch]:  # noqa: N802
        """Lists what was announced and has not come."""
        async with self._calls.answering(context) as peer:
            async for batch in self._restorer.announced(peer, selection_from_pb(request.selection)):
                yield announced_to_pb(batch)

    async def Fetch(self, request_iterator: AsyncIterator[pb.FetchRequest], context: Context) -> AsyncIterator[pb.FetchFrame]:  # noqa: N802
        """Sends the bytes of contents."""
        async with self._calls.answering(context) as peer:
            async for piece in self._restorer.fetch(peer, _wanted(request_iterator)):
                yield _frame(piece)


async def _wanted(requests: AsyncIterator[pb.FetchRequest]) -> AsyncIterator[Wanted]:
    async for request in messages(requests):
        yield Wanted(agent_name(request.source) if request.source else "", digest_from(request.digest))


def _frame(piece: Piece) -> pb.FetchFrame:
    frame = pb.FetchFrame(digest=piece.digest or b"", data=piece.data)
    if piece.failed is not None:
        frame.failed.CopyFrom(refusal_to_pb(piece.failed))
    elif piece.done:
        frame.done = True
    return frame
