"""The Restore service: a source sees its own versions, the operator all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from common.admin.admission import Context
from common.ids import agent_name, digest_from
from common.pb import restore_pb2 as pb
from common.pb import restore_pb2_grpc as pb_grpc
from common.wire.replication import refusal_to_pb
from common.wire.restoring import announced_to_pb, entries_to_pb, selection_from_pb
from dest_agent.restore import PIECE_BYTES, Piece, Restorer, Wanted
from dest_agent.rpc import Calls, messages
from dest_agent.throttle import Throttle


class Restore(pb_grpc.RestoreServicer):
    """See restore.proto."""

    def __init__(self, restorer: Restorer, calls: Calls, throttle: Throttle | None = None) -> None:
        """`throttle` where what is sent goes over the network."""
        self._restorer = restorer
        self._calls = calls
        self._throttle = throttle

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
                if self._throttle is None:
                    yield _frame(piece)
                    continue
                for part in _parts(piece, self._throttle):
                    frame = _frame(part)
                    await self._throttle.send(frame.ByteSize())
                    yield frame


def _parts(piece: Piece, throttle: Throttle) -> Iterator[Piece]:
    """A piece in parts that are as small as the rate wants."""
    lead, content = piece.digest, memoryview(piece.data)
    while len(content) > (most := throttle.frame_bytes(PIECE_BYTES)):
        yield Piece(lead, bytes(content[:most]))
        lead, content = None, content[most:]
    yield Piece(lead, bytes(content), piece.done, piece.failed)


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
