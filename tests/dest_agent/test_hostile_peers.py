"""Peers that lie, or are not who they should be: each is refused by name, and nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from backports import zstd

from common.ids import digest_of
from common.model import Begin, Data, End, Frame, Have, Offer, Refusal, RefusalCode, SendWhole
from common.pb import admin_pb2, replication_pb2, restore_pb2
from common.wire import replication as wire
from dest_agent import rpc
from tests.contracts.catalogue_contract import version
from tests.dest_agent.conftest import OTHER_SOURCE
from tests.dest_agent.served import Client, config, file_version, frames, refusals, site
from tests.fakes.pki import SOURCE

CONTENT = random.Random(2).randbytes(300_000)
FLAT = b"the same words again and again " * 20_000
V = file_version(1, CONTENT)
BEGIN = Begin(V, "raw", len(CONTENT))
PIECES = frames(V, CONTENT)[1:-1]
END = End(digest_of(CONTENT))
ZSTD = zstd.compress(FLAT)


def lies() -> dict[str, tuple[list[Frame], RefusalCode]]:
    """What may be wrong with a content, and how it is answered."""
    flat = file_version(1, FLAT)
    return {
        "the bytes are others": (frames(replace(V, digest=digest_of(b"other")), CONTENT), RefusalCode.PROOF_FAILED),
        "the coded bytes decode to others": (
            frames(replace(flat, digest=digest_of(b"other")), ZSTD, coding="zstd"),
            RefusalCode.PROOF_FAILED,
        ),
        "the coded bytes decode to more": (
            frames(replace(flat, size=len(FLAT) - 1), ZSTD, coding="zstd"),
            RefusalCode.PROOF_FAILED,
        ),
        "the coded bytes decode to less": (
            frames(replace(flat, size=len(FLAT) + 1), ZSTD, coding="zstd"),
            RefusalCode.PROOF_FAILED,
        ),
        "the coded bytes are noise": (frames(V, CONTENT, coding="zstd"), RefusalCode.PROOF_FAILED),
        "a picture's coding on noise": (frames(V, CONTENT, coding="lepton"), RefusalCode.PROOF_FAILED),
        "a bomb": (frames(file_version(1, b"small"), zstd.compress(bytes(50_000_000)), coding="zstd"), RefusalCode.PROOF_FAILED),
        "the digest at the end is another": ([BEGIN, *PIECES, End(digest_of(b"other"))], RefusalCode.RESTART),
        "the end comes early": ([BEGIN, *PIECES[:-1], END], RefusalCode.RESTART),
        "a gap": ([BEGIN, PIECES[0], PIECES[2], END], RefusalCode.RESTART),
        "a step back": ([BEGIN, PIECES[0], PIECES[0], END], RefusalCode.RESTART),
        "an offset beyond the end": ([BEGIN, Data(1 << 60, b"x"), END], RefusalCode.RESTART),
        "more than announced": ([BEGIN, *PIECES, Data(len(CONTENT), b"x"), END], RefusalCode.INVALID),
        "going on with what is not staged": ([replace(BEGIN, offset=100), Data(100, CONTENT[100:]), END], RefusalCode.RESTART),
        "going on beyond the end": ([replace(BEGIN, offset=len(CONTENT) + 1), END], RefusalCode.INVALID),
        "a coding that nobody knows": (frames(V, CONTENT, coding="rot13"), RefusalCode.INVALID),
        "a coding that is a path": (frames(V, CONTENT, coding="../../x"), RefusalCode.INVALID),
        "raw bytes of another length": ([Begin(V, "raw", len(CONTENT) + 1), *PIECES, END], RefusalCode.INVALID),
        "coded bytes that fill the disk": ([Begin(V, "zstd", 1 << 50), *PIECES, END], RefusalCode.INVALID),
        "a directory with a content": ([Begin(version(1, b"d", None), "raw", 0), End(digest_of(b""))], RefusalCode.INVALID),
        "a content over the limit": ([Begin(replace(V, size=1 << 40), "raw", 1 << 40)], RefusalCode.TOO_LARGE),
        "another begin before the end": ([BEGIN, PIECES[0]], RefusalCode.RESTART),
    }


@pytest.mark.parametrize("lie", lies())
def test_a_lie_is_refused_and_nothing_of_it_stays(lie: str, tmp_path: Path, pki: Path) -> None:
    """The stream goes on: the content after it is stored."""
    said, code = lies()[lie]

    async def scene() -> None:
        async with site(config(tmp_path, pki, content_bytes=1 << 30), pki) as at, at.caller() as client:
            receipts = await client.upload(*said, *frames(file_version(2, b"honest"), b"honest"))
            assert dict(zip([r.seq for r in receipts], refusals(receipts), strict=True)) == {1: code, 2: None}
            assert client.objects() == [f"{digest_of(b'honest').hex()}.raw"]
            assert client.staged() == []
            assert [e.version.seq for e in await client.listed()] == [2]
            async with at.operator() as operator:
                assert (await operator.status()).refusals[code.name] >= 1

    asyncio.run(scene())


def raw_version(**fields: object) -> replication_pb2.Version:
    """A good version with some fields spoilt, as no honest program can say it."""
    m = wire.versions_to_pb([V]).versions[0]
    for name, value in fields.items():
        setattr(m, name, value)
    return m


@pytest.mark.parametrize(
    "fields",
    [
        {"path": b"../escape"},
        {"path": b"/etc/passwd"},
        {"path": b"a/../../b"},
        {"path": b"a//b"},
        {"path": b"a\0b"},
        {"path": b"x" * 256},
        {"path": b"/".join([b"d"] * 600)},
        {"root": ".."},
        {"root": "a/b"},
        {"policy": ""},
        {"policy": "x" * 129},
        {"digest": b"short"},
        {"digest": b""},
        {"kind": 77},
        {"size": 1 << 63},
    ],
    ids=str,
)
def test_a_version_that_breaks_a_rule_is_invalid_and_named(fields: dict[str, object], tmp_path: Path, pki: Path) -> None:
    """On both ways in; a peer must not be able to say what a restore would act on."""
    bad = raw_version(**fields)
    begin = replication_pb2.Frame(begin=replication_pb2.Begin(version=bad, coding="raw", coded_bytes=len(CONTENT)))

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            receipts = await client.upload(begin, *PIECES, END)
            receipts += await client.record(bad, version(2, b"good", None))
            by_seq = [(r.seq, code) for r, code in zip(receipts, refusals(receipts), strict=True)]
            assert sorted(by_seq, key=str) == [(1, RefusalCode.INVALID), (1, RefusalCode.INVALID), (2, None)]
            assert all(r.outcome.reason for r in receipts if isinstance(r.outcome, Refusal))
            assert [e.version.seq for e in await client.listed()] == [2]
            assert client.is_empty()

    asyncio.run(scene())


def test_a_frame_over_the_limit_costs_its_content(tmp_path: Path, pki: Path) -> None:
    """And one over gRPC's own limit the call."""
    wide = os.urandom(300_000)
    v = file_version(1, wide)

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            receipts = await client.upload(Begin(v, "raw", len(wide)), Data(0, wide), End(digest_of(wide)))
            assert refusals(receipts) == [RefusalCode.INVALID]
            assert client.is_empty()

    asyncio.run(scene())


