"""Members against a scripted destination: deltas offered, wanted, refused, and what the source is told to do then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common import delta
from common.ids import Digest, digest_of
from common.model import DELTA, Announcement, Answer, Have, Refusal, RefusalCode, Role, SendDelta, SendWhole
from source_agent.delta_rows import DeltaStep, Made, Rough
from source_agent.delta_spool import DeltaSpool
from source_agent.deltas import Deltas, Ready
from source_agent.spool import Parcel
from source_agent.states import DeltaState, State
from source_agent.windows import Gate
from tests.fakes.delivering import Delivering, delivering
from tests.fakes.scripted import Script

BASE = bytes(range(256)) * 40
MEMBER = BASE[:5000] + b"something else" + BASE[5000:]
DIGEST = digest_of(MEMBER)
DELTA_OF_IT = delta.encode_best(MEMBER, BASE)
METHOD = delta.described(DELTA_OF_IT)[0]
MADE = Made(digest_of(BASE), METHOD, len(DELTA_OF_IT), digest_of(DELTA_OF_IT))


@dataclass(slots=True)
class Maker:
    """Deltas that are made already; keeps what the sender says of them."""

    folder: Path
    site: Delivering | None = None
    said: list[tuple[str, str]] = field(default_factory=list)

    @property
    def deltas(self) -> Deltas:
        """The journal's."""
        assert self.site is not None
        return Deltas(self.site.tree.journal)

    async def ready(self, *, limit: int, gates: Sequence[Gate]) -> Sequence[Ready]:
        """See DeltaMaker."""
        return self.deltas.ready(limit=limit, gates=gates)

    async def has_unsaid(self) -> bool:
        """See DeltaMaker."""
        return False

    async def unannounced(self, *, limit: int) -> Sequence[Announcement]:
        """See DeltaMaker."""
        return self.deltas.unannounced(limit=limit)

    async def announced(self, target: Digest) -> None:
        """See DeltaMaker."""
        self.deltas.announced(target)

    def parcel(self, ready: Ready) -> Parcel:
        """See DeltaMaker."""
        return DeltaSpool(self.folder).parcel(ready.target, ready.made)

    def stored(self, target: Digest) -> None:
        """See DeltaMaker."""
        self.said.append(("stored", target.hex()))

    async def bad_base(self, ready: Ready, reason: str) -> None:
        """See DeltaMaker; here it falls back at once."""
        del reason
        await self.fall_back(ready.target, "bad_base")

    async def fall_back(self, target: Digest, reason: str) -> None:
        """See DeltaMaker."""
        self.said.append(("fell back", reason))
        self.deltas.advance([DeltaStep(target, DeltaState.FELL_BACK, reason)])

    def wake(self) -> None:
        """See DeltaMaker."""


def with_a_member(
    tmp_path: Path,
    deed: Callable[[Delivering, Maker], None],
    script: Script,
    *,
    rough: bytes = b"",
    kept: bytes = DELTA_OF_IT,
) -> None:
    """Delivers a member whose delta is made, and does a deed afterwards."""
    maker = Maker(tmp_path / "deltas")

    async def play(site: Delivering) -> None:
        maker.site = site
        DeltaSpool(maker.folder).keep(DIGEST, kept)
        (site.tree.folder / "member").write_bytes(MEMBER)
        site.tree.take(b"member")
        journal = site.tree.journal
        with journal.writing() as db:
            journal.assign(db, DIGEST, Role.MEMBER, State.DEFERRED, among=(State.QUEUED,))
        said = Rough(digest_of(BASE), rough) if rough else None
        steps = [DeltaStep(DIGEST, DeltaState.DUE, rough=said), DeltaStep(DIGEST, DeltaState.ENCODED, made=MADE)]
        journal.advance([], deltas=steps)
        async with asyncio.timeout(20):
            await site.deliver()
        deed(site, maker)

    script.hello = lambda reply: reply.methods.extend([METHOD])
    delivering(tmp_path, play, script=script, deltas=maker)


