"""`smarter groups` against real agents: what it shows, what the user's word does, and what a review holds back."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from admin_client.cli import run as smarter
from tests.fakes.compare import differences
from tests.fakes.scenes import encoded, scene
from tests.fakes.schemas import check_output
from tests.fakes.sites import SOURCE, Ended, Sites, sites, until

pytestmark = pytest.mark.timeout(400)
"""Deltas are made, on whatever machine this is."""

REVIEW = {"images": {"selection": "review", "review": "1h"}}


def write_trip(folder: Path, seed: int) -> None:
    """A group of three pictures, one of them twice."""
    folder.mkdir()
    shot = scene(seed, (960, 720))
    (folder / "original.jpg").write_bytes(encoded(shot, quality=93))
    (folder / "crop.jpg").write_bytes(encoded(shot.crop((120, 80, 880, 640))))
    (folder / "small.jpg").write_bytes(encoded(shot.resize((480, 360))))
    shutil.copy(folder / "small.jpg", folder / "small copy.jpg")


def run(at: Sites, verb: str, *arguments: str, code: int = 0) -> Ended:
    """One of the verbs, in this process, with the exit code that is expected."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        ended_with = smarter(["groups", verb, "--source", f"unix:{at.folder / f'{SOURCE}.sock'}", *arguments])
    assert ended_with == code, out.getvalue() + err.getvalue()
    return Ended(code, out.getvalue(), err.getvalue())


def ask(at: Sites, verb: str, *arguments: str) -> Any:
    """The JSON of one of the verbs."""
    return run(at, verb, *arguments, "--json").json


def names(picture: dict[str, Any]) -> list[str]:
    """The paths of a picture."""
    return [place["path"] for place in picture["paths"]]


NOT_MEANT = [
    ("show", "999", "no group 999"),
    ("confirm", "9223372036854775807", "no group"),
    ("show", "nowhere.jpg", "nothing that this source has seen"),
    ("show", "f" * 64, "no file of this source"),
    ("show", "../../etc/passwd", "nothing that this source has seen"),
    ("show", "/etc/passwd", "nothing that this source has seen"),
    ("show", "", "is no file"),
    ("pin", "a\x1b[31m\u202e/b", "nothing that this source has seen"),
    ("pin", "x/" * 600, "nothing that this source has seen"),
    ("pin", "notes.txt", "no picture"),
    ("pin", "library/trip", "is no file"),
    ("split", "broken.jpg", "cannot be looked at"),
]


def is_settled(at: Sites) -> bool:
    """Whether the daemon has looked at everything, and nothing but what a review holds back waits."""
    status = at.source_status()
    if not status or not status["last_rescan"] or status["dirty"]:
        return False
    waiting = {"identified", "queued"} if at.policies and "images" in at.policies[0] else {"identified", "queued", "deferred"}
    return not waiting & status["versions_by_state"].keys()


@contextmanager
def settled() -> Iterator[Sites]:
    """Two sites with two groups, and what is in none; all of it delivered."""
    with sites() as at:
        write_trip(at.library / "trip", 1)
        write_trip(at.library / "other", 2)
        (at.library / "other/crop.jpg").unlink()
        (at.library / "alone.png").write_bytes(encoded(scene(3), "PNG"))
        (at.library / "notes.txt").write_text("nothing to see")
        (at.library / "broken.jpg").write_bytes(encoded(scene(4))[:3000])
        at.dest()
        at.source()
        until(lambda: is_settled(at), "everything is delivered", seconds=150)
        yield at


