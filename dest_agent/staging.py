"""Bytes on their way in: one file per attempt at a content, which outlives a broken stream so that it can be resumed.

    1. `begin` names the attempt; an older one at the same content, still open or broken off, gives way
    2. `resume` goes on with the older one's bytes, `append` writes and hashes     crash: a partial, offered as a hint
    3. `seal` syncs (D1)                                                           crash: a complete partial
    4. the object store takes the file away, or `discard` removes it

Two streams may try the same content, since a half-open connection leaves its stream alive: as soon as the newer one
begins, every write of the older one fails with `TakenOver`. Each attempt has a file of its own unless it resumes, and
a resumed file changes hands under its lock, so bytes of two streams never mix.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from common.durable import crash_point, make_directory, remove, sync_file
from common.errors import TransientError
from common.ids import Digest, agent_name
from common.model import Staged
from dest_agent.store import ObjectKey, disk_errors, object_key

MAX_HINTED_BYTES = 4 << 30
"""Of a longer partial only these first bytes are offered for resuming: the offer reads and hashes them."""

MOST_PARTIALS = 256
"""Of one source, which has one for each stream that broke: who breaks off at every first byte must not fill memory and disk."""

_READ_BYTES = 1 << 20
_MAX_PIECES = 1024
"""What the kernel takes in one call."""


class TakenOver(TransientError):
    """A newer attempt at the same content has this one's place."""


class StaleOffset(ValueError):
    """The sender wants to go on at an offset that is not staged."""


@dataclass(frozen=True, slots=True)
class StagingKey:
    """What an attempt is at: one source's content in one coding."""

    source: str
    object: ObjectKey


