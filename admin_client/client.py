"""The operator's calls to the two agents: the only module of this package that knows the messages.

One object is one channel. Calls are synchronous, since a command does one thing at a time; gRPC's own threads keep the
streams moving meanwhile. Every failure of a call is one of `common.errors`, with the address in its sentence.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from admin_client.endpoints import Endpoint, server_identity
from admin_client.moments import rfc3339
from admin_client.pacing import PacingCalls
from common.errors import PeerError
from common.ids import Digest, agent_name, label
from common.model import Announcement, Entry, Refusal, Selection
from common.paths import show
from common.pb import admin_pb2, admin_pb2_grpc, restore_pb2, restore_pb2_grpc
from common.tls import channel_credentials
from common.wire.replication import refusal_from_pb
from common.wire.restoring import announced_from_pb, entries_from_pb, selection_to_pb
from common.wire.status import error_of
from common.wire.transport import CHANNEL_OPTIONS

_STATUS_S = 10.0
_THUMBNAIL_S = 30.0
_GROUPS_S = 60.0
"""A filter by paths looks at every group."""


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
        self._groups = admin_pb2_grpc.GroupsStub(self._channel)
        self.pacing = PacingCalls(self._channel, self._errors)
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
        """The groups of a source as plain values, the largest first, a page at a time; see `_group` for what each has."""
        asked = _listing(which)
        while True:
            with self._errors():
                reply = self._groups.ListGroups(asked, timeout=_GROUPS_S)
            for group in reply.groups:
                yield _group(group, group.told)
            if not reply.next_page_token or reply.next_page_token == asked.page_token:
                return
            asked.page_token = reply.next_page_token

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
        found = [_group(group, group.told) for group in reply.groups]
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
        return _group(reply.group, told)

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


def _group(group: admin_pb2.Group, told: Iterable[admin_pb2.Picture]) -> dict[str, Any]:
    """A group as plain values: what is documented in `smarter groups show --help`."""
    pictures = [_picture(picture, number=group.number) for picture in told]
    inside = [picture for picture in pictures if picture["group"] == group.number]
    return {
        "group": group.number,
        "pictures": group.pictures,
        "bytes": group.bytes,
        "pinned": group.pinned,
        "confirmed": group.confirmed,
        "review_until": rfc3339(group.review_until_ns) if group.review_until_ns else None,
        "review_left_s": group.review_left_s if group.review_until_ns else None,
        "representative": next((picture for picture in inside if picture["relation"] is None), None),
        "members": [picture for picture in inside if picture["relation"] is not None],
        "scenes": [picture for picture in pictures if picture["group"] != group.number],
    }


def _picture(picture: admin_pb2.Picture, *, number: int) -> dict[str, Any]:
    is_inside = picture.number == number
    stands = picture.is_representative and is_inside
    # One that grouping would have stand for the group may hang on another group's scene: here it is a member.
    base = picture.base if picture.HasField("base") and not (is_inside and picture.relation == "scene") else None
    compared = base.comparison if base is not None and base.HasField("comparison") else None
    return {
        "digest": picture.digest.hex(),
        "group": picture.number,
        "relation": None if stands else "near" if is_inside else "scene",
        "role": picture.role,
        "state": picture.state,
        "bytes": picture.bytes,
        "pixels": picture.pixels,
        "features": picture.features,
        "paths": [_path(path) for path in picture.paths],
        "n_paths": picture.n_paths,
        "last_path": _path(picture.last_path) if picture.HasField("last_path") else None,
        "sd": compared.sd if compared else None,
        "inliers": compared.inliers if compared else None,
        "base": None if base is None else _base(base),
        "matches": [
            {"digest": match.digest.hex(), "bytes": match.bytes, "sd": match.sd, "inliers": match.inliers}
            for match in picture.matches
        ],
        "delta": _plain(picture.delta) if picture.HasField("delta") else None,
    }


def _base(base: admin_pb2.PictureBase) -> dict[str, Any]:
    found: dict[str, Any] = {"digest": base.digest.hex(), "path": _path(base.path) if base.HasField("path") else None}
    if base.HasField("comparison"):
        seen = base.comparison
        found |= {"ncc": seen.ncc, "mirrored": seen.mirrored}
        found |= {"transform": list(seen.transform), "transform_from_base": seen.from_base}
    return found


def _path(path: admin_pb2.PicturePath) -> dict[str, Any]:
    """A path as plain values; one that is not UTF-8 also as what it is."""
    found = {"policy": path.policy, "root": path.root, "path": show(path.path)}
    if path.path != found["path"].encode():
        found["path_base64"] = base64.b64encode(path.path).decode()
    return found
