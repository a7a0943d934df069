"""What a restore did, for a person, for a script and for the exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import ExitCode


@dataclass(slots=True)
class RestoreReport:
    """What a restore did. Refused paths keep their reason; damaged ones are those whose bytes could not be proved."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    fifos: int = 0
    hardlinks: int = 0
    n_bytes: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    """Files of which the destination has only heard what they roughly look like."""
    approximate: list[str] = field(default_factory=list)
    """What was made of those, under names that say so."""
    manifest: Path | None = None
    """Where it stands of each file whether it is exact, approximate or absent; where what is approximate was asked for."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of the manifest."""
    notes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def exit_code(self) -> ExitCode:
        """30 where bytes were damaged, 3 where a path was refused, else 0."""
        if self.damaged:
            return ExitCode.INTEGRITY
        return ExitCode.PARTIAL if self.refused else ExitCode.OK

    def as_json(self) -> dict[str, Any]:
        """The report as the command prints it."""
        return {
            "files": self.files,
            "directories": self.directories,
            "symlinks": self.symlinks,
            "fifos": self.fifos,
            "hardlinks": self.hardlinks,
            "bytes": self.n_bytes,
            "present": self.present,
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
            "damaged": [{"path": path, "reason": reason} for path, reason in self.damaged],
            "announced": self.announced,
            "approximate": self.approximate,
            "manifest": str(self.manifest) if self.manifest else None,
            "counts": dict(self.counts) if self.manifest else None,
            "notes": dict(sorted(self.notes.items())),
            "seconds": round(self.seconds, 3),
        }
