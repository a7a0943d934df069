"""The servicers: translate, call, translate. Who calls is read from the certificate, or is the admin socket itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import TypeVar

import grpc

from common.admin.admission import Context, PeerOf
from common.errors import SmarterError, TransientError
from common.logs import get
from common.tls import PeerIdentity
from common.wire.status import MAX_WORDS, code_of

T = TypeVar("T")

SOFTWARE = f"smarter/{version('smarter')}"
MAX_CALLS = 64
"""Of one peer. A source has five; those of its connections that broke without a word count until keepalive ends them."""

_log = get("dest.rpc")


class Calls:
    """The calls that a door is answering, so many of one peer at most: what a call may hold is bounded, so is their sum."""

    def __init__(self, peer_of: PeerOf) -> None:
        self.peer_of = peer_of
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def answering(self, context: Context) -> AsyncIterator[PeerIdentity]:
        """Gives who is calling, and ends the call with the status that errors, and a message's mistakes, stand for."""
        try:
            with self.counted(context) as peer:
                yield peer
        except (SmarterError, ValueError) as error:
            _log.info("call_refused", peer=context.peer(), reason=str(error), error=type(error).__name__)
            await context.abort(code_of(error), str(error)[:MAX_WORDS])

    @contextmanager
    def counted(self, context: Context) -> Iterator[PeerIdentity]:
        """Gives who is calling. Errors: PeerError; TransientError where it calls too often at once."""
        peer = self.peer_of(context)
        if self._open[peer.uri] >= MAX_CALLS:
            raise TransientError(f"{peer.uri} has {MAX_CALLS} calls open, which is as many as are answered")
        self._open[peer.uri] += 1
        try:
            yield peer
        finally:
            self._open[peer.uri] -= 1


async def messages(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    """The messages of a call's peer. A call that ends because the server hangs up counts as cancelled, like any other."""
    try:
        async for message in stream:
            yield message
    except grpc.aio.BaseError as error:
        raise asyncio.CancelledError from error
