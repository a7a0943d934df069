"""Deltas at a destination: decoded over what it holds before a receipt, kept as such, followed again, and refused where wrong."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from common import delta
from common.ids import Digest, digest_of
from common.metrics import VERIFIED, snapshot
from common.model import DELTA, Begin, Data, DeltaOffer, End, Frame, Have, Offer, Refusal, RefusalCode, SendDelta, Version
from common.pb import replication_pb2
from tests.dest_agent.served import Client, config, file_version, frames, refusals, site

BASE = random.Random(8).randbytes(120_000)
TARGET = BASE[:60_000] + b"a line that was not there" + BASE[60_000:]
MADE = delta.encode_best(TARGET, BASE)
METHOD = delta.described(MADE)[0]
SECOND = BASE + b"and some more"


def delta_frames(version: Version, made: bytes, *, base: bytes = BASE, method: str = METHOD) -> list[Frame]:
    """A delta as an honest source sends it."""
    return [Begin(version, DELTA, len(made), base=digest_of(base), method=method), Data(0, made), End(digest_of(made))]


def offered(content: bytes = TARGET, *, base: bytes = BASE, method: str = METHOD) -> Offer:
    """An offer of a content as a delta."""
    return Offer(digest_of(content), len(content), delta=DeltaOffer(digest_of(base), method, len(MADE)))


def object_path(folder: Path, content: bytes, coding: str) -> Path:
    """Where an object lies."""
    name = digest_of(content).hex()
    return folder / "store" / "objects" / name[:2] / f"{name}.{coding}"


def spoil(path: Path) -> None:
    """Changes one byte in the middle of an object, behind the agent's back."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


async def with_base(client: Client) -> None:
    """The base is there."""
    assert refusals(await client.upload(*frames(file_version(1, BASE, b"base"), BASE))) == [None]


@pytest.mark.parametrize("keep", ["coded", "original"])
def test_a_delta_is_proved_kept_restored_and_verified(keep: str, tmp_path: Path, pki: Path) -> None:
    """Offered, wanted, stored, listed with its method and base; with `keep: original` it is a whole at once."""

    async def scene() -> None:
        async with site(config(tmp_path, pki, keep=keep), pki) as at, at.caller() as client, at.operator() as operator:
            await with_base(client)
            (plan,) = await client.offer(offered())
            assert plan.answer == SendDelta()
            assert refusals(await client.upload(*delta_frames(file_version(2, TARGET, b"target"), MADE))) == [None]
            assert [p.answer for p in await client.offer(offered())] == [Have()]
            assert await client.fetched(digest_of(TARGET), digest_of(BASE)) == [TARGET, BASE]
            problems, done = await operator.verified()
            assert (problems, done.contents, done.problems, done.orphans) == ([], 2, 0, 0)
            (entry,) = await operator.listed(glob="/target")
            kept = (METHOD, digest_of(BASE), len(MADE)) if keep == "coded" else ("raw", b"", len(TARGET))
            assert (entry.coding, entry.base, entry.stored_bytes) == kept
            assert client.staged() == []

    asyncio.run(scene())


def test_hello_names_the_methods_that_are_decoded(tmp_path: Path, pki: Path) -> None:
    """A source sends no other; a whole coding is none."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            reply = await client.replication.Hello(replication_pb2.HelloRequest(protocols=[1]))
            assert METHOD in reply.methods
            assert "raw" not in reply.methods

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("base", "method"), [(b"unknown", METHOD), (TARGET, METHOD), (BASE, "clairvoyance")], ids=["not held", "a delta", "method"]
)
def test_a_base_that_is_none_is_refused_at_the_offer_and_at_the_upload(
    base: bytes, method: str, tmp_path: Path, pki: Path
) -> None:
    """The stream goes on, and nothing of the content is there."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await with_base(client)
            assert refusals(await client.upload(*delta_frames(file_version(2, TARGET, b"target"), MADE))) == [None]
            (plan,) = await client.offer(offered(SECOND, base=base, method=method))
            assert isinstance(plan.answer, Refusal)
            assert plan.answer.code is RefusalCode.BAD_BASE
            made = delta.encode_best(SECOND, base)
            upload = delta_frames(file_version(3, SECOND, b"second"), made, base=base, method=method)
            after = delta_frames(file_version(4, SECOND, b"second"), delta.encode_best(SECOND, BASE))
            assert refusals(await client.upload(*upload, *after)) == [RefusalCode.BAD_BASE, None]
            assert await client.fetched(digest_of(SECOND)) == [SECOND]
            assert client.staged() == []

    asyncio.run(scene())


