"""The operator's calls to the two agents: the only module of this package that knows the messages.

One object is one channel. Calls are synchronous, since a command does one thing at a time; gRPC's own threads keep the
streams moving meanwhile. Every failure of a call is one of `common.errors`, with the address in its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc

from admin_client.endpoints import Endpoint, server_identity
from admin_client.moments import rfc3339
from admin_client.pacing import PacingCalls
from admin_client.plain import group_values, plain
from admin_client.results.agents import AuditLine, LogLevelReport, ReloadReport, RetryReport
from common.errors import ConfigError, PeerError, RefusedError
from common.ids import Digest, agent_name, label
from common.model import Announcement, Entry, Refusal, Selection
from common.pb import admin_pb2, admin_pb2_grpc, restore_pb2, restore_pb2_grpc
from common.tls import channel_credentials
from common.wire.replication import refusal_from_pb
from common.wire.restoring import announced_from_pb, entries_from_pb, selection_to_pb
from common.wire.status import error_of
from common.wire.transport import CHANNEL_OPTIONS

_STATUS_S = 10.0
_THUMBNAIL_S = 30.0
_GROUPS_S = 60.0
"""A filter by paths looks at everything that there is."""
_NO_METHOD = "Method not found!"
"""What gRPC says for a service that is not there."""


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


@dataclass(frozen=True, slots=True)
class PictureName:
    """How an operator names a picture: by its digest, else by a path, with where that is on this machine if it is there."""

    digest: bytes = b""
    path: bytes = b""
    file: bytes = b""


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups a listing has, and how many pictures are told of each."""

    in_review: bool = False
    singles: bool = False
    policy: str = ""
    glob: str = ""
    min_bytes: int = 0
    """Of all pictures of the group together."""
    candidates: int = 1


