"""Running a command and knowing what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.clock import monotonic_s


class Failed(Exception):
    """A measured command did not end as it should; its last words are in the message."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command that ended."""

    seconds: float
    cpu_s: float
    """Of the command and everything it started and waited for."""
    peak_rss_bytes: int
    """Of the largest process among them."""
    out: str

    def result(self) -> dict[str, Any]:
        """What it printed with `--json`."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded


def run(command: Sequence[str | Path], cwd: Path, *, env: Mapping[str, str] | None = None, codes: Collection[int] = (0,)) -> Run:
    """Runs a command to its end. Errors: Failed where it does not end with one of the `codes`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start_s = monotonic_s()
        process = subprocess.Popen(
            command, cwd=cwd, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = monotonic_s() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in codes:
            words = err.read().decode(errors="replace")[-2000:]
            raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{words}")
        text = out.read().decode(errors="replace")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)


def session_cpu_s(leader: int) -> float:
    """CPU seconds of a process that leads a session, of what lives in the session, and of what its members waited for."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        session, times = int(fields[3]), fields[11:15]
        if session == leader:
            total += sum(map(int, times))
    return total * tick_s


def tree_bytes(folder: Path) -> int:
    """The sizes of all files below a folder."""
    return sum(entry.lstat().st_size for entry in folder.rglob("*") if entry.is_file() and not entry.is_symlink())
