"""Restoring against resistance: what stands in the way, what is false, and what was cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from admin_client.cli import run
from admin_client.comparison import differences
from admin_client.report import RestoreReport
from common import durable
from common.errors import ExitCode, PeerError, SmarterError
from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Version
from common.paths import RelPath
from tests.fakes.destination import FakeDestination

Restore = Callable[..., RestoreReport]


def test_what_stands_in_the_way_is_refused_and_named(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """Other bytes, a link, a directory: all stay; the rest is restored; the exit code says in part."""
    destination.hold(library)
    (target / "a" / "dangling").mkdir(parents=True)
    (target / "a" / "photo.jpg").write_text("mine")
    (target / "a" / "none").symlink_to("elsewhere")
    report = bring_back()
    assert report.exit_code() is ExitCode.PARTIAL
    assert sorted(path for path, _ in report.refused) == ["a/dangling", "a/none", "a/photo.jpg"]
    assert (target / "a" / "photo.jpg").read_text() == "mine"
    assert (target / "a" / "b" / "again.jpg").read_bytes() == (library / "a" / "photo.jpg").read_bytes()
    assert os.readlink(target / "a" / "none") == "elsewhere"


def test_overwrite_replaces_all_but_directories(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """A file or link gives way, to a directory too; a directory does not give way to a link."""
    destination.hold(library)
    target.mkdir()
    (target / "a").write_text("a file where a directory was")
    (target / "empty").symlink_to(library)
    (target / "sparse").symlink_to(library / "sparse")
    report = bring_back(overwrite=True)
    assert report.exit_code() is ExitCode.OK
    assert differences(library, target) == []
    (target / "a" / "out").unlink()
    (target / "a" / "out").mkdir()
    report = bring_back(overwrite=True)
    assert report.refused == [("a/out", "a directory stands there")]


def test_overwrite_gives_unchanged_bytes_their_attributes_back(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """A mode or a time that was changed since is as it was."""
    destination.hold(library)
    bring_back()
    (target / "sparse").chmod(0o777)
    os.utime(target / "sparse")
    bring_back(overwrite=True)
    assert differences(library, target) == []


def test_a_planted_link_leads_nowhere(library: Path, destination: FakeDestination, target: Path, bring_back: Restore) -> None:
    """A symbolic link in place of a directory is not followed, and what would lie below is refused."""
    outside = target.parent / "outside"
    outside.mkdir()
    destination.hold(library)
    target.mkdir()
    (target / "a").symlink_to(outside)
    report = bring_back()
    assert report.exit_code() is ExitCode.PARTIAL
    assert list(outside.iterdir()) == []
    assert {path for path, _ in report.refused} >= {"a", "a/photo.jpg", "a/pipe"}


def test_a_restored_link_is_not_followed_by_what_comes_after(
    destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """A hostile destination that lists a link and then files below it writes nothing outside."""
    outside = target.parent / "outside"
    outside.mkdir()
    attributes = Attributes(mode=0o644, target=os.fsencode(outside))
    link = Version(VersionId("lisbon-1", 1), "photos", "library", RelPath(b"x"), Kind.SYMLINK, attributes, observed_ns=1)
    destination.put(link)
    below = replace(
        link, path=RelPath(b"x/evil"), kind=Kind.FILE, attributes=Attributes(mode=0o644), digest=digest_of(b"!"), size=1
    )
    destination.put(below, b"!")
    report = bring_back()
    assert [path for path, _ in report.refused] == ["x/evil"]
    assert list(outside.iterdir()) == []


def test_bytes_that_are_not_their_digest_leave_no_file(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """Changed on the way, too many, too few, or damaged at the destination: named, exit code 30, the others restored."""
    destination.hold(library)
    by_path = {v.path: v for v in destination.versions if v.digest}
    for n, content in enumerate((b"other bytes", b"y" * 5000, b"")):
        version = replace(by_path[RelPath(b"a/none")], path=RelPath(b"false%d" % n), size=11, digest=digest_of(b"claimed%d" % n))
        destination.put(version)
        assert version.digest is not None
        destination.contents[version.digest] = content
    damaged = by_path[RelPath(b"sparse")].digest
    assert damaged is not None
    destination.broken.add(damaged)
    report = bring_back()
    assert report.exit_code() is ExitCode.INTEGRITY
    assert sorted(path for path, _ in report.damaged) == ["false0", "false1", "false2", "sparse"]
    assert not any((target / path).exists() for path, _ in report.damaged)
    assert report.files == 4
    assert not list(target.rglob(".smarter-*"))


def test_a_hard_link_whose_first_name_is_damaged_is_not_lost(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """A refused first name leaves the other names a file of their own."""
    destination.hold(library)
    for name in ("x1", "x2"):
        (library / "a" / name).hardlink_to(library / "a" / "photo.jpg")
    destination.versions.clear()
    destination.hold(library)
    (target / "a").mkdir(parents=True)
    first = next(v.path for v in destination.versions if v.attributes.hardlink)
    (target / os.fsdecode(first)).parent.mkdir(exist_ok=True)
    (target / os.fsdecode(first)).mkdir()
    report = bring_back()
    assert len(report.refused) == 1
    names = [target / "a" / n for n in ("photo.jpg", "x1", "x2")] + [target / "a" / "b" / "again.jpg"]
    assert len({path.stat().st_ino for path in names if path.is_file()}) == 1
    assert report.hardlinks == 2


def test_part_files_of_a_crashed_restore_are_swept(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """Only names of our own form go; whatever else begins alike stays."""
    destination.hold(library)
    (target / "a").mkdir(parents=True)
    (target / "a" / ".smarter-0123456789abcdef.part").write_text("half")
    (target / ".smarter-0123456789abcdef.part").write_text("half")
    (target / ".smarter-notes.part").write_text("mine")
    bring_back()
    assert [path.name for path in target.rglob(".smarter-*")] == [".smarter-notes.part"]


def test_a_directory_with_the_name_of_a_part_file_stops_nothing(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """Backed up, restored, and met by a second restore, which keeps it and what is in it."""
    odd = library / ".smarter-0123456789abcdef.part"
    odd.mkdir()
    (odd / ".smarter-fedcba9876543210.part").write_text("a user's file of such a name")
    destination.hold(library)
    for _ in range(2):
        assert bring_back().exit_code() is ExitCode.OK
        assert differences(library, target) == []


@pytest.mark.parametrize("name", ["../outside", "{absolute}", "..", "", "a\nb"])
def test_a_root_whose_name_leads_elsewhere_ends_the_restore(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore, name: str
) -> None:
    """A restore of several roots makes a folder for each: a hostile destination does not choose where."""
    destination.hold(library)
    destination.false_roots = [name.format(absolute=target.parent / "outside")]
    with pytest.raises(PeerError, match="breaks the protocol"):
        bring_back()
    assert not target.exists()
    assert not (target.parent / "outside").exists()


def test_the_words_of_a_hostile_destination_do_not_move_the_cursor(
    destination: FakeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a peer says in an error reaches the operator's terminal as text."""
    destination.hangs_up_with = "\x1b[2J\x9b31mall is\nwell\u202e"
    assert run(["verify", "--dest", destination.address]) != ExitCode.OK
    assert "\\x1b[2J\\x9b31mall is\\nwell\\u202e" in capsys.readouterr().err


