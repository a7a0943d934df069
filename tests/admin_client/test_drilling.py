"""Drills: a sample is drawn fairly, and whatever does not come back as it was is found."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from admin_client import cli
from admin_client.drilling import draw
from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Version
from common.paths import RelPath
from tests.fakes.destination import FakeDestination
from tests.fakes.schemas import check_output

Capture = pytest.CaptureFixture[str]


def files(n: int) -> list[Version]:
    """Versions of small files."""
    return [
        Version(
            id=VersionId("lisbon-1", seq),
            policy="photos",
            root="library",
            path=RelPath(b"%d" % seq),
            kind=Kind.FILE,
            attributes=Attributes(mode=0o644),
            observed_ns=seq,
            digest=digest_of(b"%d" % seq),
            size=3,
        )
        for seq in range(1, n + 1)
    ]


def test_every_file_is_drawn_as_often_as_any_other() -> None:
    """Over many seeds; what is no file is not drawn, and all are where there are few."""
    versions = files(20)
    folder = replace(versions[0], id=VersionId("lisbon-1", 99), kind=Kind.DIRECTORY, digest=None, size=0)
    drawn: Counter[int] = Counter()
    for seed in range(2000):
        sample = draw([folder, *versions], 5, seed=seed)
        assert sample.n_files == 20
        assert len({v.id for v in sample.versions}) == 5
        drawn.update(v.id.seq for v in sample.versions)
    assert set(drawn) == set(range(1, 21))
    assert all(400 < n < 600 for n in drawn.values()), drawn
    assert draw(versions, 5, seed=1) == draw(versions, 5, seed=1)
    assert len(draw(versions, 50, seed=1).versions) == 20


def run(held: FakeDestination, *arguments: str, code: int, captured: Capture) -> dict[str, object]:
    """One drill over everything."""
    assert cli.run(["drill", "--dest", held.address, "--json", *arguments]) == code
    found: dict[str, object] = check_output("smarter-drill", json.loads(captured.readouterr().out))
    return found


def test_a_drill_over_several_policies_and_roots_compares_each_file(
    destination: FakeDestination, library: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Hard links, odd names and holes among them; the temporary folder goes, the destination is told."""
    destination.hold(library)
    destination.hold(library, root="second")
    destination.hold(library, policy="papers", source="porto-1")
    (tmp_path / "scratch").mkdir()
    done = run(destination, "--scratch", str(tmp_path / "scratch"), code=0, captured=capsys)
    assert done["files"] == done["of_files"] == 18
    assert list((tmp_path / "scratch").iterdir()) == []
    (told,) = destination.drills
    assert (told.files, told.errors, told.bytes) == (18, 0, done["bytes"])


def test_a_content_that_is_broken_is_found_and_told(destination: FakeDestination, library: Path, capsys: Capture) -> None:
    """Exit code 30, each file with its reason."""
    destination.hold(library)
    destination.broken.add(digest_of((library / "a/photo.jpg").read_bytes()))
    done = run(destination, code=30, captured=capsys)
    problems = done["problems"]
    assert isinstance(problems, list)
    assert {p["path"] for p in problems} == {"lisbon-1:photos/library/a/photo.jpg", "lisbon-1:photos/library/a/b/again.jpg"}
    assert destination.drills[0].errors == 2


def test_what_comes_back_in_another_way_than_it_was_is_no_success(
    destination: FakeDestination, library: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the restore forgets times: the comparison does not ask the restore, but the disk."""
    destination.hold(library)
    real = os.utime
    monkeypatch.setattr(os, "utime", lambda path, *_, **__: real(path, ns=(1, 1)))
    done = run(destination, code=30, captured=capsys)
    problems = done["problems"]
    assert isinstance(problems, list)
    assert {p["reason"] for p in problems} == {"another modification time"}


def test_nothing_to_draw_from_is_said(destination: FakeDestination, capsys: Capture) -> None:
    """Exit code 1; a drill of nothing would prove nothing."""
    assert cli.run(["drill", "--dest", destination.address]) == 1
    assert "holds no files to draw from" in capsys.readouterr().err
    assert destination.drills == []
