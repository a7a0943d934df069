"""What the caller may change, and what a case gives back."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.libraries import GB, drawn_library

Figures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Setting:
    """What the caller may change."""

    scratch: Path
    photos: Path | None = None
    n_bytes: int = GB
    n_files: int = 100_000
    n_rounds: int = 20
    n_pictures: int = 100_000
    n_targets: int = 200
    corpus: Path | None = None
    """Edits that other programs made: `truth.csv` (path, original, level, op) and `files` below it."""
    cache: Path = Path(tempfile.gettempdir()) / "smarter-bench-cache"

    def library(self) -> Path:
        """The user's pictures, or drawn ones."""
        if self.photos is not None:
            return self.photos
        drawn = self.scratch / "library"
        return drawn if drawn.exists() else drawn_library(drawn)