class AgentClient:
    """A connection to one agent, for any number of threads; close it, or use it as a context."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Errors: ConfigError, PeerError, TransientError where a network address cannot be dialled."""
        self.address = self._peer = endpoint.address
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
        self._groups = admin_pb2_grpc.GroupsStub(self._channel)
        self.pacing = PacingCalls(self._channel, self._errors)
        self._upkeep = admin_pb2_grpc.UpkeepStub(self._channel)
        self._deliveries = admin_pb2_grpc.DeliveriesStub(self._channel)
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
        found: dict[str, Any] = shared | plain(getattr(reply, role))
        for problem in found.get("problems", ()):
            problem["seq"] = problem["seq"] or None
        return found

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

    def announced(self, selection: Selection) -> Iterator[Announcement]:
        """What was announced and has not come; nothing where the destination does not know of such."""
        call = self._restore.ListAnnounced(restore_pb2.ListRequest(selection=selection_to_pb(selection)))
        try:
            with self._errors():
                for batch in call:
                    yield from announced_from_pb(batch)
        except PeerError:
            if call.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise

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

    def groups(self, which: GroupFilter) -> Iterator[dict[str, Any]]:
        """The groups of a source as plain values, the largest first, a page at a time; see `group_values` for what each has."""
        for reply in self._pages(self._groups.ListGroups, _listing(which)):
            yield from (group_values(group, group.told) for group in reply.groups)

    def groups_beside(
        self, which: GroupFilter, *, behind: int, backwards: bool, n_groups: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """A page of such groups, and whether there are more: those behind a group, or, `backwards`, those before it.

        They are in the order of the list, from its start, or its end, where `behind` is 0. Errors: RefusedError where
        the group is gone.
        """
        asked = _listing(which)
        asked.behind, asked.backwards, asked.page_size = behind, backwards, n_groups
        with self._errors():
            reply = self._groups.ListGroups(asked, timeout=_GROUPS_S)
        found = [group_values(group, group.told) for group in reply.groups]
        return found[::-1] if backwards else found, bool(reply.next_page_token)

    def thumbnail(self, digest: bytes, *, max_side: int) -> tuple[bytes, str]:
        """A small JPEG of a picture; where there is none, no byte and why. Errors: PeerError from an agent that makes none."""
        with self._errors():
            asked = admin_pb2.ThumbnailRequest(digest=digest, max_side=max_side)
            reply = self._groups.Thumbnail(asked, timeout=_THUMBNAIL_S)
        return reply.jpeg, reply.problem

    def group(self, which: int | PictureName) -> dict[str, Any]:
        """One group of a source with all its pictures. Errors: RefusedError where there is none."""
        asked = admin_pb2.ShowGroupRequest()
        if isinstance(which, int):
            asked.number = which
        else:
            asked.picture.CopyFrom(_name(which))
        return self._whole(lambda: self._groups.ShowGroup(asked, timeout=_GROUPS_S))

    def pin(self, picture: PictureName) -> dict[str, Any]:
        """Makes a picture stand for its group, which is the answer. Errors: as `group`."""
        request = admin_pb2.PictureRequest(picture=_name(picture))
        return self._whole(lambda: self._groups.PinPicture(request, timeout=_GROUPS_S))

    def split(self, picture: PictureName) -> dict[str, Any]:
        """Takes a picture out of its group; its own new one is the answer. Errors: as `group`."""
        request = admin_pb2.PictureRequest(picture=_name(picture))
        return self._whole(lambda: self._groups.SplitPicture(request, timeout=_GROUPS_S))

    def confirm(self, number: int) -> dict[str, Any]:
        """Says that the pictures of a group belong together. Errors: as `group`."""
        request = admin_pb2.ConfirmGroupRequest(number=number)
        return self._whole(lambda: self._groups.ConfirmGroup(request, timeout=_GROUPS_S))

    def metrics(self) -> str:
        """The agent's metrics in Prometheus' text format."""
        with self._errors():
            return str(self._upkeep.Metrics(admin_pb2.MetricsRequest(), timeout=_STATUS_S).text)

    def log_at(self, level: str, *, seconds: float) -> LogLevelReport:
        """Has the agent log at a level for some seconds, or, where they are 0, until told otherwise; "" is as configured."""
        with self._errors():
            asked = admin_pb2.SetLogLevelRequest(level=level, seconds=seconds)
            reply = self._upkeep.SetLogLevel(asked, timeout=_STATUS_S)
        until = rfc3339(reply.until_ns) if reply.until_ns else None
        return {"level": reply.level, "configured": reply.configured, "until": until}

    def reload(self) -> ReloadReport:
        """Has the agent read its configuration again. Errors: ConfigError with every mistake of it; nothing is changed then."""
        try:
            with self._errors():
                reply = self._upkeep.ReloadConfig(admin_pb2.ReloadConfigRequest(), timeout=_STATUS_S)
        except RefusedError as error:
            raise ConfigError([str(error)]) from None
        return {"file": reply.file, "changed": list(reply.changed), "needs_restart": list(reply.needs_restart)}

    def audit(self, *, since_ns: int) -> Iterator[AuditLine]:
        """Who asked the agent for which change, the newest first; since a time, or, where it is 0, all that is kept."""
        asked = admin_pb2.ListAuditRequest(since_ns=since_ns)
        for reply in self._pages(self._upkeep.ListAudit, asked):
            for e in reply.entries:
                at = rfc3339(e.at_ns)
                yield {"number": e.number, "at": at, "by": e.by, "call": e.call, "asked": e.asked, "failed": e.failed or None}

    def versions(
        self, *, states: Collection[str], policy: str, glob: str, fields: Collection[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """A source's versions, the newest first, with some of their fields or, where none are named, all."""
        asked = admin_pb2.ListVersionsRequest(states=states, policy=policy, glob=glob)
        names = {name.removesuffix("_ns"): name for name in admin_pb2.VersionState.DESCRIPTOR.fields_by_name}
        asked.fields.paths.extend(names[field] for field in fields)
        for reply in self._pages(self._deliveries.ListVersions, asked):
            for version in reply.versions:
                found = plain(version) | {"digest": version.digest.hex() or None, "reason": version.reason or None}
                yield {field: found[field] for field in fields or names}

    def quarantine(self, *, policy: str, glob: str) -> Iterator[dict[str, Any]]:
        """What goes no further by itself at a source: versions that were refused, then paths that cannot be read."""
        asked = admin_pb2.ListQuarantineRequest(policy=policy, glob=glob)
        for reply in self._pages(self._deliveries.ListQuarantine, asked):
            yield from (plain(problem) | {"seq": problem.seq or None} for problem in reply.problems)

    def retry(self, *, policy: str, glob: str) -> RetryReport:
        """Has a source try again what goes no further by itself."""
        with self._errors():
            reply = self._deliveries.Retry(admin_pb2.RetryRequest(policy=policy, glob=glob), timeout=_GROUPS_S)
        return {"versions": reply.versions, "paths": reply.paths}

    def record_drill(self, *, n_files: int, n_bytes: int, n_errors: int) -> None:
        """Has the destination remember that a sample was restored and compared."""
        with self._errors():
            self._admin.RecordDrill(admin_pb2.DrillResult(files=n_files, bytes=n_bytes, errors=n_errors), timeout=_STATUS_S)

    def _pages(self, ask: Callable[..., Any], asked: Any) -> Iterator[Any]:
        """The answers to a list's pages, until the last."""
        while True:
            with self._errors():
                reply = ask(asked, timeout=_GROUPS_S)
            yield reply
            if reply.next_page_token in {"", asked.page_token}:
                return
            asked.page_token = reply.next_page_token

    def _whole(self, ask: Callable[[], admin_pb2.GroupReply]) -> dict[str, Any]:
        """A group with the pictures of all its pages."""
        with self._errors():
            reply = ask()
            told, token = list(reply.group.told), ""
            while reply.next_page_token not in {"", token}:
                token = reply.next_page_token
                asked = admin_pb2.ShowGroupRequest(number=reply.group.number, page_token=token)
                reply = self._groups.ShowGroup(asked, timeout=_GROUPS_S)
                told += reply.group.told
        return group_values(reply.group, told)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Maps gRPC's failures, and messages that break a rule, to the program's own."""
        try:
            yield
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and error.details() == _NO_METHOD:
                raise PeerError(
                    f"{self._peer}: the agent there does not know this call: another kind of agent, or an older one"
                ) from None
            raise error_of(error, peer=self._peer) from None
        except ValueError as error:
            raise PeerError(f"{self._peer}: an answer breaks the protocol: {error}") from None


def _listing(which: GroupFilter) -> admin_pb2.ListGroupsRequest:
    return admin_pb2.ListGroupsRequest(
        in_review=which.in_review,
        singles=which.singles,
        policy=which.policy,
        glob=which.glob,
        min_bytes=which.min_bytes,
        candidates=which.candidates,
    )


def _name(name: PictureName) -> admin_pb2.PictureName:
    return admin_pb2.PictureName(digest=name.digest, path=name.path, file=name.file)
