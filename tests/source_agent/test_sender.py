"""The sender against a destination over real TLS: what travels, and what each refusal leads to."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, SupportsIndex

import pytest

from common.ids import digest_of
from common.metrics import FALLBACKS, RESUMED_BYTES, snapshot
from common.model import Have, Refusal, RefusalCode, SendWhole, Staged
from common.paths import RelPath
from source_agent.deliveries import Observation
from source_agent.sender import HOLD_S, MOST_RESTARTS
from source_agent.states import State
from tests.fakes import pictures
from tests.fakes.delivering import Delivering, delivering
from tests.fakes.scripted import Outcome, Script
from tests.fakes.working import until

NOISE = random.Random(1).randbytes(3_000_000)
TEXT = b"a line that comes again and again\n" * 3000


def refusing(code: RefusalCode, times: int = 1) -> list[Any]:
    """A script's refusals, of offers, uploads or records."""
    return [Refusal(code, "as the script says")] * times


def test_everything_arrives_and_is_journalled(tmp_path: Path) -> None:
    """Files of every coding, a directory, a link, a deletion; the destination's bytes are the source's."""

    async def deed(site: Delivering) -> None:
        folder = site.tree.folder
        (folder / "d").mkdir()
        (folder / "link").symlink_to("x")
        contents = {b"a.jpg": pictures.jpeg(1, (320, 240)), b"d/text": TEXT, b"noise": NOISE, b"empty": b""}
        for name, content in contents.items():
            (folder / name.decode()).write_bytes(content)
        site.tree.catch_up()
        await site.deliver()
        assert site.is_delivered()
        assert site.script.holds() == contents
        assert {u.begin.version.path: u.begin.coding for u in site.script.uploaded} == {
            b"a.jpg": "lepton",
            b"d/text": "zstd",
            b"noise": "raw",
            b"empty": "raw",
        }
        assert {v.path for v in site.script.recorded} == {b"", b"d", b"link"}
        (folder / "noise").unlink()
        site.tree.catch_up()
        await site.deliver()
        assert (b"noise", "absent") in {(v.path, v.kind) for v in site.script.recorded}
        assert list((tmp_path / "spool").iterdir()) == []

    delivering(tmp_path, deed)


def test_a_content_that_is_held_costs_no_byte(tmp_path: Path) -> None:
    """Neither a copy in the same go, nor one much later, nor one that the destination has from elsewhere."""

    async def deed(site: Delivering) -> None:
        site.script.contents[digest_of(NOISE)] = NOISE
        site.write(a=TEXT, b=TEXT, c=TEXT, known=NOISE)
        await site.deliver()
        assert [u.begin.version.digest for u in site.script.uploaded] == [digest_of(TEXT)]
        assert {v.path for v in site.script.recorded} == {b"a", b"b", b"c", b"known"} - {
            site.script.uploaded[0].begin.version.path
        }
        before, offers = site.script.content_bytes, len(site.script.offered)
        site.write(later=TEXT)
        await site.deliver()
        assert (site.script.content_bytes, len(site.script.offered)) == (before, offers), "not even an offer"
        assert site.tools.tally.exact_duplicates == 4
        assert site.is_delivered()

    delivering(tmp_path, deed)


def test_followers_wait_for_the_first_and_take_its_place_when_it_fails(tmp_path: Path) -> None:
    """The first one's path is refused for good; the next brings the bytes."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, b=NOISE, c=NOISE)
        await site.deliver()
        assert [u.begin.version.path for u in site.script.uploaded] == [b"a", b"b"]
        assert [v.path for v in site.script.recorded] == [b"c"]
        assert site.states() == {"quarantined": 1, "replicated": 2}

    delivering(tmp_path, deed, script=Script(uploads={b"a": refusing(RefusalCode.INVALID)}))


def test_a_content_whose_coding_cannot_be_proved_is_sent_raw(tmp_path: Path) -> None:
    """Counted, and stored all the same."""

    async def deed(site: Delivering) -> None:
        before = snapshot(FALLBACKS).get("zstd/proof_failed", 0)
        site.write(a=TEXT)
        await site.deliver()
        assert [u.begin.coding for u in site.script.uploaded] == ["zstd", "raw"]
        assert site.states() == {"replicated": 1}
        assert snapshot(FALLBACKS)["zstd/proof_failed"] == before + 1

    delivering(tmp_path, deed, script=Script(uploads={b"a": refusing(RefusalCode.PROOF_FAILED)}))


def test_raw_bytes_that_the_source_proved_and_the_destination_cannot_are_named(tmp_path: Path) -> None:
    """The fault is not the file's: sending it round and round would help nobody."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE)
        await site.deliver()
        assert len(site.script.uploaded) == 1
        (named,) = site.tree.journal.quarantined()
        assert named[1].startswith("proof_failed")

    delivering(tmp_path, deed, script=Script(uploads={b"a": refusing(RefusalCode.PROOF_FAILED)}))