def test_a_sequence_cannot_be_used_twice_for_different_things(tmp_path: Path, pki: Path) -> None:
    """Replaying the same is harmless, rewriting history is not possible."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            assert refusals(await client.upload(*frames(V, CONTENT), *frames(V, CONTENT))) == [None, None]
            forged = file_version(1, b"forged", b"a.jpg")
            assert refusals(await client.upload(*frames(forged, b"forged"))) == [RefusalCode.CONFLICT]
            (entry,) = await client.listed(all_versions=True)
            assert entry.version.digest == digest_of(CONTENT)
            async with at.operator() as operator:
                _, done = await operator.verified()
                assert (done.contents, done.problems, done.orphans) == (1, 0, 1)

    asyncio.run(scene())


def test_knowing_a_digest_gives_no_access_to_another_sources_content(tmp_path: Path, pki: Path) -> None:
    """Not by offer, not by record, not by fetch, not by listing; having the bytes does."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as owner, at.caller(OTHER_SOURCE) as other:
            await owner.upload(*frames(V, CONTENT))
            theirs = replace(V, id=replace(V.id, agent=OTHER_SOURCE))
            (plan,) = await other.offer(Offer(digest_of(CONTENT), len(CONTENT)))
            assert plan.answer == SendWhole()
            assert refusals(await other.record(theirs)) == [RefusalCode.NEED_CONTENT]
            assert await other.fetched(digest_of(CONTENT), source=OTHER_SOURCE) == [RefusalCode.NEED_CONTENT]
            assert await other.fetched(digest_of(CONTENT), source=SOURCE) == [RefusalCode.NEED_CONTENT]
            assert await other.listed() == []
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await other.listed(source=SOURCE)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert refusals(await other.upload(*frames(theirs, CONTENT))) == [None]
            assert await other.fetched(digest_of(CONTENT), source=OTHER_SOURCE) == [CONTENT]
            assert len(owner.objects()) == 1

    asyncio.run(scene())


