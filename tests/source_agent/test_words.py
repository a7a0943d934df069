"""The user's word on groups: what it changes, what overtakes it, and what must not stop it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import ContentError
from common.ids import digest_of
from common.model import Match, Role, Sketch
from source_agent.group_views import GroupViews
from source_agent.groups import Placing
from tests.fakes.recognising import Recognising, recognising
from tests.fakes.scenes import encoded, scene

SHOT = scene(1)
ORIGINAL = encoded(SHOT, quality=95)
SMALL = encoded(SHOT.resize((320, 240)))
CUT = encoded(SHOT.crop((60, 40, 560, 420)))
OTHER = encoded(scene(2))


def test_what_stood_for_a_group_in_review_and_never_went_is_a_member(tmp_path: Path) -> None:
    """Else the picture that the user did not choose would count as sent whole at once."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL})
        at.groups.pin(digest_of(SMALL))
        assert at.roles() == {"small.jpg": Role.REPRESENTATIVE, "original.jpg": Role.MEMBER}
        assert at.groups.counts()["representatives"] == 1
        at.groups.pin(digest_of(ORIGINAL))
        assert at.roles() == {"small.jpg": Role.REPRESENTATIVE, "original.jpg": Role.REPRESENTATIVE}, "what goes, goes"

    recognising(tmp_path, deed, review_s=3600)


def test_a_group_that_grows_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A review ends when it was said to end, whatever comes meanwhile."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL})
        ends_ns = at.tree.clock.now_ns() + 3601 * 10**9
        at.tree.clock.advance(600)
        await at.land(**{"cut.jpg": CUT})
        assert at.groups.end_reviews(ends_ns) == 1
        assert at.states() == {"original.jpg": "queued", "small.jpg": "deferred", "cut.jpg": "deferred"}

    recognising(tmp_path, deed, review_s=3600)


def test_a_representative_that_is_taken_out_leaves_the_others_together(tmp_path: Path) -> None:
    """The richest of those stands for them, and nothing that comes draws them back to it."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT, "small.jpg": SMALL})
        at.groups.split(digest_of(ORIGINAL))
        await at.land(**{"smaller.jpg": encoded(SHOT.resize((240, 180)))})
        assert at.groups.group_of(digest_of(CUT)) == at.groups.group_of(digest_of(SMALL))
        assert at.groups.group_of(digest_of(ORIGINAL)) != at.groups.group_of(digest_of(CUT))
        assert at.states()["cut.jpg"] == "queued"

    recognising(tmp_path, deed)


def test_a_word_that_is_said_while_pictures_are_placed_is_not_overwritten(tmp_path: Path) -> None:
    """The round that began before it is done again with the groups as they are."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "cut.jpg": CUT})
        keep = at.groups.keep
        refused: list[bool] = []

        def slow_to_keep(placing: Placing) -> bool:
            if not refused:
                at.groups.split(digest_of(CUT))
            kept = keep(placing)
            refused.append(not kept)
            return kept

        at.groups.keep = slow_to_keep  # type: ignore[method-assign]
        await at.land(**{"small.jpg": SMALL})
        assert refused == [True, False]
        assert at.sets() >= {frozenset({"cut.jpg"})}
        assert at.groups.group_of(digest_of(SMALL)) is not None

    recognising(tmp_path, deed)


def test_what_the_destination_covers_goes_whole_all_the_same_where_the_user_wants_it(tmp_path: Path) -> None:
    """The user knows more than a sketch."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL})
        sketch = Sketch(b"", n_features=999, pixels=999, n_metadata=0)
        assert at.groups.cover(digest_of(ORIGINAL), [Match(digest_of(OTHER), 9, sketch, sd=0.5, inliers=9)])
        assert at.states() == {"original.jpg": "deferred"}
        (seen,) = GroupViews(at.tree.journal, [at.tree.root]).group(1).told
        assert [(match.size, match.inliers) for match in seen.matches] == [(9, 9)]
        at.groups.pin(digest_of(ORIGINAL))
        assert (at.states(), at.roles()) == ({"original.jpg": "queued"}, {"original.jpg": Role.REPRESENTATIVE})

    recognising(tmp_path, deed)


def test_a_start_survives_a_lost_look_at_a_file_that_has_changed(tmp_path: Path) -> None:
    """The version is at the destination, so it cannot be given up; the scan that follows finds the change."""

    async def before(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL})
        with at.tree.journal.writing() as db:
            db.execute("UPDATE version SET state = 'replicated'")

    async def after(at: Recognising) -> None:
        (at.tree.folder / "original.jpg").write_bytes(OTHER)
        told: list[tuple[int, int]] = []
        async with asyncio.timeout(60):
            assert await at.recogniser.take_up(progress=lambda *now: told.append(now)) == 1
        assert told == [(1, 1)]
        await at.land(**{"small.jpg": SMALL})
        assert at.states()["original.jpg"] == "queued"

    recognising(tmp_path, before)
    (tmp_path / "looks.sqlite").unlink()
    recognising(tmp_path, after)


def test_a_picture_that_no_file_has_any_more_is_shown_where_it_was(tmp_path: Path) -> None:
    """It still stands for its group: what was sent is a base of others."""

    async def deed(at: Recognising) -> None:
        await at.land(**{"original.jpg": ORIGINAL, "small.jpg": SMALL, "copy.jpg": SMALL})
        (at.tree.folder / "original.jpg").unlink()
        at.tree.catch_up()
        views = GroupViews(at.tree.journal, [at.tree.root])
        gone, small = views.group(1).told
        assert (gone.files, gone.n_files, str(gone.last_file)) == ((), 0, "photos/library/original.jpg")
        assert [str(file) for file in small.files] == ["photos/library/copy.jpg", "photos/library/small.jpg"]
        with pytest.raises(ContentError, match="nothing that this source has seen"):
            views.called(b"original.jpg")
        assert views.called(b"x", file=bytes(at.tree.folder / "copy.jpg")) == digest_of(SMALL)

    recognising(tmp_path, deed)
