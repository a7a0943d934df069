"""The connection to the destination: dialling, checking who answers, agreeing on a protocol, and mapping what goes wrong.

    1. The server name: the configured one; else the one that answered first, asked for by a bare TLS handshake that
       checks our authority and the role, and remembered in the journal. From then on only that name is taken.
    2. gRPC channels with our certificate, which check the name again: one for the small messages, and one for each upload
       stream, since a single TCP connection does not fill a long link.
    3. Hello: protocol numbers, limits, and the highest sequence the destination knows of us.

A connection lives as long as one `connected` block; whoever uses it dials again after any error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.errors import PeerError
from common.model import Limits
from common.pb import replication_pb2 as pb
from common.pb.replication_pb2_grpc import ReplicationStub
from common.tls import PeerRole, TlsFiles, channel_credentials, listener_identity
from common.wire.replication import PROTOCOLS, limits_from_pb
from common.wire.status import error_of
from common.wire.transport import CHANNEL_OPTIONS

if TYPE_CHECKING:  # the name exists for type checkers only: at run time the stub is one class
    from common.pb.replication_pb2_grpc import ReplicationAsyncStub

HELLO_S = 20.0
MOST_SEQ = 1 << 62
"""Numbering on from a destination's memory must leave numbers to give: SQLite's end at 2^63 - 1."""
SOFTWARE = f"smarter/{version('smarter')}"


@dataclass(frozen=True, slots=True)
class Connection:
    """A destination that answered Hello."""

    stub: ReplicationAsyncStub
    """For Hello, offers and records."""
    uploads: tuple[ReplicationAsyncStub, ...]
    """One for each upload stream, each a TCP connection of its own."""
    ask: Callable[[], Awaitable[None]]
    """A small call over the last of them, whose answer says that what went before it has arrived."""
    address: str
    agent: str
    last_seq: int
    limits: Limits
    codings: frozenset[str]
    methods: frozenset[str]
    """Of deltas that it decodes."""


@contextlib.asynccontextmanager
async def connected(address: str, files: TlsFiles, *, server_name: str, n_uploads: int) -> AsyncIterator[Connection]:
    """A connection to the destination for the length of the block.

    Errors: TransientError where nobody answers; PeerError where certificates, names or protocols do not fit;
    ConfigError where our own files cannot be used.
    """
    options = [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", server_name)]
    credentials = channel_credentials(files)
    async with contextlib.AsyncExitStack() as open_channels:
        channels = [grpc.aio.secure_channel(address, credentials, options=options) for _ in range(1 + n_uploads)]
        for channel in channels:
            open_channels.push_async_callback(channel.close)
            channel.get_state(try_to_connect=True)  # all shake hands at once: on a long link each costs several round trips
        stub, *uploads = map(ReplicationStub, channels)
        hello = pb.HelloRequest(protocols=PROTOCOLS, software=SOFTWARE)
        try:
            reply: pb.HelloReply = await stub.Hello(hello, timeout=HELLO_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise PeerError(f"{address}: {error.details()}") from error
            raise error_of(error, peer=address) from error
        if reply.protocol not in PROTOCOLS:
            raise PeerError(f"{address}: speaks protocol {reply.protocol}, this program {', '.join(map(str, PROTOCOLS))}")
        if reply.last_seq > MOST_SEQ:
            raise PeerError(f"{address}: remembers the sequence {reply.last_seq}, which no journal ever reached")
        try:
            limits = limits_from_pb(reply.limits)
        except ValueError as error:
            raise PeerError(f"{address}: {error}") from error
        health = health_pb2_grpc.HealthStub(channels[-1])

        async def ask() -> None:
            """Asks how it is: a refusal has come just as far, and where the connection is over, its streams tell."""
            with contextlib.suppress(grpc.aio.AioRpcError):
                await health.Check(health_pb2.HealthCheckRequest(), timeout=HELLO_S)

        yield Connection(
            stub,
            tuple(uploads),
            ask,
            address,
            reply.agent,
            reply.last_seq,
            limits,
            frozenset(reply.codings),
            frozenset(reply.methods),
        )


async def ask_name(address: str, files: TlsFiles) -> str:
    """The name in the certificate of whoever answers at an address, if our authority made it for a destination.

    Errors: TransientError where nobody answers; PeerError where the certificate is not a destination's of ours; ConfigError.
    """
    listener = await asyncio.to_thread(listener_identity, address, files)
    if listener.role is not PeerRole.DESTINATION:
        raise PeerError(f"{address}: {listener.uri} answers there, which is no destination")
    return listener.name
