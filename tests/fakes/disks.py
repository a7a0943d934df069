"""A small disk of its own, seen by the programs that are started inside it: a tmpfs in a private mount namespace.

    with small_disk(8 << 20) as disk:
        at.dest(prefix=disk.enter)         disk.path is the small disk for that process
        disk.fill(leave_bytes=100_000)
        disk.free()

Needs `unshare -m` as root, or user namespaces as anybody else; where a machine allows neither, the test says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDED = "this test needs a private mount namespace: run it as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A tmpfs that only processes behind `enter` see under `path`; this process sees it under `outside`."""

    path: Path
    outside: Path
    enter: tuple[str, ...]
    """The command that runs another one inside."""

    @property
    def free_bytes(self) -> int:
        """What may still be written."""
        st = os.statvfs(self.outside)
        return st.f_bavail * st.f_frsize

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Takes all room but so much, in a file of its own."""
        with (self.outside / "filler").open("ab") as file:
            while (n_bytes := self.free_bytes - leave_bytes) > 0:
                file.write(b"f" * min(n_bytes, 1 << 20))
                file.flush()

    def free(self) -> None:
        """Gives the room back."""
        (self.outside / "filler").unlink()


@contextmanager
def small_disk(n_bytes: int) -> Iterator[SmallDisk]:
    """A disk of so many bytes for the length of the block. Where it cannot be had: fails in CI, skips elsewhere."""
    path = Path(tempfile.mkdtemp(prefix="disk-"))
    as_root = os.geteuid() == 0
    private = ["unshare", "-m"] if as_root else ["unshare", "-rm"]
    script = f"mount -t tmpfs -o size={n_bytes},mode=0700 tmpfs {path} && echo mounted && exec sleep 1000"
    holder = subprocess.Popen(
        [*private, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        if not holder.stdout.readline():
            holder.wait()
            if "CI" in os.environ:
                pytest.fail(NEEDED)
            pytest.skip(NEEDED)
        user = () if as_root else ("-U", "--preserve-credentials")
        enter = ("nsenter", "-t", str(holder.pid), *user, "-m")
        yield SmallDisk(path, Path(f"/proc/{holder.pid}/root{path}"), enter)
    finally:
        holder.kill()
        holder.communicate()
        shutil.rmtree(path, ignore_errors=True)