def test_a_delta_is_offered_with_its_base_and_sent_when_it_is_wanted(tmp_path: Path) -> None:
    """Counted as such, and journalled as stored with its receipt."""

    def deed(site: Delivering, maker: Maker) -> None:
        (offer,) = site.script.offered
        assert offer.delta is not None
        assert (offer.delta.base, offer.delta.method, offer.delta.n_bytes) == (digest_of(BASE), METHOD, len(DELTA_OF_IT))
        (upload,) = site.script.uploaded
        assert (upload.begin.coding, upload.begin.base, bytes(upload.data)) == (DELTA, digest_of(BASE), DELTA_OF_IT)
        assert maker.said == [("stored", DIGEST.hex())]
        assert maker.deltas.counts() == {"stored": 1}
        assert site.states() == {"replicated": 1}
        assert site.tools.tally.sent_bytes["deltas"] >= len(DELTA_OF_IT)
        assert site.tools.tally.sent_bytes["whole"] == 0

    with_a_member(tmp_path, deed, Script(plans={DIGEST: [SendDelta()]}, contents={digest_of(BASE): BASE}))


def test_a_member_is_announced_before_its_delta_is_offered(tmp_path: Path) -> None:
    """Once; in a class of its own."""

    def deed(site: Delivering, maker: Maker) -> None:
        (said,) = site.script.announced
        assert (said.version.path, said.base, said.approximation) == (b"member", digest_of(BASE), b"rough")
        assert site.tools.tally.sent_bytes["approximations"] > 0
        assert maker.deltas.counts() == {"stored": 1}

    script = Script(plans={DIGEST: [SendDelta()]}, contents={digest_of(BASE): BASE})
    with_a_member(tmp_path, deed, script, rough=b"rough")


def test_a_destination_that_has_it_is_believed_to_have_the_delta(tmp_path: Path) -> None:
    """The receipt was lost; nothing is made over what may be a delta there."""

    def deed(site: Delivering, maker: Maker) -> None:
        assert site.script.uploaded == []
        assert maker.deltas.counts() == {"stored": 1}

    script = Script(plans={DIGEST: [Have()]}, contents={DIGEST: MEMBER})
    with_a_member(tmp_path, deed, script)


@pytest.mark.parametrize(
    ("plans", "uploads", "reason"),
    [
        ([Refusal(RefusalCode.BAD_BASE)], [], "bad_base"),
        ([Refusal(RefusalCode.INVALID)], [], "invalid"),
        ([SendDelta()], [Refusal(RefusalCode.BAD_BASE)], "bad_base"),
        ([SendDelta()], [Refusal(RefusalCode.PROOF_FAILED)], "proof_failed"),
        ([SendDelta()], [Refusal(RefusalCode.ABORTED)], "aborted"),
        ([SendDelta()], [Refusal(RefusalCode.RESTART)] * 9, "restart"),
    ],
)
def test_a_delta_that_is_refused_concerns_no_version(
    tmp_path: Path, plans: list[Answer], uploads: list[Refusal], reason: str
) -> None:
    """It falls back, and the content goes whole; nothing is quarantined, and no file is looked at again."""

    def deed(site: Delivering, maker: Maker) -> None:
        assert maker.said == [("fell back", reason)]
        assert site.states() == {"replicated": 1}
        assert site.script.holds() == {b"member": MEMBER}
        assert site.script.offered[-1].delta is None
        assert site.looked_again == []

    n_restarts = 4
    script = Script(plans={DIGEST: plans}, uploads={b"member": list(uploads[:n_restarts])}, contents={digest_of(BASE): BASE})
    with_a_member(tmp_path, deed, script)


def test_a_destination_that_wants_the_content_itself_gets_it(tmp_path: Path) -> None:
    """It may know nothing of deltas any more."""

    def deed(site: Delivering, maker: Maker) -> None:
        assert site.script.holds() == {b"member": MEMBER}
        assert maker.deltas.counts() == {"dropped": 1}

    with_a_member(tmp_path, deed, Script(plans={DIGEST: [SendWhole()]}))


def test_a_delta_that_is_damaged_on_our_disk_is_not_believed(tmp_path: Path) -> None:
    """The upload ends without a digest, and the member goes whole."""

    def deed(site: Delivering, maker: Maker) -> None:
        assert maker.said == [("fell back", "aborted")]
        assert site.script.holds() == {b"member": MEMBER}

    script = Script(plans={DIGEST: [SendDelta()]}, contents={digest_of(BASE): BASE})
    with_a_member(tmp_path, deed, script, kept=DELTA_OF_IT[:-1] + b"X")
