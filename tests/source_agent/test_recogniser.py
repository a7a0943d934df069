"""Pictures on real files find their groups, through real workers; and what a crash or a loss leaves is made good."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import ImageOps

from common.errors import ContentError
from common.ids import Digest, digest_of
from common.metrics import FALLBACKS, snapshot
from common.model import Role
from source_agent.deltas import Deltas
from tests.fakes.recognising import Recognising, recognising
from tests.fakes.scenes import encoded, scene

SEA = scene(1, (960, 720))
HILL = scene(2, (960, 720))
ORIGINAL = encoded(SEA, quality=92)
SMALL = encoded(SEA.resize((480, 360)))
MIRRORED = encoded(ImageOps.mirror(SEA), quality=80)
CUT = encoded(SEA.crop((150, 100, 800, 640)))
AGAIN = encoded(SEA, quality=60)
OTHER = encoded(HILL)
RELATED = {"original.jpg": ORIGINAL, "small.jpg": SMALL, "mirrored.jpg": MIRRORED, "cut.jpg": CUT, "again.jpg": AGAIN}
TOGETHER = {frozenset(RELATED), frozenset({"other.jpg"})}


def test_the_richest_goes_first_and_the_others_wait(tmp_path: Path) -> None:
    """A text goes as ever; a stranger stands for itself."""

    async def deed(at: Recognising) -> None:
        await at.land(**RELATED, **{"other.jpg": OTHER, "notes.txt": b"no picture\n" * 99})
        assert at.sets() == TOGETHER
        roles = at.roles()
        assert {name for name, role in roles.items() if role == Role.REPRESENTATIVE} == {"original.jpg", "other.jpg"}
        assert {name for name, state in at.states().items() if state == "deferred"} == RELATED.keys() - {"original.jpg"}
        assert roles["notes.txt"] == Role.NONE

    recognising(tmp_path, deed)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_changes_no_group(tmp_path: Path, seed: int) -> None:
    """One at a time, in any order, across a restart; the first that shows as much as any stands for the group at the end."""
    names = [*RELATED, "other.jpg"]
    random.Random(seed).shuffle(names)
    contents = {**RELATED, "other.jpg": OTHER}

    async def first(at: Recognising) -> None:
        for name in names[:3]:
            await at.land(**{name: contents[name]})

    async def then(at: Recognising) -> None:
        for name in names[3:]:
            await at.land(**{name: contents[name]})
        assert at.sets() == TOGETHER
        (group,) = at.groups.around([digest_of(CUT)])
        first_whole = next(name for name in names if name in {"original.jpg", "mirrored.jpg", "again.jpg"})
        assert group.representative == digest_of(RELATED[first_whole])
        assert at.roles()[first_whole] == Role.REPRESENTATIVE, "it goes at once, whatever went before"

    recognising(tmp_path, first)
    recognising(tmp_path, then)


def test_an_exact_copy_goes_the_way_of_its_content(tmp_path: Path) -> None:
    """Nobody looks at it again."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL})
        await at.land(**{"copy of small.jpg": SMALL, "copy of original.jpg": ORIGINAL})
        assert at.roles() == {
            "original.jpg": Role.REPRESENTATIVE,
            "copy of original.jpg": Role.REPRESENTATIVE,
            "small.jpg": Role.MEMBER,
            "copy of small.jpg": Role.MEMBER,
        }
        assert at.groups.counts() == {
            "pictures": 2,
            "groups": 1,
            "representatives": 1,
            "members": 1,
            "unseen": 0,
            "in_review": 0,
        }

    recognising(tmp_path, deed)


def test_what_cannot_be_looked_at_goes_as_plain_bytes(tmp_path: Path) -> None:
    """It stops no other picture, is counted, and is not tried for every copy."""

    async def deed(at: Recognising) -> None:
        before = snapshot(FALLBACKS)
        broken = b"\x89PNG\r\n\x1a\n" + bytes(500)
        await at.land(**{"original.jpg": ORIGINAL, "broken.png": broken})
        await at.land(**{"copy.png": broken})
        assert at.states() == {"original.jpg": "queued", "broken.png": "queued", "copy.png": "queued"}
        assert at.roles()["broken.png"] == at.roles()["copy.png"] == Role.NONE
        counted = {key: n - before.get(key, 0) for key, n in snapshot(FALLBACKS).items() if key.startswith("features/")}
        assert sum(counted.values()) == 1

    recognising(tmp_path, deed)