def test_json_holds_every_name_and_nothing_that_a_terminal_obeys(
    destination: FakeDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same value to a program, harmless to a person."""
    name = "caf\u00e9 \x1b[2J \x9b31m \u202e \x7f \U000e0041"
    attributes = Attributes(target=os.fsencode(name))
    destination.put(
        Version(
            VersionId("lisbon-1", 1), "photos", "library", RelPath(os.fsencode(name)), Kind.SYMLINK, attributes, observed_ns=1
        )
    )
    assert run(["ls", "--dest", destination.address, "--json"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in out)
    assert name in {entry["target"] for entry in json.loads(out)["entries"]}
    assert "caf\u00e9" in out


class _PowerCut(BaseException):
    """Ends a restore as a crash would, as far as Python can."""


def test_a_crash_before_the_name_is_given_is_completed_by_the_next_restore(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At R1 nothing has its name yet; the same command completes the tree."""
    destination.hold(library)
    reached: list[str] = []

    def cut(point: str) -> None:
        reached.append(point)
        if len(reached) == 3:
            raise _PowerCut

    monkeypatch.setattr(durable, "crash_hook", cut)
    with pytest.raises(_PowerCut):
        bring_back()
    assert "R1" in reached
    monkeypatch.setattr(durable, "crash_hook", None)
    assert bring_back().exit_code() is ExitCode.OK
    assert differences(library, target) == []


def test_a_second_restore_into_the_same_directory_at_once_is_refused(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would sweep the first one's part files."""
    destination.hold(library)
    refused: list[str] = []

    def meanwhile(_point: str) -> None:
        if not refused:
            refused.append("")
            with pytest.raises(SmarterError, match="another restore writes there") as caught:
                bring_back()
            refused[0] = str(caught.value)

    monkeypatch.setattr(durable, "crash_hook", meanwhile)
    assert bring_back().exit_code() is ExitCode.OK
    assert refused[0].startswith(str(target))


def test_a_file_that_appears_at_the_last_moment_is_kept(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the name somebody else may write there: theirs stays, ours is refused and leaves no part file."""
    destination.hold(library)
    appeared = target / "sparse"

    def meanwhile(_point: str) -> None:
        if not appeared.exists():
            appeared.write_text("mine")

    monkeypatch.setattr(durable, "crash_hook", meanwhile)
    report = bring_back()
    assert report.refused == [("sparse", "something appeared there meanwhile")]
    assert appeared.read_text() == "mine"
    assert not list(target.rglob(".smarter-*"))
