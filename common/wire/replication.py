"""The messages of the Replication service to and from the model."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from common.ids import digest_from
from common.model import (
    Abort,
    Announcement,
    Answer,
    Begin,
    Covered,
    Data,
    DeltaOffer,
    End,
    Frame,
    Have,
    Limits,
    Match,
    Offer,
    Plan,
    Proved,
    Receipt,
    Refusal,
    RefusalCode,
    SendDelta,
    SendWhole,
    Sketch,
    Staged,
    Stored,
    Version,
)
from common.paths import printable
from common.pb import replication_pb2 as pb
from common.wire.versions import MAX_SEQ, version_from_pb, version_to_pb

PROTOCOLS = (1,)
"""Protocol numbers that this program speaks, newest first."""

MAX_SKETCH_BYTES = 4 * 1024
"""Of the features in a sketch."""
MAX_COUNT = 0xFFFF
"""Of features, of metadata, of points that agree."""
MAX_MATCHES = 8
MAX_APPROXIMATION_BYTES = 512
MAX_CODING_CHARS = 32
"""Of the name of a coding, or of a delta's method."""
_CODE_TO_PB = {
    RefusalCode.PROOF_FAILED: pb.PROOF_FAILED,
    RefusalCode.NEED_CONTENT: pb.NEED_CONTENT,
    RefusalCode.NO_SPACE: pb.NO_SPACE,
    RefusalCode.TOO_LARGE: pb.TOO_LARGE,
    RefusalCode.INVALID: pb.INVALID,
    RefusalCode.CONFLICT: pb.CONFLICT,
    RefusalCode.RESTART: pb.RESTART,
    RefusalCode.ABORTED: pb.ABORTED,
    RefusalCode.BAD_BASE: pb.BAD_BASE,
}
_CODE_FROM_PB = {number: code for code, number in _CODE_TO_PB.items()}
_PROVED_TO_PB = {Proved.CONTENT: pb.CONTENT, Proved.ENVELOPE: pb.ENVELOPE}
_PROVED_FROM_PB = {number: proved for proved, number in _PROVED_TO_PB.items()}


def offers_to_pb(offers: Iterable[Offer]) -> pb.OfferBatch:
    """The message of a batch of offers."""
    return pb.OfferBatch(offers=map(_offer_to_pb, offers))


def offers_from_pb(m: pb.OfferBatch, limits: Limits) -> list[Offer]:
    """A batch of offers from a message. Errors: ValueError."""
    _batch(len(m.offers), limits)
    return [_offer_from_pb(o) for o in m.offers]


def _offer_to_pb(o: Offer) -> pb.Offer:
    delta = None if o.delta is None else pb.DeltaOffer(base=o.delta.base, method=o.delta.method, bytes=o.delta.n_bytes)
    return pb.Offer(digest=o.digest, size=o.size, sketch=_sketch_to_pb(o.sketch), delta=delta)


def _offer_from_pb(m: pb.Offer) -> Offer:
    if m.size > MAX_SEQ:
        raise ValueError("an offer's size is over the limit")
    sketch = sketch_from_pb(m.sketch) if m.HasField("sketch") else None
    return Offer(digest_from(m.digest), m.size, sketch, _delta_from_pb(m.delta) if m.HasField("delta") else None)


def _delta_from_pb(m: pb.DeltaOffer) -> DeltaOffer:
    if m.bytes > MAX_SEQ or not 0 < len(m.method) <= MAX_CODING_CHARS:
        raise ValueError("a delta's size or method is over the limit")
    return DeltaOffer(digest_from(m.base), m.method, m.bytes)


def _sketch_to_pb(sketch: Sketch | None) -> pb.Sketch | None:
    if sketch is None:
        return None
    s = sketch
    return pb.Sketch(features=s.features, n_features=s.n_features, pixels=s.pixels, n_metadata=s.n_metadata)


def sketch_from_pb(m: pb.Sketch) -> Sketch:
    """A sketch from a message; its features stay bytes: whoever compares them reads them. Errors: ValueError."""
    if len(m.features) > MAX_SKETCH_BYTES:
        raise ValueError(f"a sketch of {len(m.features)} bytes: at most {MAX_SKETCH_BYTES} are taken")
    if max(m.n_features, m.n_metadata) > MAX_COUNT or m.pixels > MAX_SEQ:
        raise ValueError("a sketch's features, pixels or metadata are over the limit")
    return Sketch(m.features, m.n_features, m.pixels, m.n_metadata)


def plans_to_pb(plans: Iterable[Plan]) -> pb.PlanBatch:
    """The message of a batch of plans."""
    return pb.PlanBatch(plans=[_plan_to_pb(p) for p in plans])


