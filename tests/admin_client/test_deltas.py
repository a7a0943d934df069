"""`smarter delta` and `smarter code`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin_client.cli import run
from tests.fakes import pictures

PHOTO = pictures.jpeg(1, (640, 480))
TAGGED = pictures.jpeg(1, (640, 480), exif=b"Exif\0\0II*\0" + b"a day out " * 50)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A picture, and the same with a tag."""
    (tmp_path / "base.jpg").write_bytes(PHOTO)
    (tmp_path / "target.jpg").write_bytes(TAGGED)
    return tmp_path


def smarter(*arguments: object) -> int:
    """Runs the command."""
    return run([str(argument) for argument in arguments])


def encoded(files: Path) -> Path:
    """A delta of the two."""
    arguments = ("--base", files / "base.jpg", "--target", files / "target.jpg", "--out", files / "delta")
    assert smarter("delta", "encode", *arguments) == 0
    return files / "delta"


def test_a_delta_there_and_back(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report has what CLI.md says."""
    arguments = ("--base", files / "base.jpg", "--target", files / "target.jpg", "--out", files / "delta", "--json")
    assert smarter("delta", "encode", *arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.keys() == {"method", "target_bytes", "delta_bytes", "seconds", "peak_rss_bytes"}
    assert report["method"] == "zstd-patch"
    assert (report["target_bytes"], report["delta_bytes"]) == (len(TAGGED), (files / "delta").stat().st_size)
    assert report["delta_bytes"] < len(TAGGED) / 10
    assert report["peak_rss_bytes"] > 0
    out = files / "back.jpg"
    assert smarter("delta", "decode", "--base", files / "base.jpg", "--delta", files / "delta", "--out", out) == 0
    assert out.read_bytes() == TAGGED


@pytest.mark.parametrize("spoilt", ["base", "delta", "cut", "not one"])
def test_what_cannot_be_proved_gives_no_file(files: Path, spoilt: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 30, with one sentence that names the file."""
    made = encoded(files)
    raw = made.read_bytes()
    match spoilt:
        case "base":
            (files / "base.jpg").write_bytes(TAGGED)
        case "delta":
            made.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
        case "cut":
            made.write_bytes(raw[: len(raw) // 2])
        case _:
            made.write_bytes(PHOTO)
    assert smarter("delta", "decode", "--base", files / "base.jpg", "--delta", made, "--out", files / "back.jpg") == 30
    assert not (files / "back.jpg").exists()
    assert str(made) in capsys.readouterr().err


def test_a_file_by_itself_there_and_back(files: Path) -> None:
    """As the daemons code it."""
    assert smarter("code", "encode", files / "base.jpg", "--out", files / "object") == 0
    assert (files / "object").stat().st_size < len(PHOTO)
    assert smarter("code", "decode", files / "object", "--out", files / "back.jpg") == 0
    assert (files / "back.jpg").read_bytes() == PHOTO


def test_a_file_that_is_not_there_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a mistake in the command."""
    assert smarter("code", "encode", files / "nowhere", "--out", files / "object") == 2
    assert "nowhere" in capsys.readouterr().err
