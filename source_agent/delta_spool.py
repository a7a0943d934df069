"""Deltas that are made and not yet stored at the destination: files beside the journal, each under its target's digest.

1. the delta is written under a temporary name, synced and renamed (E1)      crash: a stray one, swept at the next start
2. the journal says ENCODED (E2)                                             crash: sent from here
3. its receipt is journalled (S4), the file removed                          crash between: swept at the next start
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from common.durable import crash_point, make_directory, remove, write_file
from common.ids import Digest
from common.model import DELTA
from source_agent.delta_rows import Made
from source_agent.spool import Parcel


class DeltaSpool:
    """A directory of deltas. Threads: each call is independent."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory if it is absent."""
        make_directory(directory)
        self._directory = directory

    def keep(self, target: Digest, content: bytes) -> None:
        """Keeps a delta, durably when it returns (E1). Errors: OSError, a full disk among them."""
        write_file(self._path(target), content)
        crash_point("E1")

    def parcel(self, target: Digest, made: Made) -> Parcel:
        """A kept delta ready to be sent; whoever reads it finds out whether it is what was made."""
        return Parcel(DELTA, made.n_bytes, made.digest, self._path(target), made.base, made.method)

    def discard(self, target: Digest) -> None:
        """Removes a delta; one that is not there is no error."""
        remove(self._path(target))

    def sweep(self, keep: Mapping[Digest, Made]) -> list[Digest]:
        """Removes what nobody waits for, and gives those of `keep` that are not here as they were made."""
        wanted = {self._path(target).name: made.n_bytes for target, made in keep.items()}
        found = set()
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # it was sent meanwhile
                if wanted.get(path.name) == path.stat().st_size:
                    found.add(path.name)
                else:
                    remove(path)
        return [target for target in keep if self._path(target).name not in found]

    def _path(self, target: Digest) -> Path:
        return self._directory / f"{target.hex()}.{DELTA}"
