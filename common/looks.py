"""What has been seen of pictures, kept by digest, so that no picture is looked at twice.

The source keeps it for as long as it knows a picture; for `smarter identify` it is a cache that makes a second run quick and
a broken one resumable. Everything in it can be computed again from the pictures. A crash loses what was kept since the last
commit, at most some seconds of work; a file that cannot be used is set aside by using a temporary one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from common.clock import monotonic_s
from common.database import DatabaseError, SchemaTooNew, open_database, transaction
from common.durable import make_directory
from common.ids import Digest

_SCHEMA = ("CREATE TABLE look (digest BLOB NOT NULL, kind TEXT NOT NULL, seen BLOB NOT NULL, PRIMARY KEY (digest, kind))",)
_COMMIT_EVERY_S = 2.0


class Looks:
    """What was seen. To be used as a context, by one thread at a time; several processes may share a file."""

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        """Opens the file, made if absent; where that cannot be, a temporary one. One of more than `max_bytes` is emptied.

        Errors: DatabaseError, OSError of the temporary one.
        """
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.problem = ""
        """Why a temporary file is used; empty where it is not."""
        try:
            make_directory(path.parent)
            self._connection = open_database(path, _SCHEMA)
            if max_bytes is not None and path.stat().st_size > max_bytes:
                self._empty()
        except (DatabaseError, SchemaTooNew, OSError) as error:
            self.problem = str(error)
            self._folder = tempfile.TemporaryDirectory(prefix="smarter-looks-")
            self._connection = open_database(Path(self._folder.name) / "looks.db", _SCHEMA)
        self._fresh: dict[tuple[Digest, str], bytes] = {}
        self._committed_s = monotonic_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.commit()
        finally:
            self._connection.close()
            if self._folder is not None:
                self._folder.cleanup()

    def get(self, digest: Digest, kind: str) -> bytes | None:
        """What was kept under this name; None where nothing was."""
        fresh = self._fresh.get((digest, kind))
        if fresh is not None:
            return fresh
        row = self._connection.execute("SELECT seen FROM look WHERE digest = ? AND kind = ?", (digest, kind)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, digest: Digest, kind: str, seen: bytes) -> None:
        """Keeps what was seen; durable some seconds later, or at the end. Errors: DatabaseError."""
        self._fresh[digest, kind] = seen
        if monotonic_s() - self._committed_s >= _COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        """Makes everything kept so far durable. Errors: DatabaseError, a full disk among them."""
        if self._fresh:
            rows = [(digest, kind, seen) for (digest, kind), seen in self._fresh.items()]
            with transaction(self._connection) as connection:
                connection.executemany("INSERT OR REPLACE INTO look (digest, kind, seen) VALUES (?, ?, ?)", rows)
            self._fresh.clear()
        self._committed_s = monotonic_s()

    def _empty(self) -> None:
        with transaction(self._connection) as connection:
            connection.execute("DELETE FROM look")
        self._connection.execute("VACUUM")