def plans_from_pb(m: pb.PlanBatch) -> list[Plan]:
    """A batch of plans from a message. Errors: ValueError; a plan answers an offer, so there are no more than offers go out."""
    _batch(len(m.plans), Limits())
    return [Plan(digest_from(p.digest), _answer_from_pb(p)) for p in m.plans]


def _plan_to_pb(plan: Plan) -> pb.Plan:
    match plan.answer:
        case Have():
            return pb.Plan(digest=plan.digest, have=pb.Have())
        case SendWhole(staged):
            return pb.Plan(digest=plan.digest, send_whole=pb.SendWhole(staged=_staged_to_pb(staged)))
        case SendDelta(staged):
            return pb.Plan(digest=plan.digest, send_delta=pb.SendDelta(staged=_staged_to_pb(staged)))
        case Covered(matches):
            return pb.Plan(digest=plan.digest, covered=pb.Covered(matches=[match_to_pb(one) for one in matches[:MAX_MATCHES]]))
        case Refusal() as refusal:
            return pb.Plan(digest=plan.digest, refused=refusal_to_pb(refusal))


def match_to_pb(match: Match) -> pb.Match:
    """The message of a match."""
    sketch = _sketch_to_pb(match.sketch)
    return pb.Match(digest=match.digest, size=match.size, sketch=sketch, sd=match.sd, inliers=match.inliers)


def _match_from_pb(m: pb.Match) -> Match:
    if m.size > MAX_SEQ or m.inliers > MAX_COUNT:
        raise ValueError("a match's size or inliers are over the limit")
    if not 0 <= m.sd <= 1:
        raise ValueError(f"a match of similarity degree {m.sd}: it lies between 0 and 1")
    return Match(digest_from(m.digest), m.size, sketch_from_pb(m.sketch), m.sd, m.inliers)


def _covered_from_pb(m: pb.Covered) -> Covered:
    if len(m.matches) > MAX_MATCHES:
        raise ValueError(f"a plan with {len(m.matches)} matches: at most {MAX_MATCHES} are taken")
    return Covered(tuple(_match_from_pb(one) for one in m.matches))


def _staged_to_pb(staged: Staged | None) -> pb.Staged | None:
    if staged is None:
        return None
    return pb.Staged(coding=staged.coding, bytes=staged.n_bytes, prefix_digest=staged.prefix_digest)


def _staged_from_pb(m: pb.SendWhole | pb.SendDelta) -> Staged | None:
    if not m.HasField("staged"):
        return None
    return Staged(m.staged.coding[:MAX_CODING_CHARS], m.staged.bytes, digest_from(m.staged.prefix_digest))


def _answer_from_pb(m: pb.Plan) -> Answer:
    match m.WhichOneof("answer"):
        case "have":
            return Have()
        case "send_whole":
            return SendWhole(_staged_from_pb(m.send_whole))
        case "send_delta":
            return SendDelta(_staged_from_pb(m.send_delta))
        case "covered":
            return _covered_from_pb(m.covered)
        case "refused":
            return refusal_from_pb(m.refused)
        case _:
            raise ValueError("a plan without an answer")


def refusal_to_pb(refusal: Refusal) -> pb.Refusal:
    """The message of a refusal."""
    return pb.Refusal(code=_CODE_TO_PB[refusal.code], reason=refusal.reason[:500])


def refusal_from_pb(m: pb.Refusal) -> Refusal:
    """A refusal from a message; a code that this program does not know counts as INVALID, which is never retried."""
    return Refusal(_CODE_FROM_PB.get(m.code, RefusalCode.INVALID), printable(m.reason[:500]))


def frame_to_pb(frame: Frame) -> pb.Frame:
    """The message of one frame."""
    match frame:
        case Data(offset, data):
            return pb.Frame(data=pb.Data(offset=offset, data=data))
        case Begin(version, coding, coded_bytes, offset, base, method):
            v = version_to_pb(version)
            begin = pb.Begin(version=v, coding=coding, coded_bytes=coded_bytes, offset=offset, base=base or b"", method=method)
            return pb.Frame(begin=begin)
        case End(coded_digest):
            return pb.Frame(end=pb.End(coded_digest=coded_digest))
        case Abort():
            return pb.Frame(abort=pb.Abort())


def frame_from_pb(m: pb.Frame, limits: Limits, *, agent: str) -> Frame:
    """One frame from a message. Errors: ValueError naming what breaks a limit or a rule."""
    match m.WhichOneof("part"):
        case "data":
            if len(m.data.data) > limits.frame_bytes:
                raise ValueError(f"a frame of {len(m.data.data)} bytes: at most {limits.frame_bytes} are taken")
            return Data(m.data.offset, m.data.data)
        case "begin":
            b = m.begin
            if max(b.coded_bytes, b.offset) > MAX_SEQ or max(len(b.coding), len(b.method)) > MAX_CODING_CHARS:
                raise ValueError("an upload's size, offset, coding or method is over the limit")
            base = digest_from(b.base) if b.base else None
            return Begin(version_from_pb(b.version, agent=agent), b.coding, b.coded_bytes, b.offset, base, b.method)
        case "end":
            return End(digest_from(m.end.coded_digest))
        case "abort":
            return Abort()
        case _:
            raise ValueError("a frame without a part")


