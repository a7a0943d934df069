"""A destination that exists only in memory: serves listings, contents and statuses to the operator's command.

It is a real gRPC server on a real Unix socket, so that the client under test is whole; only what stands behind is simple.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from admin_client.endpoints import Endpoint
from common.ids import Digest, VersionId, digest_of
from common.model import Announcement, Entry, Kind, Version, Whole
from common.paths import RelPath, show
from common.pb import admin_pb2, admin_pb2_grpc, replication_pb2, restore_pb2, restore_pb2_grpc
from common.tls import PeerRole
from common.wire.restoring import announced_to_pb, entries_to_pb
from source_agent.capture import KIND_BY_TYPE, attributes, xattrs_of

_PIECE_BYTES = 64 * 1024 + 1000
"""No multiple of a block: sparse files must not depend on how a stream is cut."""

Context = grpc.ServicerContext


@dataclass(slots=True)
class FakeDestination:
    """Versions and contents; tests fill them, and break them on purpose."""

    versions: list[Version] = field(default_factory=list)
    contents: dict[Digest, bytes] = field(default_factory=dict)
    broken: set[Digest] = field(default_factory=set)
    """Contents that the destination itself finds damaged."""
    announced: list[Announcement] = field(default_factory=list)
    fetched: list[Digest] = field(default_factory=list)
    """Every content asked for, as often as it was."""
    problems: list[tuple[bytes, str]] = field(default_factory=list)
    drills: list[admin_pb2.DrillResult] = field(default_factory=list)
    """What it was told of restored samples."""
    hangs_up_with: str = ""
    """What it says instead of verifying."""
    false_roots: list[str] = field(default_factory=list)
    """Names that it gives for roots although no program would."""
    address: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(PeerRole.DESTINATION, self.address)

    def hold(self, tree: Path, *, policy: str = "photos", root: str = "library", source: str = "lisbon-1") -> None:
        """Takes a real directory as a source would have delivered it."""
        for path, at in _walk(tree):
            st = os.lstat(at)
            kind = KIND_BY_TYPE[stat.S_IFMT(st.st_mode)]
            content = Path(os.fsdecode(at)).read_bytes() if kind is Kind.FILE else None
            target = os.readlink(at) if kind is Kind.SYMLINK else b""
            self.put(
                Version(
                    id=VersionId(source, 1),
                    policy=policy,
                    root=root,
                    path=path,
                    kind=kind,
                    attributes=attributes(st, xattrs=xattrs_of(at), target=target),
                    observed_ns=st.st_ctime_ns,
                    digest=None if content is None else digest_of(content),
                    size=0 if content is None else len(content),
                ),
                content,
            )

    def put(self, version: Version, content: bytes | None = None) -> None:
        """Takes one version, numbered anew."""
        self.versions.append(replace(version, id=VersionId(version.id.agent, len(self.versions) + 1)))
        if content is not None:
            self.contents[digest_of(content)] = content


class _Restore(restore_pb2_grpc.RestoreServicer):
    def __init__(self, held: FakeDestination) -> None:
        self._held = held

    def List(self, request: restore_pb2.ListRequest, context: Any) -> Iterator[restore_pb2.EntryBatch]:  # noqa: N802, ARG002
        wanted = request.selection
        for v in self._held.versions:
            named = wanted.policy in {"", v.policy} and wanted.source in {"", v.id.agent}
            if named and (not wanted.glob or (v.path and fnmatch.fnmatch(show(v.path), wanted.glob))):
                recipe = Whole("raw", v.size) if v.digest else None
                yield entries_to_pb([Entry(v, received_ns=v.observed_ns, recipe=recipe)])
        for root in self._held.false_roots:
            version = replication_pb2.Version(seq=1, policy="photos", root=root, kind=replication_pb2.DIRECTORY)
            yield restore_pb2.EntryBatch(entries=[restore_pb2.Entry(source="lisbon-1", version=version)])

    def ListAnnounced(self, request: restore_pb2.ListRequest, context: Any) -> Iterator[restore_pb2.EntryBatch]:  # noqa: N802, ARG002
        yield announced_to_pb(self._held.announced)

    def Fetch(  # noqa: N802
        self,
        request_iterator: Iterator[restore_pb2.FetchRequest],
        context: Any,  # noqa: ARG002
    ) -> Iterator[restore_pb2.FetchFrame]:
        for request in request_iterator:
            digest = Digest(request.digest)
            self._held.fetched.append(digest)
            content = self._held.contents[digest]
            yield restore_pb2.FetchFrame(digest=digest)
            for at in range(0, len(content), _PIECE_BYTES):
                yield restore_pb2.FetchFrame(data=content[at : at + _PIECE_BYTES])
            if digest in self._held.broken:
                refusal = replication_pb2.Refusal(code=replication_pb2.PROOF_FAILED, reason="stored bytes are damaged")
                yield restore_pb2.FetchFrame(failed=refusal)
            else:
                yield restore_pb2.FetchFrame(done=True)


class _Admin(admin_pb2_grpc.AdminServicer):
    def __init__(self, held: FakeDestination) -> None:
        self._held = held

    def Status(self, request: admin_pb2.StatusRequest, context: Any) -> admin_pb2.StatusReply:  # noqa: N802, ARG002
        status = admin_pb2.DestStatus(contents=len(self._held.contents), accepting=True, last_verify_ns=10**18)
        return admin_pb2.StatusReply(agent="oslo-1", software="smarter/test", uptime_s=3.5, dest=status)

    def Verify(self, request: admin_pb2.VerifyRequest, context: Any) -> Iterator[admin_pb2.VerifyEvent]:  # noqa: N802, ARG002
        if self._held.hangs_up_with:
            context.abort(grpc.StatusCode.INTERNAL, self._held.hangs_up_with)
        n = len(self._held.contents)
        yield admin_pb2.VerifyEvent(progress=admin_pb2.VerifyProgress(contents=0, bytes=0, total_contents=n, total_bytes=10 * n))
        for digest, reason in self._held.problems:
            yield admin_pb2.VerifyEvent(problem=admin_pb2.VerifyProblem(digest=digest, reason=reason, paths=["a\x1bb"]))
        done = admin_pb2.VerifyDone(contents=n, bytes=10 * n, problems=len(self._held.problems))
        yield admin_pb2.VerifyEvent(done=done)

    def Similar(self, request: admin_pb2.SimilarRequest, context: Any) -> admin_pb2.SimilarReply:  # noqa: N802, ARG002
        return admin_pb2.SimilarReply()

    def RecordDrill(self, request: admin_pb2.DrillResult, context: Any) -> admin_pb2.DrillReply:  # noqa: N802, ARG002
        self._held.drills.append(request)
        return admin_pb2.DrillReply(recorded_ns=10**18)


@contextmanager
def serving(socket: Path, held: FakeDestination | None = None) -> Iterator[FakeDestination]:
    """Serves a fake destination on a Unix socket while the block runs."""
    held = held or FakeDestination()
    with ThreadPoolExecutor(4, "fake-destination") as pool:
        server = grpc.server(pool)
        restore_pb2_grpc.add_RestoreServicer_to_server(_Restore(held), server)
        admin_pb2_grpc.add_AdminServicer_to_server(_Admin(held), server)
        held.address = f"unix:{socket}"
        server.add_insecure_port(held.address)
        server.start()
        try:
            yield held
        finally:
            server.stop(None).wait()


def _walk(tree: Path) -> Iterator[tuple[RelPath, bytes]]:
    """Every path, directories before what they hold, the root first as the empty path."""
    top = os.fsencode(tree)
    yield RelPath(b""), top
    for folder, directories, files in os.walk(top):
        for name in sorted(directories + files):
            at = folder + b"/" + name
            yield RelPath(os.path.relpath(at, top)), at
