"""Who asked for which change, and when: a file of JSON lines in an agent's state directory, only ever appended to.

    {"number", "at_ns", "by", "call", "asked"}     before a change is made
    {"failed", "of"}                               where it came to nothing

must: the first line is durable before the change begins, and where it cannot be, the change is refused. A crash in between leaves
a change that was asked for and perhaps not made, never one that nobody asked for. A line that a power cut tore is passed over.
The file is put aside when it is full; the newest few are kept.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import durable
from common.clock import Clock
from common.errors import SmarterError

NAME = "audit.jsonl"
MAX_BYTES = 4 << 20
"""Of the file that is written; then it is put aside."""
KEPT = 4
"""Files put aside."""
MAX_CHARS = 4096
"""Of what is kept of one request, or of why it failed."""


_ASKED = {"number", "at_ns", "by", "call", "asked"}
_FAILED = {"failed", "of"}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change that was asked for."""

    number: int
    at_ns: int
    by: str
    """Who asked: the identity of a certificate, or that of the admin socket."""
    call: str
    asked: str
    failed: str = ""
    """Why it came to nothing; empty where it did not fail."""


class Audit:
    """The audit log of one agent. Threads: safe. Blocks on the disk."""

    def __init__(self, state: Path, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        """Goes on with what is in a state directory. Errors: OSError."""
        self._path = state / NAME
        self._clock = clock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._number = next((entry.number for entry in self.entries()), 0)

    def asked(self, by: str, call: str, asked: str) -> int:
        """Writes down that somebody asks for a change, durably, and gives its number. Errors: SmarterError where it cannot."""
        with self._lock:
            entry = {"at_ns": self._clock.now_ns(), "by": by, "call": call, "asked": asked[:MAX_CHARS]}
            self._append({"number": self._number + 1, **entry})
            self._number += 1
            return self._number

    def failed(self, number: int, reason: str) -> None:
        """Writes down that a change came to nothing. Errors: SmarterError."""
        with self._lock:
            self._append({"failed": reason[:MAX_CHARS] or "for no reason that was told", "of": number})

    def entries(self, *, before: int = 0, since_ns: int = 0) -> Iterator[AuditEntry]:
        """What was asked, the newest first: numbers below `before` (0: all), at `since_ns` or later. Errors: OSError."""
        failures: dict[int, str] = {}
        for path in (self._path, *map(self._aside, range(1, KEPT + 1))):
            for line in _lines_backwards(path):
                if "of" in line:
                    failures[line["of"]] = line["failed"]
                    continue
                if line["at_ns"] >= since_ns and (not before or line["number"] < before):
                    yield AuditEntry(**line, failed=failures.get(line["number"], ""))

    def _append(self, line: dict[str, Any]) -> None:
        raw = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        try:
            self._make_room(len(raw))
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                n_bytes = os.fstat(fd).st_size
                if n_bytes and os.pread(fd, 1, n_bytes - 1) != b"\n":
                    raw = b"\n" + raw  # a line was torn here
                while raw:
                    raw = raw[os.write(fd, raw) :]
                durable.sync_file(fd)
            finally:
                os.close(fd)
            if not n_bytes:
                durable.sync_directory(self._path.parent)
        except OSError as error:
            raise SmarterError(f"{self._path}: the audit log cannot be written: {error.strerror or error}") from error

    def _make_room(self, n_bytes: int) -> None:
        with suppress(FileNotFoundError):
            if self._path.stat().st_size + n_bytes <= self._max_bytes:
                return
            for n in range(KEPT, 1, -1):
                with suppress(FileNotFoundError):
                    durable.publish(self._aside(n - 1), self._aside(n))
            durable.publish(self._path, self._aside(1))

    def _aside(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}")


def _lines_backwards(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of one file, the last first; nothing where there is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    for line in reversed(raw.split(b"\n")):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.keys() in (_ASKED, _FAILED):
            yield found