def receipt_to_pb(receipt: Receipt) -> pb.Receipt:
    """The message of a receipt."""
    match receipt.outcome:
        case Stored(proved):
            return pb.Receipt(seq=receipt.seq, stored=pb.Stored(proved=_PROVED_TO_PB[proved]))
        case Refusal() as refusal:
            return pb.Receipt(seq=receipt.seq, refused=refusal_to_pb(refusal))


def receipt_from_pb(m: pb.Receipt) -> Receipt:
    """A receipt from a message. Errors: ValueError where it neither stores nor refuses: silence is never success."""
    match m.WhichOneof("outcome"):
        case "stored" if m.stored.proved in _PROVED_FROM_PB:
            return Receipt(m.seq, Stored(_PROVED_FROM_PB[m.stored.proved]))
        case "refused":
            return Receipt(m.seq, refusal_from_pb(m.refused))
        case _:
            raise ValueError("a receipt without an outcome")


def versions_to_pb(versions: Iterable[Version]) -> pb.RecordBatch:
    """The message of a batch of versions to record."""
    return pb.RecordBatch(versions=[version_to_pb(v) for v in versions])


def versions_from_pb(m: pb.RecordBatch, limits: Limits, *, agent: str) -> list[Version]:
    """A batch of versions of `agent` from a message. Errors: ValueError."""
    _batch(len(m.versions), limits)
    return [version_from_pb(v, agent=agent) for v in m.versions]


def receipts_to_pb(receipts: Iterable[Receipt]) -> pb.ReceiptBatch:
    """The message of a batch of receipts."""
    return pb.ReceiptBatch(receipts=[receipt_to_pb(r) for r in receipts])


def receipts_from_pb(m: pb.ReceiptBatch) -> list[Receipt]:
    """A batch of receipts from a message. Errors: ValueError, as in `plans_from_pb`."""
    _batch(len(m.receipts), Limits())
    return [receipt_from_pb(r) for r in m.receipts]


def announcements_to_pb(announcements: Iterable[Announcement]) -> pb.AnnouncementBatch:
    """The message of a batch of announcements."""
    each = [pb.Announcement(version=version_to_pb(a.version), base=a.base, approximation=a.approximation) for a in announcements]
    return pb.AnnouncementBatch(announcements=each)


def announcements_from_pb(m: pb.AnnouncementBatch, limits: Limits, *, agent: str) -> list[Announcement]:
    """A batch of announcements of `agent` from a message. Errors: ValueError."""
    _batch(len(m.announcements), limits)
    return [_announcement_from_pb(a, agent=agent) for a in m.announcements]


def _announcement_from_pb(m: pb.Announcement, *, agent: str) -> Announcement:
    if len(m.approximation) > MAX_APPROXIMATION_BYTES:
        raise ValueError(f"an approximation of {len(m.approximation)} bytes: at most {MAX_APPROXIMATION_BYTES} are taken")
    version = version_from_pb(m.version, agent=agent)
    if version.digest is None:
        raise ValueError(f"kind: a {version.kind} has no content to be announced")
    return Announcement(version, digest_from(m.base), m.approximation)


def announced_to_pb(announcements: Iterable[Announcement], kept: Collection[int]) -> pb.AnnouncedBatch:
    """The message that answers a batch of announcements."""
    seqs = [a.version.id.seq for a in announcements]
    return pb.AnnouncedBatch(kept=[s for s in seqs if s in kept], refused=[s for s in seqs if s not in kept])


def announced_from_pb(m: pb.AnnouncedBatch) -> list[int]:
    """The sequences that were answered: what is refused is only not kept. Errors: ValueError, as in `plans_from_pb`."""
    _batch(len(m.kept) + len(m.refused), Limits())
    return [*m.kept, *m.refused]


def limits_to_pb(limits: Limits) -> pb.Limits:
    """The message of a destination's limits."""
    return pb.Limits(frame_bytes=limits.frame_bytes, batch=limits.batch, content_bytes=limits.content_bytes)


def limits_from_pb(m: pb.Limits) -> Limits:
    """The limits a destination named, never above what this program would send anyway. Errors: ValueError on nonsense."""
    own = Limits()
    if not m.frame_bytes or not m.batch:
        raise ValueError("the destination named no limits")
    return Limits(min(m.frame_bytes, own.frame_bytes), min(m.batch, own.batch), m.content_bytes)


def _batch(n: int, limits: Limits) -> None:
    if n > limits.batch:
        raise ValueError(f"a batch of {n}: at most {limits.batch} are taken")