def test_the_user_sees_the_groups() -> None:
    """Largest first; one by its number or by any name of one of its pictures."""
    with settled() as at:
        # list
        groups = ask(at, "list")["groups"]
        assert [(group["pictures"], group["pinned"], group["confirmed"]) for group in groups] == [
            (3, False, False),
            (2, False, False),
        ]
        assert [names(group["representative"]) for group in groups] == [["trip/original.jpg"], ["other/original.jpg"]]
        assert [group["members"] for group in groups] == [[], []]
        assert [len(group["members"]) for group in ask(at, "list", "--candidates", "9")["groups"]] == [2, 1]
        assert len(ask(at, "list", "--single")["groups"]) == 3
        assert len(ask(at, "list", "--limit", "1")["groups"]) == 1
        assert [group["group"] for group in ask(at, "list", "--path", "/other/*.jpg")["groups"]] == [groups[1]["group"]]
        assert len(ask(at, "list", "--policy", "photos")["groups"]) == 2
        assert ask(at, "list", "--policy", "films") == {"groups": []}
        assert ask(at, "list", "--review") == {"groups": []}
        text = run(at, "list").stdout
        assert text.index("library/trip/original.jpg") < text.index("library/other/original.jpg")

        # show, by every name that it has
        shown = ask(at, "show", str(groups[0]["group"]))
        assert names(shown["representative"]) == ["trip/original.jpg"]
        by_name = {names(member)[0]: member for member in shown["members"]}
        assert by_name.keys() == {"trip/crop.jpg", "trip/small copy.jpg"}
        assert names(by_name["trip/small copy.jpg"]) == ["trip/small copy.jpg", "trip/small.jpg"]
        crop = by_name["trip/crop.jpg"]
        assert (crop["relation"], crop["role"], crop["state"]) == ("near", "member", "replicated")
        assert crop["base"]["path"]["path"] == "trip/original.jpg"
        assert crop["inliers"] >= 8
        assert len(crop["base"]["transform"]) == 6
        spelled = [
            "trip/crop.jpg",
            "library/trip/crop.jpg",
            "photos/library/trip/crop.jpg",
            f"{at.library}/trip/../trip/crop.jpg",
        ]
        for name in [*spelled, str(at.library / "trip/small.jpg"), crop["digest"]]:
            assert ask(at, "show", name) == shown

        # the status counts them
        counted = at.source_status()["pictures"]
        assert (counted["pictures"], counted["groups"], counted["members"], counted["unseen"]) == (6, 3, 3, 1)
        assert "3 groups" in at.smarter("status", "--source", f"unix:{at.folder / f'{SOURCE}.sock'}").stdout


def test_the_user_decides_and_saying_it_again_changes_nothing() -> None:
    """Each word is kept, is told back, and what cannot be meant is said in one sentence."""
    with settled() as at:
        for _ in range(2):
            pinned = ask(at, "pin", "trip/small.jpg")
            assert pinned["pinned"]
            assert names(pinned["representative"]) == ["trip/small copy.jpg", "trip/small.jpg"]
            assert {member["relation"] for member in pinned["members"]} == {"near"}
        for _ in range(2):
            alone = ask(at, "split", str(at.library / "trip/crop.jpg"))
            assert (alone["pictures"], alone["confirmed"], names(alone["representative"])) == (1, True, ["trip/crop.jpg"])
        assert ask(at, "show", "trip/original.jpg")["pictures"] == 2
        for _ in range(2):
            assert ask(at, "confirm", str(ask(at, "show", "other/small.jpg")["group"]))["confirmed"]

        for verb, argument, word in NOT_MEANT:
            ended = run(at, verb, argument, code=1)
            assert word in ended.stderr
            assert ended.stderr.rstrip("\n").isprintable()
        run(at, "confirm", "-1", code=2)
        run(at, "confirm", "trip", code=2)
        run(at, "list", "--path", "!", code=1)


def test_a_name_that_means_two_pictures_is_not_guessed_at() -> None:
    """Two roots may have the same path; the answer names both."""
    with sites() as at:
        (at.library / "one").mkdir()
        (at.library / "two").mkdir()
        at.policies = [{"name": name, "roots": [str(at.library / name)]} for name in ("one", "two")]
        at.dial(at.port)
        (at.library / "one/a.jpg").write_bytes(encoded(scene(1)))
        (at.library / "two/a.jpg").write_bytes(encoded(scene(2)))
        at.dest()
        at.source()
        until(lambda: is_settled(at), "everything is delivered", seconds=150)
        ended = run(at, "show", "a.jpg", code=1)
        assert "one/one/a.jpg" in ended.stderr
        assert "two/two/a.jpg" in ended.stderr
        assert ask(at, "show", "one/a.jpg")["group"] != ask(at, "show", "two/two/a.jpg")["group"]


