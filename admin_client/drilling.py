"""A drill: a sample of what a destination holds, restored, read from the disk again, and compared with what it should be.

1. One listing: a sample of files drawn at random, each as likely as any other, in memory for the sample alone.
2. The files of each source and policy are restored into the folder, as `smarter restore` would.
3. Each is read back: digest, mode, modification time.
The destination is told how it ended, and remembers the last one.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from admin_client.client import AgentClient
from admin_client.gallery import digest_file
from admin_client.progress import Progress
from admin_client.restoring import RestoreRequest, restore
from admin_client.results.held import DrillReport, Refused
from common.clock import monotonic_s
from common.errors import ExitCode, SmarterError
from common.model import Selection, Version
from common.paths import open_file, open_root, show

Owner = tuple[str, str]
"""A source and one of its policies."""


@dataclass(slots=True)
class Sample:
    """Files drawn at random."""

    versions: list[Version] = field(default_factory=list)
    n_files: int = 0
    """All that they were drawn from."""
    roots: dict[Owner, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class Drilled:
    """How a drill ended."""

    report: DrillReport
    exit_code: ExitCode


def draw(versions: Iterable[Version], n: int, *, seed: int) -> Sample:
    """Draws `n` files of all, or all where there are fewer; the same `seed` draws the same ones of the same listing."""
    sample = Sample()
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    for version in versions:
        sample.roots[version.id.agent, version.policy].add(version.root)
        if version.digest is None:
            continue
        sample.n_files += 1
        if len(sample.versions) < n:
            sample.versions.append(version)
        elif (place := chance.randrange(sample.n_files)) < n:
            sample.versions[place] = version
    return sample


def drill(client: AgentClient, selection: Selection, n: int, *, seed: int, folder: Path, progress: Progress) -> Drilled:
    """Restores a sample below an empty folder, compares it, and tells the destination.

    Errors: SmarterError where there is nothing to draw from; the client's; OSError where the disk ends it.
    """
    begun_s = monotonic_s()
    progress.stage("Drawing a sample")
    sample = draw((entry.version for entry in client.entries(selection)), n, seed=seed)
    if not sample.versions:
        raise SmarterError("the destination holds no files to draw from; `smarter ls` shows what it holds")
    by_owner: dict[Owner, list[Version]] = defaultdict(list)
    for version in sample.versions:
        by_owner[version.id.agent, version.policy].append(version)
    problems: list[Refused] = []
    n_refused = 0
    for k, (owner, versions) in enumerate(sorted(by_owner.items())):
        source, policy = owner
        to = folder / str(k)
        only = frozenset(version.id for version in versions)
        done = restore(client, RestoreRequest(Selection(policy=policy, source=source), to, only=only), progress=progress)
        n_refused += len(done.refused)
        progress.stage("Comparing")
        lost = dict([*done.refused, *done.damaged])
        problems += _compared(to, versions, lost=lost, has_one_root=len(sample.roots[owner]) == 1)
    report: DrillReport = {
        "files": len(sample.versions),
        "bytes": sum(version.size for version in sample.versions),
        "of_files": sample.n_files,
        "problems": problems,
        "seed": seed,
        "seconds": round(monotonic_s() - begun_s, 3),
    }
    client.record_drill(n_files=report["files"], n_bytes=report["bytes"], n_errors=len(problems))
    if len(problems) > n_refused:
        return Drilled(report, ExitCode.INTEGRITY)
    return Drilled(report, ExitCode.PARTIAL if problems else ExitCode.OK)


def _compared(folder: Path, versions: Iterable[Version], *, lost: Mapping[str, str], has_one_root: bool) -> Iterator[Refused]:
    """What is not as it should be: `lost` while it was restored, or different. Owners, which only root may set, do not matter."""
    for version in versions:
        inside = show(version.path) if has_one_root else f"{version.root}/{show(version.path)}"
        if reason := lost.get(inside) or _difference(folder if has_one_root else folder / version.root, version):
            yield {"path": f"{version.id.agent}:{version.policy}/{version.root}/{show(version.path)}", "reason": reason}


def _difference(root: Path, version: Version) -> str:
    """Why a restored file is not its version; empty where it is."""
    try:
        top = open_root(root)
        try:
            fd = open_file(top, version.path)
        finally:
            os.close(top)
        try:
            st, digest = os.fstat(fd), digest_file(fd)
        finally:
            os.close(fd)
    except OSError as error:
        return f"cannot be read back: {error.strerror or error}"
    if digest != version.digest:
        return "other bytes"
    if st.st_mtime_ns != version.attributes.mtime_ns:
        return "another modification time"
    return "" if st.st_mode & 0o7777 == version.attributes.mode else "another mode"