def test_sources_of_one_namespace_share_contents_and_no_versions(tmp_path: Path, pki: Path) -> None:
    """What the operator configured, and not more."""
    settings = config(tmp_path, pki, sources=[f"{SOURCE}=family", f"{OTHER_SOURCE}=family"])

    async def scene() -> None:
        async with site(settings, pki) as at, at.caller() as owner, at.caller(OTHER_SOURCE) as other:
            await owner.upload(*frames(V, CONTENT))
            (plan,) = await other.offer(Offer(digest_of(CONTENT), len(CONTENT)))
            assert plan.answer == Have()
            assert await other.listed() == []
            assert refusals(await other.record(replace(V, id=replace(V.id, agent=OTHER_SOURCE)))) == [None]
            assert await other.fetched(digest_of(CONTENT), source=OTHER_SOURCE) == [CONTENT]

    asyncio.run(scene())


async def _hello(client: Client) -> None:
    await client.replication.Hello(replication_pb2.HelloRequest(protocols=[1]))


async def _list(client: Client) -> None:
    await client.listed()


async def _fetch(client: Client) -> None:
    assert await client.fetched(digest_of(CONTENT)) == [CONTENT]


async def _status(client: Client) -> None:
    await client.status()


async def _record(client: Client) -> None:
    await client.record(version(1, b"d", None))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("operator", _hello),
        ("operator", _record),
        ("oslo-2", _hello),
        ("oslo-2", _list),
        ("oslo-2", _status),
        (SOURCE, _status),
        (OTHER_SOURCE, _hello),
        (OTHER_SOURCE, _list),
    ],
)
def test_who_has_no_business_with_a_service_is_turned_away(
    name: str, call: Callable[[Client], Awaitable[None]], tmp_path: Path, pki: Path
) -> None:
    """Every certificate here is signed by our authority; the role and the list of sources decide."""

    async def scene() -> None:
        async with site(config(tmp_path, pki, sources=[SOURCE]), pki) as at, at.caller(name) as client:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(client)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert client.is_empty()

    asyncio.run(scene())


def test_a_protocol_of_the_future_is_refused_politely(tmp_path: Path, pki: Path) -> None:
    """The sentence names what each side speaks."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            with pytest.raises(grpc.aio.AioRpcError, match=r"speaks 1, the source 2, 3") as refused:
                await client.replication.Hello(replication_pb2.HelloRequest(protocols=[3, 2]))
            assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION

    asyncio.run(scene())


def test_a_batch_over_the_limit_is_refused(tmp_path: Path, pki: Path) -> None:
    """Memory is not a peer's to spend."""
    batch = replication_pb2.RecordBatch(versions=[raw_version(seq=n, kind=5, digest=b"") for n in range(1, 514)])

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            with pytest.raises(grpc.aio.AioRpcError, match="513") as refused:
                await client.record(*batch.versions)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    asyncio.run(scene())


