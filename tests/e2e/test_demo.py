"""`smarter demo`: two real agents, a real link, everything compared."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fakes.schemas import check_output

_SMARTER = Path(sys.executable).with_name("smarter")


def _demo(*arguments: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run([_SMARTER, "demo", "--json", *arguments], capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = check_output("smarter-demo", json.loads(done.stdout))
    return found, done.stderr


@pytest.mark.timeout(420)
def test_the_sample_library_comes_back_and_costs_less_than_it_weighs() -> None:
    """The table's figures add up, and copies are not paid for twice."""
    report, progress = _demo()
    assert report["restored_equal"] is True
    assert report["differences"] == []
    assert report["files"] > 40
    wire = report["wire_bytes"]
    assert set(wire) == {"representatives", "approximations", "deltas", "chunks", "protocol", "total"}
    assert sum(n for name, n in wire.items() if name != "total") == wire["total"]
    a_sketch = 2_500
    assert 0 < wire["protocol"] < (600 + a_sketch) * report["files"] + 60_000
    assert wire["total"] < 0.8 * report["logical_bytes"]
    assert report["restore"]["refused"] == []
    assert "Replicating" in progress


def test_own_pictures_and_a_state_directory_are_used_and_kept(tmp_path: Path) -> None:
    """The pictures are read only; certificates, configurations and the restored copy can be looked at afterwards."""
    photos = tmp_path / "meine Bilder \U0001f4f7"
    photos.mkdir()
    Image.radial_gradient("L").save(photos / "one.jpg")
    (photos / "two.jpg").write_bytes((photos / "one.jpg").read_bytes())
    (photos / "link").symlink_to("/nowhere")
    os.utime(photos, ns=(1, 1))
    before = photos.stat()
    report, _ = _demo("--photos", str(photos), "--state", str(tmp_path / "state"))
    assert report["restored_equal"] is True
    assert (report["restore"]["files"], report["restore"]["symlinks"]) == (2, 1)
    assert (photos.stat().st_mtime_ns, photos.stat().st_mode) == (before.st_mtime_ns, before.st_mode)
    state = tmp_path / "state"
    assert (state / "restored" / "two.jpg").read_bytes() == (photos / "two.jpg").read_bytes()
    assert stat.S_IMODE((state / "pki" / "ca.key").stat().st_mode) == 0o600
    again = subprocess.run([_SMARTER, "demo", "--state", state], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "not empty" in again.stderr