class StagedFile:
    """One attempt. Threads: its methods block, so they run in threads; each holds the attempt's lock."""

    def __init__(self, key: StagingKey, path: Path, *, n_bytes: int = 0, former: StagedFile | None = None) -> None:
        self.key = key
        self.path = path
        self.n_bytes = n_bytes
        self.idle = False
        """No stream writes to it: it waits to be resumed."""
        self._former = former
        self._fd = -1
        self._hash = blake3()
        self._lock = threading.Lock()
        self._lost = False
        self._owns_path = True

    def resume(self, offset: int) -> None:
        """Goes on at `offset` with the bytes of the attempt before this one, hashing them again.

        Errors: StaleOffset where fewer are staged; NoSpace, StoreFailed.
        """
        former, self._former = self._former, None
        if former is None:
            raise StaleOffset(f"nothing is staged, so nothing can go on at {offset}")
        try:
            self.path, self._fd = former.hand_over(offset)
        except StaleOffset:
            self._former = former
            raise
        with self._lock, disk_errors(f"staging {self.path.name}"):
            os.ftruncate(self._open(), offset)
            self._hash = _hash_of(self._open(), offset)
            self.n_bytes = offset

    def hand_over(self, offset: int) -> tuple[Path, int]:
        """Gives path and descriptor (-1: not open) to a newer attempt. Errors: StaleOffset where it cannot go on there."""
        with self._lock:
            if offset > self.n_bytes or not self._owns_path:
                raise StaleOffset(f"{self.n_bytes} bytes are staged, so nothing can go on at {offset}")
            fd, self._fd = self._fd, -1
            self._lost, self._owns_path = True, False
            return self.path, fd

    def append(self, pieces: Sequence[bytes]) -> None:
        """Writes and hashes the next bytes. Errors: TakenOver, NoSpace, StoreFailed."""
        with self._lock, disk_errors(f"staging {self.path.name}"):
            fd = self._open()
            for at in range(0, len(pieces), _MAX_PIECES):
                self._write(fd, pieces[at : at + _MAX_PIECES])

    def digest(self) -> Digest:
        """Of all bytes so far, resumed ones included."""
        return Digest(self._hash.digest())

    def seal(self) -> None:
        """Makes the bytes durable and closes the file. Errors: TakenOver, NoSpace, StoreFailed."""
        with self._lock, disk_errors(f"staging {self.path.name}"):
            sync_file(self._open())
            self._close()
        crash_point("D1")

    def descriptor(self) -> int:
        """A descriptor that a worker writes to in place of `append`; closed by `seal` or `discard`."""
        with self._lock, disk_errors(f"staging {self.path.name}"):
            return self._open()

    def leave(self) -> None:
        """Closes the file and keeps its bytes for a later attempt; one without bytes is discarded."""
        if not self.n_bytes:
            self.discard()
        with self._lock:
            self._close()
            self.idle = True

    def lose(self) -> None:
        """Makes every further write fail: a newer attempt has begun."""
        self._lost = True

    def discard(self) -> None:
        """Removes the file, if the store has not taken it, and what an older attempt left."""
        if self._former is not None:
            self._former.discard()
            self._former = None
        with self._lock, disk_errors(f"staging {self.path.name}"):
            self._close()
            if self._owns_path:
                remove(self.path)

    def hint(self) -> Staged:
        """What may be resumed, with the digest by which the sender checks it. Errors: NoSpace, StoreFailed."""
        n_bytes = min(self.n_bytes, MAX_HINTED_BYTES)
        with disk_errors(f"staging {self.path.name}"):
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return Staged(self.key.object.coding, n_bytes, Digest(_hash_of(fd, n_bytes).digest()))
            finally:
                os.close(fd)

    def _open(self) -> int:
        """The attempt's descriptor; the caller holds the lock."""
        if self._lost:
            raise TakenOver(f"a newer upload of {self.key.object} has begun")
        if self._fd < 0:
            if self._former is not None:
                self._former.discard()
                self._former = None
            make_directory(self.path.parent)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return self._fd

    def _write(self, fd: int, pieces: Sequence[bytes]) -> None:
        n_written = os.pwritev(fd, pieces, self.n_bytes)
        end = self.n_bytes + sum(map(len, pieces))
        if self.n_bytes + n_written < end:
            # A disk that is nearly full takes a part; asked again it takes the rest or says why not.
            rest = memoryview(b"".join(pieces))
            while n_written < len(rest):
                n_written += os.pwrite(fd, rest[n_written:], self.n_bytes + n_written)
        self.n_bytes = end
        for piece in pieces:
            self._hash.update(piece)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Staging:
    """All attempts, by what they are at. Threads: the event loop's alone, except for the files it gives out."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._current: dict[StagingKey, StagedFile] = {}
        self._numbers = itertools.count(1)

    def begin(self, key: StagingKey) -> StagedFile:
        """A new attempt, which every older one at the same content gives way to; nothing is on disk yet."""
        former = self._current.get(key)
        if former is not None:
            former.lose()
        staged = StagedFile(key, self._path(key), former=former)
        self._current[key] = staged
        return staged

    def beside(self, staged: StagedFile, coding: str) -> StagedFile:
        """A file for the same content in another coding, which no stream resumes."""
        key = StagingKey(staged.key.source, ObjectKey(staged.key.object.digest, coding))
        return StagedFile(key, self._path(key))

    def release(self, staged: StagedFile) -> None:
        """Ends the attempt's claim: its bytes are complete or worthless, so a newer one begins with a file of its own."""
        if self._current.get(staged.key) is staged:
            del self._current[staged.key]

    def partial(self, source: str, digest: Digest, codings: Iterable[str]) -> StagedFile | None:
        """The longest partial of a content, whatever its coding."""
        found = (self._current.get(StagingKey(source, ObjectKey(digest, coding))) for coding in codings)
        return max((staged for staged in found if staged is not None and staged.n_bytes), key=lambda s: s.n_bytes, default=None)

    def settled(self, source: str, digest: Digest, codings: Iterable[str]) -> list[StagedFile]:
        """Ends the claims of idle partials at a content that the source need not send any more, and gives them."""
        found = (self._current.get(StagingKey(source, ObjectKey(digest, coding))) for coding in codings)
        idle = [staged for staged in found if staged is not None and staged.idle]
        for staged in idle:
            self.release(staged)
        return idle

    def idle(self) -> list[StagedFile]:
        """The partials that no stream writes to."""
        return [staged for staged in self._current.values() if staged.idle]

    def surplus(self, source: str) -> list[StagedFile]:
        """The oldest partials of a source beyond `MOST_PARTIALS`, released: the caller discards them."""
        found = [staged for staged in self.idle() if staged.key.source == source][:-MOST_PARTIALS]
        for staged in found:
            self.release(staged)
        return found

    def adopt_left(self) -> list[Path]:
        """Takes in the partials that an earlier process left, the longest of each content, and gives the other files.

        Errors: NoSpace, StoreFailed.
        """
        superfluous: list[Path] = []
        with disk_errors(f"staging {self.directory}"):
            make_directory(self.directory)
            found = [(path.stat().st_size, path) for path in self.directory.glob("*/*")]
            for n_bytes, path in sorted(found, reverse=True):
                key = _staging_key(path)
                if key is None or key in self._current or not n_bytes:
                    superfluous.append(path)
                    continue
                left = StagedFile(key, path, n_bytes=n_bytes)
                left.leave()
                self._current[key] = left
        self._numbers = itertools.count(1 + max((int(s.path.suffix[1:]) for s in self._current.values()), default=0))
        return superfluous

    def _path(self, key: StagingKey) -> Path:
        return self.directory / key.source / f"{key.object}.{next(self._numbers)}"


def _staging_key(path: Path) -> StagingKey | None:
    try:
        name, _, number = path.name.rpartition(".")
        int(number)
        return StagingKey(agent_name(path.parent.name), object_key(name))
    except ValueError:
        return None


def _hash_of(fd: int, n_bytes: int) -> blake3:
    hashed, at = blake3(), 0
    while at < n_bytes and (piece := os.pread(fd, min(_READ_BYTES, n_bytes - at), at)):
        hashed.update(piece)
        at += len(piece)
    return hashed