def test_a_review_holds_a_new_group_back_until_the_user_speaks() -> None:
    """Neither representative nor members go before the word; a picture that is like no other does not wait."""
    with sites(policy=REVIEW) as at:
        write_trip(at.library / "trip", 1)
        write_trip(at.library / "other", 2)
        (at.library / "alone.jpg").write_bytes(encoded(scene(3)))
        at.dest()
        at.source()
        until(lambda: is_settled(at), "what may go is delivered", seconds=150)
        assert [e["path"] for e in at.ls() if e["kind"] == "file"] == ["alone.jpg"]
        waiting = ask(at, "list", "--review")["groups"]
        assert [len(group["members"]) for group in waiting] == [2, 2]
        assert all(0 < group["review_left_s"] <= 3600 and group["review_until"] for group in waiting)
        assert all(picture["state"] == "deferred" for group in waiting for picture in group["members"])
        assert "waits for your word" in run(at, "list", "--review").stdout

        ask(at, "pin", "trip/crop.jpg")
        trip = [f"trip/{name}.jpg" for name in ("crop", "original", "small copy", "small")]
        until(lambda: len(at.ls("--path", "/trip/*.jpg")) == len(trip), "the pinned group is delivered", seconds=150)
        of_trip = ask(at, "show", "trip/crop.jpg")
        assert {picture["role"] for picture in of_trip["members"]} == {"member"}
        assert not at.ls("--path", "/other/*.jpg")

        ask(at, "confirm", str(ask(at, "show", "other/crop.jpg")["group"]))
        until(lambda: at.mirrors(at.library), "all is delivered", seconds=150)
        assert ask(at, "list", "--review") == {"groups": []}


@pytest.mark.parametrize("how", ["time", "drain"])
def test_a_review_ends_by_itself(how: str) -> None:
    """When its time is over a single run delivers the group, and with --drain at once."""
    with sites(policy={"images": {"selection": "review", "review": "1s" if how == "time" else "1h"}}) as at:
        write_trip(at.library / "trip", 1)
        at.dest()
        arguments = ("once", "--config", str(at.folder / f"{SOURCE}.yaml"), "--json")
        first = at.start("smarter-source", *arguments).wait()
        assert (first.code, first.json["in_review"]) == (0, 1), first.stderr
        assert [e["path"] for e in at.ls() if e["kind"] == "file"] == []
        if how == "time":
            until(lambda: at.start("smarter-source", *arguments).wait().json["versions"], "the review is over")
        else:
            at.once()
        assert differences(at.library, at.restore()) == []


def test_what_was_seen_is_made_again_from_the_pictures_that_stand() -> None:
    """An index that is lost or spoilt costs a command; groups and the user's word stay, and what comes then finds them."""
    with sites() as at:
        write_trip(at.library / "trip", 1)
        (at.library / "alone.jpg").write_bytes(encoded(scene(3)))
        at.dest()
        at.once()
        (at.library / "alone.jpg").unlink()
        at.once()
        reindex = ("reindex", "--config", str(at.folder / f"{SOURCE}.yaml"))

        running = at.source()
        until(at.source_status, "the daemon answers")
        refused = at.start("smarter-source", *reindex).wait()
        assert (refused.code, "in use by process" in refused.stderr) == (1, True)
        before = ask(at, "pin", "trip/crop.jpg")
        running.stop()

        state = at.journal.parent
        (state / "looks.sqlite").write_bytes(b"not a database")
        done = at.start("smarter-source", *reindex, "--json").wait()
        check_output("smarter-source-reindex", done.json)
        assert done.code == 0, done.stderr
        assert (done.json["pictures"], done.json["lost"]) == (4, 1)
        assert done.json["seconds"] > 0
        assert "4 of 4 pictures looked at" in done.stderr
        assert "4 pictures, 1 of them lost" in at.start("smarter-source", *reindex).wait().stdout

        shot = scene(1, (960, 720))
        (at.library / "trip/tiny.jpg").write_bytes(encoded(shot.resize((320, 240))))
        at.once()
        at.source()
        until(lambda: is_settled(at), "the daemon has looked")
        after = ask(at, "show", "trip/tiny.jpg")
        assert (after["group"], after["pictures"], after["pinned"]) == (before["group"], 4, True)
        assert names(after["representative"]) == ["trip/crop.jpg"]
