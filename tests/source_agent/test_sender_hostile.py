"""A destination that lies, stammers or breaks off: the connection ends with an error, and nothing is believed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from common.errors import PeerError, SmarterError, TransientError
from common.ids import digest_of
from common.model import Plan, Receipt, Refusal, RefusalCode, SendWhole, Staged, Stored
from common.pb import replication_pb2 as pb
from common.wire.replication import plans_to_pb, receipt_to_pb
from tests.fakes.delivering import Delivering, delivering
from tests.fakes.scripted import Script

NOISE = random.Random(1).randbytes(100_000)
STORED = receipt_to_pb(Receipt(1, Stored()))


def ended_by(tmp_path: Path, script: Script) -> SmarterError:
    """The error in which a connection to such a destination ends; what it left in the journal must be true."""
    errors: list[SmarterError] = []

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, b=b"another")
        (site.tree.folder / "d").mkdir()
        site.tree.take(b"d")
        with pytest.raises(SmarterError) as error:
            await site.deliver_once()
        errors.append(error.value)
        undelivered = {d.version.id.seq for d in site.tree.journal.queued(after=0, limit=99)}
        assert {1, 2, 3} - undelivered <= set(site.script.versions), "journalled as delivered what the destination has not"
        await site.deliver()
        assert site.is_delivered(), "and honest again, everything arrives"
        assert set(site.script.versions) == {1, 2, 3}

    delivering(tmp_path, deed, script=script)
    return errors[0]


@pytest.mark.parametrize(
    "receipt",
    [
        receipt_to_pb(Receipt(99, Stored())),
        receipt_to_pb(Receipt(3, Stored())),
        pb.Receipt(seq=1),
        pb.Receipt(seq=1, stored=pb.Stored()),
        pb.Receipt(),
    ],
    ids=["for a number never given", "for what was not uploaded", "without an outcome", "without a proof", "empty"],
)
def test_a_receipt_that_answers_nothing_ends_the_connection(tmp_path: Path, receipt: pb.Receipt) -> None:
    """On an upload stream."""
    assert isinstance(ended_by(tmp_path, Script(extra_receipts=[receipt])), TransientError)


@pytest.mark.parametrize(
    "receipts",
    [
        pb.ReceiptBatch(receipts=[receipt_to_pb(Receipt(99, Stored()))]),
        pb.ReceiptBatch(receipts=[STORED]),
        pb.ReceiptBatch(receipts=[pb.Receipt(seq=3)]),
    ],
    ids=["for a number never given", "for what was only offered", "without an outcome"],
)
def test_a_receipt_for_what_was_not_recorded_ends_the_connection(tmp_path: Path, receipts: pb.ReceiptBatch) -> None:
    """On the record stream: a content that was offered there is not delivered by a word."""
    assert isinstance(ended_by(tmp_path, Script(extra_records=[receipts])), TransientError)


def test_a_content_asked_for_where_there_is_none_is_a_refusal(tmp_path: Path) -> None:
    """A directory has no bytes to send: it is named, and the others go on."""

    async def deed(site: Delivering) -> None:
        (site.tree.folder / "d").mkdir()
        site.tree.take(b"d")
        site.write(a=NOISE)
        await site.deliver()
        assert site.states() == {"quarantined": 1, "replicated": 1}

    delivering(tmp_path, deed, script=Script(records={b"d": [Refusal(RefusalCode.NEED_CONTENT)]}))


def plans(*contents: bytes, staged: Staged | None = None) -> pb.PlanBatch:
    """Plans for contents, wanted or not."""
    return plans_to_pb(Plan(digest_of(content), SendWhole(staged)) for content in contents)


@pytest.mark.parametrize(
    "batch",
    [
        plans(b"never offered"),
        plans(NOISE, b"another", NOISE, b"another"),
        pb.PlanBatch(plans=[pb.Plan(digest=digest_of(NOISE), have=pb.Have())] * 2),
        pb.PlanBatch(plans=[pb.Plan(digest=digest_of(NOISE), refused=pb.Refusal(code=pb.INVALID))] * 2),
        pb.PlanBatch(plans=[pb.Plan(digest=digest_of(NOISE))]),
        pb.PlanBatch(plans=[pb.Plan(digest=b"short", have=pb.Have())]),
        pb.PlanBatch(plans=[pb.Plan()]),
    ],
    ids=["unknown", "send twice", "have it and have it", "refused twice", "no answer", "no digest", "empty"],
)
def test_a_plan_that_makes_no_sense_ends_the_connection(tmp_path: Path, batch: pb.PlanBatch) -> None:
    """Every offer has exactly one plan."""
    assert isinstance(ended_by(tmp_path, Script(extra_plans=[batch])), TransientError)


def test_a_message_over_the_limit_ends_the_connection(tmp_path: Path) -> None:
    """It is not even read."""
    huge = pb.PlanBatch(plans=[pb.Plan(digest=bytes(900_000), have=pb.Have()), pb.Plan(digest=bytes(900_000))])
    script = Script(extra_plans=[huge])
    assert isinstance(ended_by(tmp_path, script), TransientError)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.CANCELLED,
    ],
)
def test_a_call_that_ends_with_any_status_is_an_error_of_ours(tmp_path: Path, code: grpc.StatusCode) -> None:
    """And the next connection delivers."""
    ended_by(tmp_path, Script(abort=code))


def test_a_stream_that_ends_without_a_word_is_no_success(tmp_path: Path) -> None:
    """Silence never is."""
    assert isinstance(ended_by(tmp_path, Script(cut_after_bytes=1)), TransientError)


def sequence_at_the_end(reply: pb.HelloReply) -> None:
    """Numbering on from here would leave the journal without numbers."""
    reply.last_seq = (1 << 63) - 1


def sequence_beyond(reply: pb.HelloReply) -> None:
    """No SQLite integer."""
    reply.last_seq = (1 << 64) - 1


def no_limits(reply: pb.HelloReply) -> None:
    """A destination that takes nothing."""
    reply.ClearField("limits")


def other_protocol(reply: pb.HelloReply) -> None:
    """One that was not asked for."""
    reply.protocol = 77


@pytest.mark.parametrize("change", [sequence_at_the_end, sequence_beyond, no_limits, other_protocol])
def test_a_hello_that_cannot_be_true_is_a_peer_error(tmp_path: Path, change: Callable[[pb.HelloReply], None]) -> None:
    """The journal is not touched by it."""

    async def deed(site: Delivering) -> None:
        site.script.hello = change
        with pytest.raises(PeerError):
            await site.deliver_once()
        site.script.hello = lambda reply: None  # noqa: ARG005 - honest again
        site.write(a=NOISE)
        await site.deliver()
        assert list(site.script.versions) == [1]

    delivering(tmp_path, deed)
