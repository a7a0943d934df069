"""Every check that the crash tests rely on is shown a program that lies, and must catch it.

Each test states which check that is. A check that stays silent here would stay silent about a real mistake.
"""

from __future__ import annotations

from tests.fakes.compare import differences
from tests.fakes.receipts import broken_recipes, false_receipts, n_replicated
from tests.fakes.sites import sites, until
from tests.fakes.trees import write_library

SABOTAGE = "tests.fakes.sabotaging"


def test_a_receipt_sent_before_the_commit_is_caught() -> None:
    """By the comparison of journal and catalogue; and by the restore, which has nothing to give back."""
    with sites() as at:
        write_library(at.library)
        dest = at.dest(SABOTAGE, "receipt_before_commit")
        once = at.once_started()
        until(lambda: dest.fired and n_replicated(at) > 10, "the source believes the lie")
        dest.kill()
        once.kill()
        lies = false_receipts(at)
        assert lies
        assert "not in the catalogue" in str(lies)
        at.dest()
        at.once()
        assert differences(at.library, at.restore()) != []


def test_a_catalogue_written_before_the_object_is_published_is_caught() -> None:
    """By the proof of every recipe, by `verify` and by the restore, which both end with 30."""
    with sites() as at:
        write_library(at.library)
        for n in range(1, 9):
            # A transaction of links alone shows nothing: kill later, until one of them had a content.
            dest = at.dest(SABOTAGE, "commit_before_publish", "D3", str(n))
            once = at.once_started()
            assert dest.killed() == f"D3 {n}"
            once.kill()
            if broken_recipes(at):
                break
        assert broken_recipes(at) != []
        at.dest()
        at.once()
        assert "is not there" in str(false_receipts(at))
        assert at.verify(code=30)["problems"] != []
        assert differences(at.library, at.restore(code=30)) != []


def test_contents_spoiled_on_the_way_to_a_destination_that_proves_nothing_are_caught() -> None:
    """By the comparison, by `verify` and by the restore; none of them takes the destination's word."""
    with sites() as at:
        write_library(at.library)
        at.dest(SABOTAGE, "no_proof")
        once = at.once_started(SABOTAGE, "corrupt_in_flight")
        assert once.wait().code == 0, "the source believes that all went well"
        assert once.fired.startswith("corrupt_in_flight")
        assert false_receipts(at) != []
        assert broken_recipes(at) != []
        problems = at.verify(code=30)["problems"]
        assert problems != []
        damaged = at.restore(code=30)
        assert len([line for line in differences(at.library, damaged) if "only in" in line]) >= len(problems)


def test_contents_spoiled_on_the_way_are_refused_by_a_destination_that_proves_them() -> None:
    """The same fault against the real program: refused, sent again, and right in the end."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        once = at.once_started(SABOTAGE, "corrupt_in_flight")
        assert once.wait().code == 0
        assert once.fired == "corrupt_in_flight 2"
        assert at.dest_status()["refusals"].get("PROOF_FAILED", 0) >= 1
        assert false_receipts(at) == []
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []


def test_a_delivery_called_replicated_when_its_last_frame_is_sent_is_caught() -> None:
    """By the comparison, after the destination died with the bytes and without the version."""
    with sites() as at:
        write_library(at.library)
        dest = at.dest("tests.fakes.crashing", "D1", "1")
        once = at.once_started(SABOTAGE, "replicated_on_end")
        assert dest.killed() == "D1 1"
        until(lambda: once.fired and n_replicated(at), "the source believes itself")
        once.kill()
        assert false_receipts(at) != []
