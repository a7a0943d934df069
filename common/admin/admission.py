"""Who may call the services of admin.proto: the operator alone; and every call that changes something is in the audit log first.

An interceptor in front of all servicers of a door, so that a service cannot forget either. What a call changes, and whether it
does, is read from the messages' own description: a method that is not marked NO_SIDE_EFFECTS is taken to change something.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf import text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from common.admin.audit import Audit
from common.errors import PeerError, SmarterError
from common.logs import get
from common.pb import admin_pb2 as pb
from common.tls import ADMIN_SOCKET, PeerIdentity, PeerRole, peer_identity
from common.wire.status import MAX_WORDS, code_of

Context = grpc.aio.ServicerContext[Any, Any]
PeerOf = Callable[[Context], PeerIdentity]

_METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

_log = get("admin")


def tls_peer(context: Context) -> PeerIdentity:
    """Who calls over TLS. Errors: PeerError."""
    return peer_identity(context.auth_context())


def socket_peer(_context: Context) -> PeerIdentity:
    """Who calls on the admin socket: whoever may open it. gRPC does not say which of them it is."""
    return ADMIN_SOCKET


class Admission(grpc.aio.ServerInterceptor):
    """Stands in front of the operator's services of one door; other services pass."""

    def __init__(self, audit: Audit, peer_of: PeerOf) -> None:
        self._audit = audit
        self._peer_of = peer_of

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = _METHODS.get(handler_call_details.method)
        if handler is None or method is None:
            return handler
        of = {"request_deserializer": handler.request_deserializer, "response_serializer": handler.response_serializer}
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(handler.unary_stream, method), **of)
        return grpc.unary_unary_rpc_method_handler(self._answering(handler.unary_unary, method), **of)

    def _answering(
        self, answer: Callable[[Message, Context], Awaitable[Message]], method: MethodDescriptor
    ) -> Callable[[Message, Context], Awaitable[Message]]:
        async def answered(request: Message, context: Context) -> Message:
            async with self._admitted(request, context, method):
                return await answer(request, context)
            raise AssertionError  # abort has raised

        return answered

    def _streaming(
        self, answer: Callable[[Message, Context], AsyncIterator[Message]], method: MethodDescriptor
    ) -> Callable[[Message, Context], AsyncIterator[Message]]:
        async def answered(request: Message, context: Context) -> AsyncIterator[Message]:
            async with self._admitted(request, context, method):
                async for message in answer(request, context):
                    yield message

        return answered

    @asynccontextmanager
    async def _admitted(self, request: Message, context: Context, method: MethodDescriptor) -> AsyncIterator[None]:
        """Ends the call with the status that an error stands for: of the caller, of the log, or of the servicer."""
        try:
            peer = self._peer_of(context)
            if peer.role is not PeerRole.OPERATOR:
                raise PeerError(f"{peer.uri} is not the operator, who alone may ask this")
            async with self._written_down(request, context, by=peer, method=method):
                yield
        except KeyError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"it is gone meanwhile: {error}")
        except (SmarterError, ValueError) as error:
            _log.info("call_refused", peer=context.peer(), call=method.full_name, reason=str(error))
            await context.abort(code_of(error), str(error)[:MAX_WORDS])

    @asynccontextmanager
    async def _written_down(
        self, request: Message, context: Context, *, by: PeerIdentity, method: MethodDescriptor
    ) -> AsyncIterator[None]:
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
            yield
            return
        call = f"{method.containing_service.name}.{method.name}"
        asked = text_format.MessageToString(request, as_one_line=True, as_utf8=True)
        number = await asyncio.to_thread(self._audit.asked, by.uri, call, asked)
        try:
            yield
        except asyncio.CancelledError:
            raise  # whoever asked has gone; what he asked for may be made all the same
        except BaseException as error:
            reason = context.details() or str(error) or type(error).__name__
            await asyncio.to_thread(self._audit.failed, number, reason)
            raise
        _log.info("operator_heard", by=by.uri, call=call, number=number)
