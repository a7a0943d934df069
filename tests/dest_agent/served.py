"""A whole destination in this process, behind real TLS, and a client that is driven by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from common.config import AdminSection, AgentSection, TlsSection
from common.ids import Digest, VersionId, digest_of
from common.model import Attributes, Begin, Data, End, Frame, Kind, Offer, Plan, Receipt, Refusal, RefusalCode, Version
from common.paths import relpath
from common.pb import admin_pb2, admin_pb2_grpc, replication_pb2, replication_pb2_grpc, restore_pb2, restore_pb2_grpc
from common.tls import channel_credentials
from common.wire import replication as wire
from common.wire.transport import CHANNEL_OPTIONS
from dest_agent.agent import serving
from dest_agent.config import AdmittedSource, DestConfig, DestLimits, StoreSection
from tests.fakes.pki import DEST, SOURCE, tls_files

PIECE_BYTES = 64 * 1024


def config(folder: Path, pki: Path, *, keep: str = "coded", sources: Iterable[str] | None = None, **limits: int) -> DestConfig:
    """A destination's configuration; `sources` are NAME or NAME=NAMESPACE."""
    files = tls_files(pki, DEST)
    return DestConfig(
        version=1,
        agent=AgentSection(name=DEST, state=folder / "state"),
        tls=TlsSection(ca=files.ca, cert=files.cert, key=files.key),
        listen="127.0.0.1:0",
        admin=AdminSection(socket=folder / "dest.sock"),
        store=StoreSection.model_validate({"kind": "files", "path": folder / "store", "keep": keep}),
        sources=None if sources is None else tuple(_admitted(text) for text in sources),
        limits=DestLimits.model_validate({"min_free_bytes": 0, "workers": 1, **limits}),
    )


def _admitted(text: str) -> AdmittedSource:
    name, _, namespace = text.partition("=")
    return AdmittedSource(name=name, namespace=namespace or None)


def file_version(seq: int, content: bytes, path: bytes = b"a.jpg", *, source: str = SOURCE) -> Version:
    """A version of a file."""
    return Version(
        id=VersionId(source, seq),
        policy="photos",
        root="library",
        path=relpath(path),
        kind=Kind.FILE,
        attributes=Attributes(mode=0o644),
        observed_ns=seq,
        digest=digest_of(content),
        size=len(content),
    )


def frames(version: Version, coded: bytes, *, coding: str = "raw", offset: int = 0) -> list[Frame]:
    """A content as an honest source sends it, from `offset` on."""
    pieces = [Data(at, coded[at : at + PIECE_BYTES]) for at in range(offset, len(coded), PIECE_BYTES)]
    return [Begin(version, coding, len(coded), offset), *pieces, End(digest_of(coded))]


@dataclass(frozen=True, slots=True)
class Client:
    """What a peer may say, message by message; and what the site has on disk."""

    channel: grpc.aio.Channel
    folder: Path

    @property
    def replication(self) -> Any:
        """The Replication stub."""
        return replication_pb2_grpc.ReplicationStub(self.channel)

    @property
    def restore(self) -> Any:
        """The Restore stub."""
        return restore_pb2_grpc.RestoreStub(self.channel)

    @property
    def admin(self) -> Any:
        """The Admin stub."""
        return admin_pb2_grpc.AdminStub(self.channel)

    async def upload(self, *said: Frame | replication_pb2.Frame) -> list[Receipt]:
        """The receipts of one stream."""
        messages = [m if isinstance(m, replication_pb2.Frame) else wire.frame_to_pb(m) for m in said]
        return [wire.receipt_from_pb(m) async for m in self.replication.Upload(_each(messages))]

    async def record(self, *versions: Version | replication_pb2.Version) -> list[Receipt]:
        """The receipts of one batch."""
        batch = replication_pb2.RecordBatch()
        for v in versions:
            batch.versions.append(v if isinstance(v, replication_pb2.Version) else wire.versions_to_pb([v]).versions[0])
        return [r async for m in self.replication.Record(_each([batch])) for r in wire.receipts_from_pb(m)]

    async def offer(self, *offers: Offer) -> list[Plan]:
        """The plans of one batch."""
        return [p async for m in self.replication.Offer(_each([wire.offers_to_pb(offers)])) for p in wire.plans_from_pb(m)]

    async def listed(self, **selection: Any) -> list[restore_pb2.Entry]:
        """A listing."""
        request = restore_pb2.ListRequest(selection=restore_pb2.Selection(**selection))
        return [entry async for batch in self.restore.List(request) for entry in batch.entries]

    async def fetched(self, *digests: Digest, source: str = SOURCE) -> list[bytes | RefusalCode]:
        """Of each content its bytes, or why it failed."""
        asked = [restore_pb2.FetchRequest(source=source, digest=digest) for digest in digests]
        found: list[bytes | RefusalCode] = []
        content = b""
        async for frame in self.restore.Fetch(_each(asked)):
            assert frame.digest in (b"", digests[len(found)])
            content += frame.data
            match frame.WhichOneof("end"):
                case "done":
                    found.append(content)
                    content = b""
                case "failed":
                    found.append(wire.refusal_from_pb(frame.failed).code)
                    content = b""
        return found

    async def status(self) -> admin_pb2.DestStatus:
        """The destination's status."""
        reply: admin_pb2.StatusReply = await self.admin.Status(admin_pb2.StatusRequest())
        return reply.dest

    async def verified(self, policy: str = "") -> tuple[list[admin_pb2.VerifyProblem], admin_pb2.VerifyDone]:
        """The problems and the end of a verification."""
        events = [event async for event in self.admin.Verify(admin_pb2.VerifyRequest(policy=policy))]
        return [event.problem for event in events if event.HasField("problem")], events[-1].done

    def objects(self) -> list[str]:
        """The names of all objects."""
        return sorted(path.name for path in (self.folder / "store" / "objects").glob("*/*"))

    def is_empty(self) -> bool:
        """Whether nothing is stored and nothing staged."""
        return not self.objects() and not self.staged()

    def staged(self) -> list[bytes]:
        """What lies in staging."""
        return sorted(path.read_bytes() for path in (self.folder / "store" / "staging").glob("*/*"))


@dataclass(frozen=True, slots=True)
class Site:
    """A destination that answers, and who may call it."""

    port: int
    folder: Path
    pki: Path

    @asynccontextmanager
    async def caller(self, name: str = SOURCE) -> AsyncIterator[Client]:
        """A client with the certificate of `name`."""
        options = [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", DEST)]
        credentials = channel_credentials(tls_files(self.pki, name))
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options) as channel:
            yield Client(channel, self.folder)

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Client]:
        """A client on the admin socket."""
        async with grpc.aio.insecure_channel(f"unix:{self.folder / 'dest.sock'}", options=CHANNEL_OPTIONS) as channel:
            yield Client(channel, self.folder)


@asynccontextmanager
async def site(settings: DestConfig, pki: Path) -> AsyncIterator[Site]:
    """A destination for the length of the block."""
    async with serving(settings) as served:
        yield Site(served.port, settings.agent.state.parent, pki)


async def _each(messages: Iterable[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


def refusals(receipts: Iterable[Receipt]) -> list[RefusalCode | None]:
    """The code of each refusal; None for what is stored."""
    return [r.outcome.code if isinstance(r.outcome, Refusal) else None for r in receipts]