def test_nobody_learns_or_uses_what_a_stranger_holds(tmp_path: Path, pki: Path) -> None:
    """Without a common namespace another source's content is no base, whether it is there or not."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.caller("porto-1") as stranger:
            await with_base(client)
            plans = await stranger.offer(offered(), offered(base=b"what nobody has"))
            assert len({str(p.answer) for p in plans}) == 1
            version = file_version(1, TARGET, b"target", source="porto-1")
            (receipt,) = await stranger.upload(*delta_frames(version, MADE))
            assert refusals([receipt]) == [RefusalCode.BAD_BASE]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (MADE[:-1], RefusalCode.PROOF_FAILED),
        (MADE[:-9] + bytes([MADE[-9] ^ 1]) + MADE[-8:], RefusalCode.PROOF_FAILED),
        (delta.encode_best(SECOND, BASE), RefusalCode.PROOF_FAILED),
        (delta.encode_best(TARGET, SECOND), RefusalCode.PROOF_FAILED),
        (b"no delta at all", RefusalCode.PROOF_FAILED),
        (b"", RefusalCode.PROOF_FAILED),
    ],
    ids=["short", "flipped", "of another target", "over another base", "noise", "empty"],
)
def test_a_delta_that_does_not_prove_is_refused_and_leaves_nothing(
    made: bytes, code: RefusalCode, tmp_path: Path, pki: Path
) -> None:
    """And is not the base's fault: nothing is alarmed."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await with_base(client)
            before = snapshot(VERIFIED).get("broken", 0)
            frames_of = [f for f in delta_frames(file_version(2, TARGET, b"target"), made) if not isinstance(f, Data) or f.data]
            assert refusals(await client.upload(*frames_of)) == [code]
            assert snapshot(VERIFIED).get("broken", 0) == before
            assert client.staged() == []
            assert len(client.objects()) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_damaged_base_is_alarmed_and_nothing_is_kept_over_it(is_gone: bool, tmp_path: Path, pki: Path) -> None:
    """The source is told that the base is none, and sends the content whole."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await with_base(client)
            path = object_path(tmp_path, BASE, "raw")
            path.unlink() if is_gone else spoil(path)
            before = snapshot(VERIFIED).get("broken", 0)
            (receipt,) = await client.upload(*delta_frames(file_version(2, TARGET, b"target"), MADE))
            assert refusals([receipt]) == [RefusalCode.BAD_BASE]
            assert snapshot(VERIFIED)["broken"] == before + 1
            assert refusals(await client.upload(*frames(file_version(2, TARGET, b"target"), TARGET))) == [None]
            assert await client.fetched(digest_of(TARGET), digest_of(BASE)) == [TARGET, RefusalCode.PROOF_FAILED]

    asyncio.run(scene())


def test_damage_is_found_in_the_delta_and_in_its_base_and_never_restored(tmp_path: Path, pki: Path) -> None:
    """A broken base breaks what is over it, and both are named; a whole that comes heals the target."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.operator() as operator:
            await with_base(client)
            await client.upload(*delta_frames(file_version(2, TARGET, b"target"), MADE))
            spoil(object_path(tmp_path, TARGET, f"{DELTA}{digest_of(BASE).hex()}"))
            assert await broken(operator) == {digest_of(TARGET)}
            assert await client.fetched(digest_of(TARGET), digest_of(BASE)) == [RefusalCode.PROOF_FAILED, BASE]
            spoil(object_path(tmp_path, BASE, "raw"))
            assert await broken(operator) == {digest_of(TARGET), digest_of(BASE)}
            assert refusals(await client.upload(*frames(file_version(3, TARGET, b"again"), TARGET))) == [None]
            assert await broken(operator) == {digest_of(BASE)}
            assert await client.fetched(digest_of(TARGET)) == [TARGET]

    asyncio.run(scene())


async def broken(operator: Client) -> set[Digest]:
    """What a verification finds."""
    problems, _ = await operator.verified()
    return {Digest(problem.digest) for problem in problems}


def test_a_broken_upload_of_a_delta_goes_on_where_it_was(tmp_path: Path, pki: Path) -> None:
    """The hint is given to whoever offers a delta, and to no other offer."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            await with_base(client)
            version, half = file_version(2, TARGET, b"target"), len(MADE) // 2
            begin = Begin(version, DELTA, len(MADE), base=digest_of(BASE), method=METHOD)
            assert await client.upload(begin, Data(0, MADE[:half])) == []
            (whole, again) = await client.offer(Offer(digest_of(TARGET), len(TARGET)), offered())
            assert "staged=None" in str(whole.answer)
            assert isinstance(again.answer, SendDelta)
            assert again.answer.staged is not None
            assert again.answer.staged.n_bytes == half
            rest = Begin(version, DELTA, len(MADE), half, digest_of(BASE), METHOD)
            assert refusals(await client.upload(rest, Data(half, MADE[half:]), End(digest_of(MADE)))) == [None]
            assert await client.fetched(digest_of(TARGET)) == [TARGET]

    asyncio.run(scene())


def test_a_begin_that_is_half_a_delta_breaks_the_rules() -> None:
    """A delta has a base, and nothing else has one."""
    version = file_version(1, TARGET)
    for coding, base in ((DELTA, None), ("raw", digest_of(BASE))):
        with pytest.raises(ValueError, match="base"):
            Begin(version, coding, 5, base=base)


def test_the_objects_of_a_delta_and_its_base_are_no_orphans(tmp_path: Path, pki: Path) -> None:
    """A second delta, over another base, is one: the first recipe stays."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client, at.operator() as operator:
            await with_base(client)
            assert refusals(await client.upload(*frames(file_version(2, SECOND, b"second"), SECOND))) == [None]
            other = delta.encode_best(TARGET, SECOND)
            for seq, made, base in ((3, MADE, BASE), (4, other, SECOND)):
                upload = delta_frames(file_version(seq, TARGET, b"target%d" % seq), made, base=base)
                assert refusals(await client.upload(*upload)) == [None]
            problems, done = await operator.verified()
            assert (problems, done.orphans) == ([], 1)
            assert len(client.objects()) == 4

    asyncio.run(scene())