def test_a_picture_whose_features_cannot_be_had_stands_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first look is all that there is of it; its copies go its way, and other pictures are placed as ever."""

    async def deed(at: Recognising) -> None:
        look = at.recogniser.workers.look

        async def blind(job: str, contents: Sequence[tuple[int, Digest]]) -> bytes:
            """Cannot see the second picture."""
            if job == "see" and contents[0][1] == digest_of(OTHER):
                raise ContentError("damaged", "it ends early")
            return await look(job, contents)

        monkeypatch.setattr(at.recogniser.workers, "look", blind)
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT, "other.jpg": OTHER, "copy.jpg": OTHER})
        assert at.sets() == {frozenset({"original.jpg", "cut.jpg"}), frozenset({"other.jpg", "copy.jpg"})}
        assert at.roles()["other.jpg"] == at.roles()["copy.jpg"] == Role.REPRESENTATIVE

    recognising(tmp_path, deed)


def test_a_file_that_is_gone_is_looked_for_again(tmp_path: Path) -> None:
    """Its version is given up, and its path dirty."""

    async def deed(at: Recognising) -> None:
        (at.tree.folder / "a.jpg").write_bytes(ORIGINAL)
        at.tree.catch_up()
        (at.tree.folder / "a.jpg").write_bytes(OTHER)
        await at.place()
        assert at.looked_again == [None]
        at.tree.take(b"a.jpg")
        await at.place()
        assert at.states() == {"a.jpg": "queued"}

    recognising(tmp_path, deed)


@pytest.mark.parametrize("lost", [("looks.sqlite",), ("features",), ("looks.sqlite", "features")])
def test_what_was_seen_is_made_again_where_it_is_lost(tmp_path: Path, lost: tuple[str, ...]) -> None:
    """The pictures stand: they are looked at again at the start, and what comes then finds them."""

    async def before(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT})

    async def after(at: Recognising) -> None:
        await at.land(**{"mirrored.jpg": MIRRORED, "other.jpg": OTHER})
        assert at.sets() == {frozenset({"original.jpg", "cut.jpg", "mirrored.jpg"}), frozenset({"other.jpg"})}

    recognising(tmp_path, before)
    for name in lost:
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    recognising(tmp_path, after)


def test_a_picture_that_is_gone_with_all_that_was_seen_of_it_stops_nobody(tmp_path: Path) -> None:
    """It stays what it was to the journal; what comes then finds those of its group that can still be seen."""

    async def before(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT, "small.jpg": SMALL})

    async def after(at: Recognising) -> None:
        await at.land(**{"mirrored.jpg": MIRRORED})
        assert any({"small.jpg", "mirrored.jpg"} <= found for found in at.sets())
        assert at.groups.group_of(digest_of(ORIGINAL)) is not None

    recognising(tmp_path, before)
    (tmp_path / "looks.sqlite").unlink()
    (tmp_path / "library/original.jpg").unlink()
    recognising(tmp_path, after)


def test_pictures_that_were_delivered_before_any_were_compared_are_found_too(tmp_path: Path) -> None:
    """A journal of an earlier program knows pictures without groups: new ones still find them."""

    async def earlier(at: Recognising) -> None:
        (at.tree.folder / "original.jpg").write_bytes(ORIGINAL)
        at.tree.catch_up()
        with at.tree.journal.writing() as db:
            db.execute("UPDATE version SET state = 'replicated', role = 'representative' WHERE digest IS NOT NULL")

    async def now(at: Recognising) -> None:
        await at.land(**{"small.jpg": SMALL})
        assert at.sets() == {frozenset({"original.jpg", "small.jpg"})}
        assert at.roles() == {"small.jpg": Role.MEMBER}

    recognising(tmp_path, earlier)
    recognising(tmp_path, now)


def test_a_review_holds_a_group_back_until_the_user_speaks(tmp_path: Path) -> None:
    """A picture alone goes at once; the second one of its kind waits with what was not sent yet."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL, "other.jpg": OTHER})
        assert at.states() == {"original.jpg": "deferred", "small.jpg": "deferred", "other.jpg": "queued"}
        assert not Deltas(at.tree.journal).waits(), "no idle hour ends a review"
        at.groups.pin(digest_of(SMALL))
        assert at.states() == {"small.jpg": "queued", "original.jpg": "deferred", "other.jpg": "queued"}
        assert at.roles()["small.jpg"] == Role.REPRESENTATIVE
        await at.land(**{"mirrored.jpg": MIRRORED})
        (group,) = at.groups.around([digest_of(MIRRORED)])
        assert group.representative == digest_of(SMALL), "the user's choice stays"
        assert at.states()["mirrored.jpg"] == "deferred"
        assert Deltas(at.tree.journal).waits()

    recognising(tmp_path, deed, review_s=3600)


def test_a_review_ends_by_itself(tmp_path: Path) -> None:
    """Then the richest goes, as without one."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL})
        now_ns = at.tree.clock.now_ns()
        assert at.groups.end_reviews(now_ns + 3599 * 10**9) == 0
        assert at.groups.end_reviews(now_ns + 3601 * 10**9) == 1
        assert at.states() == {"original.jpg": "queued", "small.jpg": "deferred"}

    recognising(tmp_path, deed, review_s=3600)


def test_the_user_takes_a_picture_out_and_nothing_draws_it_back(tmp_path: Path) -> None:
    """It stands for itself from then on; what is like both joins the group."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT})
        made = at.groups.split(digest_of(CUT))
        assert at.states() == {"original.jpg": "queued", "cut.jpg": "queued"}
        await at.land(**{"mirrored.jpg": MIRRORED})
        assert frozenset({"original.jpg", "mirrored.jpg"}) in at.sets()
        assert at.groups.group_of(digest_of(CUT)) == made
        with pytest.raises(ValueError, match="alone"):
            at.groups.split(digest_of(CUT))
        with pytest.raises(KeyError):
            at.groups.split(digest_of(OTHER))

    recognising(tmp_path, deed)
