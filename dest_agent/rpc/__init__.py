"""The servicers: translate, call, translate. Who calls is read from the certificate, or is the admin socket itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TypeVar

import grpc

from common.errors import SmarterError
from common.logs import get
from common.tls import PeerIdentity, peer_identity
from common.wire.status import MAX_WORDS, code_of
from dest_agent.access import ADMIN_SOCKET

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")
PeerOf = Callable[[Context], PeerIdentity]

SOFTWARE = f"smarter/{version('smarter')}"

_log = get("dest.rpc")


def tls_peer(context: Context) -> PeerIdentity:
    """Who calls over TLS. Errors: PeerError."""
    return peer_identity(context.auth_context())


def socket_peer(_context: Context) -> PeerIdentity:
    """Who calls on the admin socket: whoever may open it."""
    return ADMIN_SOCKET


@asynccontextmanager
async def answering(context: Context) -> AsyncIterator[None]:
    """Ends the call with the status that the program's errors, and a message's mistakes, stand for."""
    try:
        yield
    except (SmarterError, ValueError) as error:
        _log.info("call_refused", peer=context.peer(), reason=str(error), error=type(error).__name__)
        await context.abort(code_of(error), str(error)[:MAX_WORDS])


async def messages(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    """The messages of a call's peer. A call that ends because the server hangs up counts as cancelled, like any other."""
    try:
        async for message in stream:
            yield message
    except grpc.aio.BaseError as error:
        raise asyncio.CancelledError from error