def test_without_a_certificate_of_ours_there_is_no_conversation(tmp_path: Path, pki: Path) -> None:
    """Neither in plaintext nor with TLS alone."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at:
            address = f"127.0.0.1:{at.port}"
            credentials = grpc.ssl_channel_credentials((pki / "ca.pem").read_bytes())
            options = [("grpc.ssl_target_name_override", "oslo-1")]
            for channel in (grpc.aio.insecure_channel(address), grpc.aio.secure_channel(address, credentials, options=options)):
                async with channel:
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await Client(channel, tmp_path).status()
                    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(scene())


def test_a_half_open_stream_that_comes_to_life_fails_and_harms_nothing(tmp_path: Path, pki: Path) -> None:
    """Two streams at one content: the newer one wins, whatever the older one still says."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as older, at.caller() as newer:
            call = older.replication.Upload()
            for frame in (BEGIN, *PIECES[:2]):
                await call.write(wire.frame_to_pb(frame))
            await older.upload(*frames(file_version(9, b"marker"), b"marker"))
            assert refusals(await newer.upload(*frames(V, CONTENT))) == [None]
            # Its bytes were complete and released: the older stream is then simply an older stream with the same content.
            again = newer.replication.Upload()
            await again.write(wire.frame_to_pb(BEGIN))
            await newer.upload(*frames(file_version(10, b"marker 2"), b"marker 2"))
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await _say_and_listen(call, *PIECES[2:], END)
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
            again.cancel()
            assert await newer.fetched(digest_of(CONTENT)) == [CONTENT]

    asyncio.run(scene())


async def _say_and_listen(call: grpc.aio.StreamStreamCall[replication_pb2.Frame, replication_pb2.Receipt], *said: Frame) -> None:
    for frame in said:
        await call.write(wire.frame_to_pb(frame))
    await call.done_writing()
    async for _ in call:
        pass


def test_the_operators_certificate_reads_everything(tmp_path: Path, pki: Path) -> None:
    """Over the network, where the socket is out of reach."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as source, at.caller("operator") as operator:
            await source.upload(*frames(V, CONTENT))
            assert await operator.fetched(digest_of(CONTENT)) == [CONTENT]
            assert [e.source for e in await operator.listed()] == [SOURCE]
            assert [s.name for s in (await operator.status()).sources] == [SOURCE]
            assert (await operator.verified())[1] == admin_pb2.VerifyDone(contents=1, bytes=len(CONTENT))

    asyncio.run(scene())


def test_a_bad_glob_or_digest_is_an_invalid_argument(tmp_path: Path, pki: Path) -> None:
    """Said in words, not as a crash."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.operator() as operator:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await operator.listed(glob="!x")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async for _ in operator.restore.Fetch(iter([restore_pb2.FetchRequest(source=SOURCE, digest=b"short")])):
                    pass
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    asyncio.run(scene())


def test_frames_of_one_byte_and_of_none_are_a_content_too(tmp_path: Path, pki: Path) -> None:
    """They cost no more than their bytes, and nothing is kept of those without any."""

    async def scene() -> None:
        content = CONTENT[:5000]
        v = file_version(1, content)
        small = [Data(at, content[at : at + 1]) for at in range(len(content))]
        empty = [Data(len(content), b"")] * 3000
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            assert refusals(
                await client.upload(Begin(v, "raw", 5000), Data(0, b""), *small, *empty, End(digest_of(content)))
            ) == [None]
            assert await client.fetched(digest_of(content)) == [content]

    asyncio.run(scene())


def test_one_source_has_only_so_many_calls_at_once(tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over any number of connections; another source, and the first one again once it hangs up, are served."""
    monkeypatch.setattr(rpc, "MAX_CALLS", 3)

    async def scene() -> None:
        async with (
            site(config(tmp_path, pki), pki) as at,
            at.caller() as greedy,
            at.caller() as again,
            at.caller(OTHER_SOURCE) as other,
        ):
            calls = [c.replication.Upload() for c in (greedy, greedy, again)]
            for n, call in enumerate(calls, start=1):
                for frame in frames(file_version(n, b"%d" % n), b"%d" % n):
                    await call.write(wire.frame_to_pb(frame))
                await call.read()
            with pytest.raises(grpc.aio.AioRpcError, match="has 3 calls open") as refused:
                await again.offer(Offer(digest_of(b"x"), 1))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert len(await other.offer(Offer(digest_of(b"x"), 1))) == 1
            await calls[0].done_writing()
            assert await calls[0].read() is grpc.aio.EOF
            assert len(await again.offer(Offer(digest_of(b"x"), 1))) == 1

    asyncio.run(scene())
