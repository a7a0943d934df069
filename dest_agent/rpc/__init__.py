"""The servicers: translate, call, translate. Who calls is read from the certificate, or is the admin socket itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

import grpc

from common.errors import SmarterError, TransientError
from common.logs import get
from common.tls import PeerIdentity, peer_identity
from common.wire.status import MAX_WORDS, code_of
from dest_agent.access import ADMIN_SOCKET

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")
PeerOf = Callable[[Context], PeerIdentity]

SOFTWARE = f"smarter/{version('smarter')}"
MAX_CALLS = 64
"""Of one peer. A source has five; those of its connections that broke without a word count until keepalive ends them."""

_log = get("dest.rpc")


def tls_peer(context: Context) -> PeerIdentity:
    """Who calls over TLS. Errors: PeerError."""
    return peer_identity(context.auth_context())


def socket_peer(_context: Context) -> PeerIdentity:
    """Who calls on the admin socket: whoever may open it."""
    return ADMIN_SOCKET


class Calls:
    """The calls that a door is answering, so many of one peer at most: what a call may hold is bounded, so is their sum."""

    def __init__(self, peer_of: PeerOf) -> None:
        self.peer_of = peer_of
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def answering(self, context: Context) -> AsyncIterator[PeerIdentity]:
        """Gives who is calling, and ends the call with the status that errors, and a message's mistakes, stand for."""
        try:
            peer = self.peer_of(context)
            with self._counted(peer):
                yield peer
        except (SmarterError, ValueError) as error:
            _log.info("call_refused", peer=context.peer(), reason=str(error), error=type(error).__name__)
            await context.abort(code_of(error), str(error)[:MAX_WORDS])

    @contextmanager
    def _counted(self, peer: PeerIdentity) -> Iterator[None]:
        if self._open[peer.uri] >= MAX_CALLS:
            raise TransientError(f"{peer.uri} has {MAX_CALLS} calls open, which is as many as are answered")
        self._open[peer.uri] += 1
        try:
            yield
        finally:
            self._open[peer.uri] -= 1


async def messages(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    """The messages of a call's peer. A call that ends because the server hangs up counts as cancelled, like any other."""
    try:
        async for message in stream:
            yield message
    except grpc.aio.BaseError as error:
        raise asyncio.CancelledError from error