def test_restart_begins_at_zero_and_not_for_ever(tmp_path: Path) -> None:
    """Staged bytes that do not fit are not tried again."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE)
        await site.deliver()
        assert len(site.script.uploaded) == 1 + MOST_RESTARTS
        assert all(u.begin.offset == 0 for u in site.script.uploaded[1:])
        assert site.states() == {"replicated": 1}

    script = Script(uploads={b"a": refusing(RefusalCode.RESTART, MOST_RESTARTS)})
    script.staged[digest_of(NOISE)] = Staged("raw", 1000, digest_of(NOISE[:1000]))
    delivering(tmp_path, deed, script=script)


@pytest.mark.parametrize("stage", ["offer", "upload", "record"])
def test_a_full_destination_is_waited_for(tmp_path: Path, stage: str) -> None:
    """Asked again after a while and not before; meanwhile the others go on, and the status says why."""

    async def deed(site: Delivering) -> None:
        clock = site.tree.clock
        site.write(a=NOISE)
        (site.tree.folder / "d").mkdir()
        site.tree.take(b"d")
        site.write(b=b"another")
        delivery = asyncio.create_task(site.deliver())
        await until(lambda: any(due == clock.run_s + HOLD_S for due, _ in clock.sleepers))
        await until(lambda: site.states() == {"queued": 1, "replicated": 2})
        clock.advance(HOLD_S - 1)
        await asyncio.sleep(0.05)
        assert not delivery.done()
        clock.advance(1)
        await delivery
        assert site.states() == {"replicated": 3}

    full = refusing(RefusalCode.NO_SPACE)
    script = Script()
    match stage:
        case "offer":
            script.plans[digest_of(NOISE)] = full
        case "upload":
            script.uploads[b"a"] = full
        case "record":
            script.records[b"d"] = full
    delivering(tmp_path, deed, script=script, clock=lambda tree: tree.clock)


@pytest.mark.parametrize("code", [RefusalCode.TOO_LARGE, RefusalCode.INVALID])
@pytest.mark.parametrize("stage", ["offer", "upload", "record"])
def test_what_is_refused_for_good_is_named_and_stops_nothing_else(tmp_path: Path, code: RefusalCode, stage: str) -> None:
    """With the destination's reason."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, b=b"another")
        (site.tree.folder / "d").mkdir()
        site.tree.take(b"d")
        await site.deliver()
        assert site.states() == {"quarantined": 1, "replicated": 2}
        (named,) = site.tree.journal.quarantined()
        assert (named[0].path, named[1]) == (b"d" if stage == "record" else b"a", f"{code.name.lower()}: as the script says")
        assert len(site.tools.tally.refused) == 1

    refusal, script = refusing(code), Script()
    match stage:
        case "offer":
            script.plans[digest_of(NOISE)] = refusal
        case "upload":
            script.uploads[b"a"] = refusal
        case "record":
            script.records[b"d"] = refusal
    delivering(tmp_path, deed, script=script)


@pytest.mark.parametrize("stage", ["upload", "record"])
def test_a_taken_number_is_replaced(tmp_path: Path, stage: str) -> None:
    """The journal went back in time: the version goes on under a fresh number."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE)
        (site.tree.folder / "d").mkdir()
        site.tree.take(b"d")
        await site.deliver()
        assert site.states() == {"replicated": 2}
        assert sorted(site.script.versions) == ([2, 3] if stage == "upload" else [1, 3])

    conflict = refusing(RefusalCode.CONFLICT)
    script = Script(uploads={b"a": conflict} if stage == "upload" else {}, records={b"d": conflict} if stage == "record" else {})
    delivering(tmp_path, deed, script=script)


def test_numbers_go_on_behind_what_the_destination_remembers(tmp_path: Path) -> None:
    """A lost journal does not use a number twice."""

    async def deed(site: Delivering) -> None:
        await site.deliver()
        site.write(a=b"x")
        await site.deliver()
        assert list(site.script.versions) == [1001]

    delivering(tmp_path, deed, script=Script(last_seq=1000))


def test_a_content_that_the_destination_lost_is_offered_again(tmp_path: Path) -> None:
    """The journal believed it to be held."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE)
        await site.deliver()
        site.script.contents.clear()
        site.write(b=NOISE)
        await site.deliver()
        assert [u.begin.version.path for u in site.script.uploaded] == [b"a", b"b"]
        assert site.is_delivered()

    delivering(tmp_path, deed)


