"""A destination that follows a script: a real gRPC server with real certificates, whose answers a test decides.

Without a script it is an honest destination in memory: it decodes, proves, keeps, and knows what it holds.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from common import delta, model
from common.coding import CODINGS
from common.ids import Digest, digest_of
from common.model import (
    Abort,
    Answer,
    Begin,
    Data,
    End,
    Have,
    Limits,
    Plan,
    Receipt,
    Refusal,
    RefusalCode,
    SendWhole,
    Staged,
    Stored,
    Version,
)
from common.paths import RelPath
from common.pb import replication_pb2 as pb
from common.pb.replication_pb2_grpc import ReplicationServicer, add_ReplicationServicer_to_server
from common.tls import TlsFiles, server_credentials
from common.wire import replication as wire
from common.wire.transport import SERVER_OPTIONS
from common.wire.versions import version_from_pb

SOURCE = "lisbon-1"

Outcome = Stored | Refusal
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class Arrival:
    """One content as it came."""

    begin: Begin
    data: bytearray = field(default_factory=bytearray)
    n_frames: int = 0
    ended: bool = False


@dataclass(slots=True)
class Script:
    """What the destination does instead of being honest, and what it saw. Lists are used up, then it is honest again."""

    plans: dict[Digest, list[Answer]] = field(default_factory=dict)
    uploads: dict[bytes, list[Outcome]] = field(default_factory=dict)
    """By path."""
    records: dict[bytes, list[Outcome]] = field(default_factory=dict)
    """By path."""
    extra_plans: list[pb.PlanBatch] = field(default_factory=list)
    """Sent after the first honest answer to an offer."""
    extra_receipts: list[pb.Receipt] = field(default_factory=list)
    """Sent before the first honest receipt of an upload."""
    extra_records: list[pb.ReceiptBatch] = field(default_factory=list)
    """Sent as soon as a record stream is open."""
    cut_after_bytes: int | None = None
    """Ends the upload's call when so many content bytes came, once; what came is staged."""
    staged: dict[Digest, Staged] = field(default_factory=dict)
    partials: dict[Digest, bytes] = field(default_factory=dict)
    """The bytes of what is staged; a server that takes over has them too."""
    abort: grpc.StatusCode | None = None
    """How the first batch of offers is answered: with the end of the call."""
    last_seq: int = 0
    hello: Callable[[pb.HelloReply], None] = lambda reply: None  # noqa: ARG005 - leaves the reply as it is
    hellos: int = 0
    offered: list[model.Offer] = field(default_factory=list)
    uploaded: list[Arrival] = field(default_factory=list)
    recorded: list[Version] = field(default_factory=list)
    announced: list[model.Announcement] = field(default_factory=list)
    contents: dict[Digest, bytes] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)

    @property
    def content_bytes(self) -> int:
        """Bytes of contents that came, coded."""
        return sum(len(upload.data) for upload in self.uploaded)

    def holds(self) -> dict[RelPath, bytes]:
        """The content at each path that has a version here, by the newest."""
        newest = {version.path: version for _, version in sorted(self.versions.items())}
        return {path: self.contents[v.digest] for path, v in newest.items() if v.digest is not None}


