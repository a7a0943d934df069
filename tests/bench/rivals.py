"""The same library through other tools, to a repository on the same disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measured import Run, run, tree_bytes


@dataclass(frozen=True, slots=True)
class Rival:
    """What another tool needed for a first backup."""

    name: str
    first: Run
    stored_bytes: int


def restic(library: Path, folder: Path) -> Rival | None:
    """`restic backup` to a local repository; None where restic is not installed."""
    if shutil.which("restic") is None:
        return None
    folder.mkdir(parents=True)
    env = {"RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(folder / "repository"), "RESTIC_CACHE_DIR": str(folder / "cache")}
    run(["restic", "init", "--quiet"], folder, env=env)
    first = run(["restic", "backup", "--quiet", library], folder, env=env)
    return Rival("restic", first, tree_bytes(folder / "repository"))


def borg(library: Path, folder: Path) -> Rival | None:
    """`borg create` to a local repository, authenticated and encrypted; None where Borg is not installed."""
    if shutil.which("borg") is None:
        return None
    folder.mkdir(parents=True)
    env = {"BORG_PASSPHRASE": "bench", "BORG_BASE_DIR": str(folder / "base"), "BORG_REPO": str(folder / "repository")}
    run(["borg", "init", "--encryption", "repokey-blake2"], folder, env=env)
    first = run(["borg", "create", "::first", library], folder, env=env)
    return Rival("borg", first, tree_bytes(folder / "repository"))
