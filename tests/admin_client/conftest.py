"""What the tests of the operator's command share: a destination in memory and a tree with everything in it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from admin_client.client import AgentClient
from admin_client.progress import PlainProgress
from admin_client.report import RestoreReport
from admin_client.restoring import RestoreRequest, restore
from common.model import Selection
from tests.fakes.destination import FakeDestination, serving

Restore = Callable[..., RestoreReport]


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[FakeDestination]:
    """An empty destination on a socket of its own."""
    with serving(tmp_path / "dest.sock") as held:
        yield held


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where things are restored to; not made yet."""
    return tmp_path / "restored"


@pytest.fixture
def bring_back(destination: FakeDestination, target: Path) -> Restore:
    """Restores the policy `photos` into the target."""

    def run(*, source: str = "", glob: str = "", overwrite: bool = False, to: Path = target) -> RestoreReport:
        request = RestoreRequest(Selection(policy="photos", source=source, glob=glob), to, overwrite=overwrite)
        with AgentClient(destination.endpoint) as client:
            return restore(client, request, progress=PlainProgress())

    return run


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small tree with everything in it that a restore must bring back."""
    root = tmp_path / "library"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o500)
    (root / "a" / "photo.jpg").write_bytes(random.Random(1).randbytes(300_000))
    (root / "a" / "none").touch()
    (root / "a" / "b" / "again.jpg").hardlink_to(root / "a" / "photo.jpg")
    (root / "a" / "out").symlink_to("/etc/passwd")
    (root / "a" / "dangling").symlink_to("nowhere/at all")
    os.mkfifo(root / "a" / "pipe", 0o640)
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")).write_text("latin")
    (root / ("n" * 255)).write_text("long name")
    with (root / "sparse").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"x" * 5000)
        file.truncate(4 << 20)
    (root / "a" / "b").chmod(0o2750)
    (root / "a" / "none").chmod(0o4711)
    for n, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(1, 1_600_000_000_000_000_000 + n * 1_111_111_111), follow_symlinks=False)
    os.utime(root, ns=(1, -5_000_000_001))
    return root