def test_a_file_that_changes_before_it_is_sent_is_looked_at_again(tmp_path: Path) -> None:
    """Nothing of it is stored; its copy elsewhere brings the content."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, b=NOISE)
        (site.tree.folder / "a").write_bytes(NOISE[::-1])
        await site.deliver()
        assert site.states() == {"superseded": 1, "replicated": 1}
        assert site.looked_again
        assert site.tree.journal.dirty() == [(site.tree.root.id, b"a")]
        assert site.script.holds() == {b"b": NOISE}
        site.tree.catch_up()
        await site.deliver()
        assert site.script.holds() == {b"a": NOISE[::-1], b"b": NOISE}

    delivering(tmp_path, deed)


def test_a_version_given_up_while_the_destination_refuses_it_ends_nothing(tmp_path: Path) -> None:
    """The file changes while its refusal is under way."""

    async def deed(site: Delivering) -> None:
        site.write(a=b"one")
        (delivery,) = site.tree.journal.queued(after=0, limit=1)
        v = delivery.version

        class Crossing(list[Outcome]):
            def pop(self, _: SupportsIndex = -1) -> Outcome:
                newer = Observation(delivery.root, RelPath(b"a"), v.kind, v.attributes, 9, b"s", digest_of(b"two"), 3)
                site.tree.journal.record([newer])
                (site.tree.folder / "a").write_bytes(b"two")
                return super().pop()

        site.script.uploads[b"a"] = Crossing(refusing(RefusalCode.TOO_LARGE))
        await site.deliver()
        assert site.states() == {"superseded": 1, "replicated": 1}

    delivering(tmp_path, deed)


def test_an_upload_that_was_cut_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The destination's hint is checked, and then believed."""

    async def deed(site: Delivering) -> None:
        before = snapshot(RESUMED_BYTES)[""]
        site.write(a=NOISE)
        await site.deliver()
        first, second = site.script.uploaded
        assert second.begin.offset == len(first.data) >= 1_000_000
        assert len(first.data) + len(second.data) == len(NOISE)
        assert site.script.holds() == {b"a": NOISE}
        assert snapshot(RESUMED_BYTES)[""] == before + len(first.data)
        assert site.script.hellos == 2

    delivering(tmp_path, deed, script=Script(cut_after_bytes=1_000_000))


@pytest.mark.parametrize(
    "lie",
    [
        Staged("raw", 1000, digest_of(b"not these")),
        Staged("zstd", 1000, digest_of(NOISE[:1000])),
        Staged("raw", 1 << 50, digest_of(NOISE)),
        Staged("no such coding", 0, digest_of(b"")),
    ],
)
def test_a_lying_hint_is_ignored(tmp_path: Path, lie: Staged) -> None:
    """Every byte is sent."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE)
        await site.deliver()
        assert [u.begin.offset for u in site.script.uploaded] == [0]
        assert site.script.holds() == {b"a": NOISE}

    delivering(tmp_path, deed, script=Script(plans={digest_of(NOISE): [SendWhole(lie)]}))


def test_a_destination_that_speaks_fewer_codings_gets_raw(tmp_path: Path) -> None:
    """Only what it can prove."""

    async def deed(site: Delivering) -> None:
        site.script.hello = lambda reply: reply.ClearField("codings")
        site.write(a=TEXT)
        await site.deliver()
        assert [u.begin.coding for u in site.script.uploaded] == ["raw"]

    delivering(tmp_path, deed)


def test_what_was_coded_for_a_content_that_needs_no_upload_any_more_is_cleared(tmp_path: Path) -> None:
    """The receipt was lost in a cut, and the destination has it after all: the spool must not grow with every cut."""

    async def deed(site: Delivering) -> None:
        site.write(a=TEXT)
        (delivery,) = site.tree.journal.queued(after=0, limit=1)
        await site.tools.spool.prepare(delivery)
        site.script.contents[digest_of(TEXT)] = TEXT
        await site.deliver()
        assert site.script.uploaded == []
        assert list((tmp_path / "spool").iterdir()) == []

    delivering(tmp_path, deed, script=Script(plans={digest_of(TEXT): [Have()]}))


def test_every_state_that_a_delivery_ends_in_is_final(tmp_path: Path) -> None:
    """A second run has nothing to do."""

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, b=TEXT)
        await site.deliver()
        uploads, records = len(site.script.uploaded), len(site.script.recorded)
        await site.deliver()
        assert (len(site.script.uploaded), len(site.script.recorded)) == (uploads, records)
        assert set(site.states()) == {State.REPLICATED}

    delivering(tmp_path, deed)
