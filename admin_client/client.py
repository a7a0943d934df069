"""The operator's calls to the two agents: the only module of this package that knows the messages.

One object is one channel. Calls are synchronous, since a command does one thing at a time; gRPC's own threads keep the
streams moving meanwhile. Every failure of a call is one of `common.errors`, with the address in its sentence.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from admin_client.endpoints import Endpoint, server_identity
from admin_client.moments import rfc3339
from common.errors import PeerError
from common.ids import Digest, agent_name, label
from common.model import Entry, Refusal, Selection
from common.paths import show
from common.pb import admin_pb2, admin_pb2_grpc, restore_pb2, restore_pb2_grpc
from common.tls import channel_credentials
from common.wire.replication import refusal_from_pb
from common.wire.restoring import entries_from_pb, selection_to_pb
from common.wire.status import error_of
from common.wire.transport import CHANNEL_OPTIONS

_STATUS_S = 10.0


@dataclass(frozen=True, slots=True)
class ContentEnd:
    """The end of one content on a fetch: complete, or why the destination could not give it."""

    failed: Refusal | None = None


Piece = bytes | ContentEnd


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far a verification is."""

    n_contents: int
    n_bytes: int
    total_contents: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class VerifyProblem:
    """A content that the destination can no longer prove, and some of the paths that need it."""

    digest: bytes
    reason: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifyDone:
    """The last event of a verification."""

    n_contents: int
    n_bytes: int
    n_problems: int
    n_orphans: int


VerifyEvent = VerifyProgress | VerifyProblem | VerifyDone


@dataclass(slots=True)
class Survey:
    """What a selection spans: counted without keeping the entries."""

    roots: set[tuple[str, str]]
    """(source, root) of every version seen."""
    n_files: int = 0
    n_bytes: int = 0


class AgentClient:
    """A connection to one agent. Not thread-safe; close it, or use it as a context."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Errors: ConfigError, PeerError, TransientError where a network address cannot be dialled."""
        self._peer = endpoint.address
        options = list(CHANNEL_OPTIONS)
        if endpoint.is_local:
            # The socket's mode lets nobody else in; the name in the HTTP/2 authority must only be well-formed.
            self._channel = grpc.insecure_channel(endpoint.address, [*options, ("grpc.default_authority", "localhost")])
        else:
            assert endpoint.tls is not None, "endpoints of a network carry certificates"  # noqa: S101 - a caller's bug
            name = server_identity(endpoint).name
            credentials = channel_credentials(endpoint.tls)
            self._channel = grpc.secure_channel(
                endpoint.address, credentials, [*options, ("grpc.ssl_target_name_override", name)]
            )
        self._admin = admin_pb2_grpc.AdminStub(self._channel)
        self._restore = restore_pb2_grpc.RestoreStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and every call on it."""
        self._channel.close()

    def status(self) -> dict[str, Any]:
        """The agent's status as plain values, ready for JSON; `role` is "source" or "dest".

        Times are RFC 3339 strings, None for never; durations are seconds; sizes bytes.
        """
        with self._errors():
            reply = self._admin.Status(admin_pb2.StatusRequest(), timeout=_STATUS_S)
        role = reply.WhichOneof("site")
        if role is None:
            raise PeerError(f"{self._peer}: the agent answered without saying which site it is")
        shared = {"role": role, "agent": reply.agent, "software": reply.software, "uptime_s": reply.uptime_s}
        return shared | _plain(getattr(reply, role))

    def survey(self, selection: Selection) -> Survey:
        """Counts what a selection spans, in one pass over its listing."""
        found = Survey(roots=set())
        with self._errors():
            for batch in self._restore.List(restore_pb2.ListRequest(selection=selection_to_pb(selection))):
                for e in batch.entries:
                    # Folders are made of these names before any version below them is looked at.
                    found.roots.add((agent_name(e.source), label(e.version.root)))
                    found.n_files += bool(e.version.digest)
                    found.n_bytes += e.version.size if e.version.digest else 0
        return found

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """The versions that a selection means, directories before what they hold; streamed, never all in memory."""
        with self._errors():
            for batch in self._restore.List(restore_pb2.ListRequest(selection=selection_to_pb(selection))):
                yield from entries_from_pb(batch)

    def fetch(self, asked: Iterable[tuple[str, Digest]]) -> Generator[Piece, None, None]:
        """The bytes of contents in the order asked, each closed by a ContentEnd.

        `asked` gives (source, digest) and is consumed in a thread of gRPC's, ahead of the answers; it should block
        where it runs too far ahead, and must end.
        """
        requests = (restore_pb2.FetchRequest(source=source, digest=digest) for source, digest in asked)
        call = self._restore.Fetch(requests)
        try:
            with self._errors():
                for frame in call:
                    if frame.data:
                        yield frame.data
                    match frame.WhichOneof("end"):
                        case "done":
                            yield ContentEnd()
                        case "failed":
                            yield ContentEnd(refusal_from_pb(frame.failed))
                        case _:
                            pass
        finally:
            call.cancel()

    def verify(self, policy: str) -> Iterator[VerifyEvent]:
        """Has the destination read back and prove every content of a policy, all of them where it is empty."""
        with self._errors():
            for event in self._admin.Verify(admin_pb2.VerifyRequest(policy=policy)):
                match event.WhichOneof("event"):
                    case "progress":
                        p = event.progress
                        yield VerifyProgress(p.contents, p.bytes, p.total_contents, p.total_bytes)
                    case "problem":
                        yield VerifyProblem(event.problem.digest, event.problem.reason, tuple(event.problem.paths))
                    case "done":
                        d = event.done
                        yield VerifyDone(d.contents, d.bytes, d.problems, d.orphans)
                    case _:
                        pass

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Maps gRPC's failures, and messages that break a rule, to the program's own."""
        try:
            yield
        except grpc.RpcError as error:
            raise error_of(error, peer=self._peer) from None
        except ValueError as error:
            raise PeerError(f"{self._peer}: an answer breaks the protocol: {error}") from None


def _plain(message: Message) -> dict[str, Any]:
    """A message as plain values: every field, `*_ns` as RFC 3339, paths as text."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.name.endswith("_ns"):
            found[field.name.removesuffix("_ns")] = rfc3339(value) if value else None
        elif isinstance(value, Mapping):
            found[field.name] = dict(sorted(value.items()))
        elif field.is_repeated:
            found[field.name] = [_plain(item) if isinstance(item, Message) else item for item in value]
        elif isinstance(value, bytes):
            found[field.name] = show(value)
        else:
            found[field.name] = _plain(value) if isinstance(value, Message) else value
    return found