class ScriptedServicer(ReplicationServicer):
    """Plays a script."""

    def __init__(self, script: Script, *, agent: str) -> None:
        self._script, self._agent = script, agent

    async def Hello(self, request: pb.HelloRequest, context: Context) -> pb.HelloReply:  # noqa: N802
        """Agrees to everything."""
        del request, context
        self._script.hellos += 1
        limits = wire.limits_to_pb(Limits())
        reply = pb.HelloReply(protocol=1, software="scripted", agent=self._agent, last_seq=self._script.last_seq, limits=limits)
        reply.codings.extend(CODINGS)
        self._script.hello(reply)
        return reply

    async def Offer(self, stream: AsyncIterator[pb.OfferBatch], context: Context) -> AsyncIterator[pb.PlanBatch]:  # noqa: N802
        """Answers offers by the script, else by what is held."""
        script = self._script
        async for batch in stream:
            if script.abort is not None:
                code, script.abort = script.abort, None
                await context.abort(code, "as the script says")
            offers = wire.offers_from_pb(batch, Limits())
            script.offered += offers
            yield wire.plans_to_pb(Plan(o.digest, self._answer(o)) for o in offers)
            while script.extra_plans:
                yield script.extra_plans.pop(0)

    def _answer(self, offer: model.Offer) -> Answer:
        if scripted := self._script.plans.get(offer.digest):
            return scripted.pop(0)
        return Have() if offer.digest in self._script.contents else SendWhole(self._script.staged.get(offer.digest))

    async def Upload(self, stream: AsyncIterator[pb.Frame], context: Context) -> AsyncIterator[pb.Receipt]:  # noqa: N802
        """Takes contents; proves and keeps them unless the script refuses."""
        script = self._script
        upload: Any = None
        async for message in stream:
            match wire.frame_from_pb(message, Limits(), agent=SOURCE):
                case Begin() as begin:
                    script.uploaded.append(upload := Arrival(begin))
                case Data(_, data):
                    upload.data += data
                    upload.n_frames += 1
                    if script.cut_after_bytes is not None and len(upload.data) >= script.cut_after_bytes:
                        script.cut_after_bytes = None
                        self._stage(upload)
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
                case Abort():
                    upload.ended = True
                    yield self._receipt(upload, Refusal(RefusalCode.ABORTED))
                case End(coded_digest):
                    upload.ended = True
                    while script.extra_receipts:
                        yield script.extra_receipts.pop(0)
                    scripted = script.uploads.get(upload.begin.version.path)
                    yield self._receipt(upload, scripted.pop(0) if scripted else self._keep(upload, coded_digest))
        if upload is not None and not upload.ended:
            self._stage(upload)

    def _stage(self, upload: Arrival) -> None:
        digest = upload.begin.version.digest
        assert digest is not None
        coded = self._script.partials.get(digest, b"")[: upload.begin.offset] + bytes(upload.data)
        self._script.staged[digest] = Staged(upload.begin.coding, len(coded), digest_of(coded))
        self._script.contents.pop(digest, None)
        self._script.partials[digest] = coded

    def _keep(self, upload: Arrival, coded_digest: Digest) -> Outcome:
        begin = upload.begin
        coded = self._script.partials.get(begin.version.digest or Digest(b""), b"")[: begin.offset] + bytes(upload.data)
        assert digest_of(coded) == coded_digest
        assert len(coded) == begin.coded_bytes
        content = self._decoded(begin, coded)
        digest = begin.version.digest
        if digest != digest_of(content):
            return Refusal(RefusalCode.PROOF_FAILED)
        self._script.contents[digest] = content
        self._script.versions[begin.version.id.seq] = begin.version
        return Stored()

    def _decoded(self, begin: Begin, coded: bytes) -> bytes:
        if begin.base is not None:
            return delta.decode(coded, self._script.contents[begin.base])
        content = io.BytesIO()
        CODINGS[begin.coding].decode(io.BytesIO(coded), content, size=begin.version.size)
        return content.getvalue()

    @staticmethod
    def _receipt(upload: Arrival, outcome: Outcome) -> pb.Receipt:
        return wire.receipt_to_pb(Receipt(upload.begin.version.id.seq, outcome))

    async def Record(self, stream: AsyncIterator[pb.RecordBatch], context: Context) -> AsyncIterator[pb.ReceiptBatch]:  # noqa: N802
        """Records versions whose content is held."""
        del context
        while self._script.extra_records:
            yield self._script.extra_records.pop(0)
        async for batch in stream:
            versions = [version_from_pb(m, agent=SOURCE) for m in batch.versions]
            self._script.recorded += versions
            yield wire.receipts_to_pb(Receipt(v.id.seq, self._record(v)) for v in versions)

    async def Announce(  # noqa: N802
        self, stream: AsyncIterator[pb.AnnouncementBatch], context: Context
    ) -> AsyncIterator[pb.AnnouncedBatch]:
        """Hears everything."""
        del context
        async for batch in stream:
            announcements = wire.announcements_from_pb(batch, Limits(), agent=SOURCE)
            self._script.announced += announcements
            yield wire.announced_to_pb(announcements, [a.version.id.seq for a in announcements])

    def _record(self, version: Version) -> Outcome:
        if scripted := self._script.records.get(version.path):
            return scripted.pop(0)
        if version.digest is not None and version.digest not in self._script.contents:
            return Refusal(RefusalCode.NEED_CONTENT)
        self._script.versions[version.id.seq] = version
        return Stored()


async def serve(script: Script, files: TlsFiles, *, agent: str = "oslo-1", port: int = 0) -> tuple[grpc.aio.Server, int]:
    """Starts a server that plays the script; the server and its port on 127.0.0.1."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_ReplicationServicer_to_server(ScriptedServicer(script, agent=agent), server)
    port = server.add_secure_port(f"127.0.0.1:{port}", server_credentials(files))
    await server.start()
    return server, port
