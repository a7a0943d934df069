"""`smarter identify` over a small library with everything in it, through real workers."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from admin_client import cli
from admin_client.identify import IdentifyReport, identify
from admin_client.progress import PlainProgress
from common.looks import Looks
from tests.fakes import pictures

SIZE = (800, 600)
SHOTS = ("bay", "hill", "yard")

Capture = pytest.CaptureFixture[str]


def _save(picture: Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots, what became of them, and files that no one can read."""
    root = tmp_path_factory.mktemp("library")
    for seed, name in enumerate(SHOTS):
        shot = pictures.photo(seed + 40, SIZE)
        _save(shot, root / f"{name}.jpg", quality=92, exif=pictures.exif_block(taken=f"2024:05:0{seed + 1} 10:00:00"))
        jpeg = Image.open(io.BytesIO((root / f"{name}.jpg").read_bytes()))
        _save(jpeg, root / "web" / f"{name}.png")
        _save(jpeg.resize((400, 300)), root / "web" / f"{name} small.jpg", quality=80)
        _save(ImageOps.mirror(jpeg), root / "edits" / f"{name} mirrored.jpg", quality=85)
        _save(jpeg.crop((100, 80, 700, 560)), root / "edits" / f"{name} cropped.jpg", quality=85)
        _save(jpeg.rotate(4, fillcolor=(0, 0, 0)), root / "edits" / f"{name} turned.jpg", quality=85)
    shutil.copy(root / "bay.jpg", root / "copy of bay.jpg")
    (root / "notes.txt").write_text("not a picture")
    (root / "broken.jpg").write_bytes(pictures.cut((root / "hill.jpg").read_bytes(), keep=0.01))
    (root / "broken too.jpg").write_bytes((root / "broken.jpg").read_bytes())
    (root / "empty.png").touch()
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share, as a user's runs do."""
    return tmp_path_factory.mktemp("cache") / "looks.db"


@pytest.fixture(scope="module")
def report(library: Path, cache: Path) -> IdentifyReport:
    """What the library is found to be."""
    return identified(library, cache)


def identified(root: Path, cache: Path) -> IdentifyReport:
    """One run."""
    with Looks(cache) as looks:
        return asyncio.run(identify(root, looks=looks, n_workers=2, progress=PlainProgress()))


def groups_of(report: IdentifyReport) -> Iterator[set[str]]:
    """The paths of each group, without those of other shots."""
    for group in report.groups:
        yield {group["representative"], *(m["path"] for m in group["members"] if m["relation"] != "scene")}


def test_every_rendition_is_found_with_its_shot(report: IdentifyReport, library: Path) -> None:
    """And no two shots are taken for one."""
    every = {p.relative_to(library).as_posix() for p in library.rglob("*") if p.suffix in {".jpg", ".png"}}
    shots = [{path for path in every if shot in path} for shot in SHOTS]
    assert sorted(map(sorted, groups_of(report))) == sorted(map(sorted, [*shots, {"broken too.jpg", "broken.jpg"}]))


def test_exact_copies_hang_on_the_first_path_of_their_content(report: IdentifyReport) -> None:
    """Equal bytes need no eyes, not even readable ones."""
    exact = {m["path"]: m["base"] for group in report.groups for m in group["members"] if m["relation"] == "exact"}
    assert exact == {"copy of bay.jpg": "bay.jpg", "broken.jpg": "broken too.jpg"}
    assert report.n_exact_groups == 2


def test_members_name_their_base_and_how_alike_they_are(report: IdentifyReport) -> None:
    """SD where features were compared, nothing where a glance was enough."""
    for group in report.groups:
        paths = {group["representative"], *(m["path"] for m in group["members"])}
        for member in group["members"]:
            assert member["base"] in paths - {member["path"]}
            assert member["sd"] is None or 0 < member["sd"] <= 1
    assert report.n_early > 0
    assert report.n_early + report.n_seen == 3 * 6


def test_what_cannot_be_read_is_named(report: IdentifyReport) -> None:
    """With every path of it, and counted among the images."""
    assert [path for path, _ in report.unreadable] == ["broken too.jpg", "broken.jpg", "empty.png"]
    assert report.n_images == 3 * 6 + 4
    assert report.n_files == report.n_images + 1


def test_a_second_run_looks_at_nothing_and_says_the_same(report: IdentifyReport, library: Path, cache: Path) -> None:
    """The cache holds all that was seen, the unreadable too."""
    again = identified(library, cache)
    assert again.as_json() | {"seconds": 0} == report.as_json() | {"seconds": 0}


def test_the_command_prints_one_object_and_ends_with_done_in_part(library: Path, cache: Path, capsys: Capture) -> None:
    """Exit code 3 where something could not be read; names and reasons go to stderr."""
    assert cli.run(["identify", str(library), "--cache", str(cache), "--json"]) == 3
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert {"files", "images", "exact_groups", "seconds", "unreadable", "groups"} <= found.keys()
    assert "empty.png: " in captured.err


def test_the_command_speaks_to_people(library: Path, cache: Path, capsys: Capture) -> None:
    """Groups with their members, and a sum at the end."""
    assert cli.run(["identify", str(library / "web"), "--cache", str(cache)]) == 0
    out = capsys.readouterr().out
    assert "near   bay small.jpg" in out
    assert out.endswith("6 pictures among 6 files in " + out.rpartition(" files in ")[2])


def test_an_empty_directory_has_no_groups(tmp_path: Path) -> None:
    """Nothing to do is no error."""
    (tmp_path / "empty").mkdir()
    found = identified(tmp_path / "empty", tmp_path / "looks.db")
    assert found.groups == []
    assert found.unreadable == []


def test_an_interrupted_run_ends_at_once_and_leaves_no_worker(library: Path, tmp_path: Path) -> None:
    """Ctrl-C: exit code 130, nothing on stdout, and what was seen is kept."""
    many = tmp_path / "many"
    for n in range(40):
        shutil.copytree(library / "edits", many / str(n))
        for path in (many / str(n)).iterdir():
            with path.open("ab") as file:
                file.write(bytes([n]))
    command = [str(Path(sys.executable).with_name("smarter")), "identify", str(many), "--json", "--workers", "2"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    assert process.stderr is not None
    while "Looking" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert (tmp_path / "cache" / "smarter" / "looks.db").exists()
