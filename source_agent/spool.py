"""Contents made ready for the wire: coded by a worker into a private file, or, raw, read from the pin or the file itself.

    1. Open the pin, or the file below its root.
    2. Try the codings that suit the content, the best first, or the prompt ones where the link would wait. A worker reads the
       file, codes it and says the digest of what it read: another digest than the journal's means that the file changed,
       and nothing of it is sent.
    3. What no coding takes, or makes smaller, goes raw. Each refusal is counted by its reason.

Coded files outlive a cut of the link, so that a content is coded once; a crash leaves them to `sweep` at the next start.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from common import paths
from common.coding import Effort, candidates
from common.durable import make_directory, remove
from common.errors import ContentError
from common.ids import Digest
from common.metrics import FALLBACKS
from common.workers import Coded, Workers
from source_agent.deliveries import Delivery
from source_agent.pins import Pins
from source_agent.roots import Compression, Root

RAW = "raw"
HEAD_BYTES = 64
KEEP_FREE_BYTES = 1 << 30
PIECE_BYTES = 1 << 20
_EFFORTS = {Compression.BEST: Effort.BEST, Compression.FAST: Effort.LEAST}
"""Where the policy says it; else it is as the link is."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Changed(ContentError):
    """The file is gone, or has not the bytes any more that its version names."""

    def __init__(self, path: str) -> None:
        super().__init__("changed", f"{path}: changed or gone since it was seen")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A content ready to be sent."""

    coding: str
    coded_bytes: int
    coded_digest: Digest
    path: Path | None
    """The coded file; None where the bytes are read from the pin or the file itself."""
    base: Digest | None = None
    """Of a delta."""
    method: str = ""


class Spool:
    """Prepares contents and keeps what is prepared until it has a receipt. One event loop's."""

    def __init__(self, directory: Path, *, roots: dict[int, Root], pins: Pins, workers: Workers, keep_bytes: int) -> None:
        """`keep_bytes`: contents larger than this are coded only while the disk has plenty of room."""
        make_directory(directory)
        self._directory, self._roots, self._pins, self._workers = directory, roots, pins, workers
        self._keep_bytes = keep_bytes
        self._parcels: dict[Digest, Parcel] = {}
        self._n_coding = 0

    @property
    def is_busy(self) -> bool:
        """Whether a content is being coded, so that the link may wait for it."""
        return self._n_coding > 0

    def sweep(self) -> None:
        """Removes what an earlier process coded and did not send."""
        for path in self._directory.iterdir():
            remove(path)

    def open(self, delivery: Delivery) -> int:
        """A descriptor of a delivery's content. Errors: Changed where it cannot be opened any more."""
        version = delivery.version
        digest = content_of(delivery)
        try:
            if delivery.pinned and self._pins.holds(digest):
                return os.open(self._pins.path(digest), os.O_RDONLY | os.O_CLOEXEC)
            root_fd = paths.open_root(self._roots[delivery.root].folder)
            try:
                fd = paths.open_file(root_fd, version.path)
            finally:
                os.close(root_fd)
        except (OSError, KeyError) as error:
            raise Changed(paths.show(version.path)) from error
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)  # a pipe or a directory: reading it would wait, or make no sense
        raise Changed(paths.show(version.path))

    def read(self, delivery: Delivery, parcel: Parcel) -> Reading:
        """The bytes of a parcel from their start. Errors: Changed."""
        try:
            fd = self.open(delivery) if parcel.path is None else os.open(parcel.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Changed(paths.show(delivery.version.path)) from error
        return Reading(fd, parcel)

    async def prepare(self, delivery: Delivery, *, raw: bool = False, waits: bool = False, staged: str = "") -> Parcel:
        """The parcel of a delivery's content, coded unless `raw` is asked for.

        `waits`: it will wait for the link, or nobody for it, so that there is time to make it small. `staged` is the coding of
        which the destination holds a part already.

        Errors: Changed, also where the file cannot be read any more: intake finds out what is wrong with it.
        """
        digest = content_of(delivery)
        if raw:
            self.discard(digest)
        if (ready := self._parcels.get(digest)) is not None:
            return ready
        fd = self.open(delivery)
        self._n_coding += 1
        try:
            codings = (RAW,) if raw else self._codings(fd, delivery, waits=waits, staged=staged)
            parcel = await self._code(fd, delivery, codings=codings)
        except OSError as error:
            raise Changed(paths.show(delivery.version.path)) from error
        finally:
            self._n_coding -= 1
            os.close(fd)
        if parcel.path is not None:
            self._parcels[digest] = parcel
        return parcel

    def discard(self, digest: Digest) -> None:
        """A content needs its parcel no more."""
        parcel = self._parcels.pop(digest, None)
        if parcel is not None and parcel.path is not None:
            remove(parcel.path)

    def _codings(self, fd: int, delivery: Delivery, *, waits: bool, staged: str) -> tuple[str, ...]:
        size = delivery.version.size
        if size > self._keep_bytes:
            room = os.statvfs(self._directory)
            if room.f_bavail * room.f_frsize < size + KEEP_FREE_BYTES:
                FALLBACKS.labels("any", "no_room").inc()
                return (RAW,)
        head, compression = os.pread(fd, HEAD_BYTES, 0), self._roots[delivery.root].compression
        effort = _EFFORTS.get(compression, Effort.BEST if waits else Effort.PROMPT)
        begun = [coding for coding in candidates(head, size) if coding == staged != RAW]
        return tuple(dict.fromkeys((*begun, *candidates(head, size, effort))))

    async def _code(self, fd: int, delivery: Delivery, *, codings: tuple[str, ...]) -> Parcel:
        digest, version = content_of(delivery), delivery.version
        for coding in codings:
            if coding == RAW:
                break
            path = self._directory / f"{digest.hex()}.{coding}"
            try:
                coded = await self._encode(coding, fd, path)
            except ContentError as refusal:
                remove(path)
                FALLBACKS.labels(coding, refusal.reason).inc()
                continue
            except OSError as error:
                remove(path)
                if error.errno not in _NO_ROOM:
                    raise
                FALLBACKS.labels(coding, "no_room").inc()
                break
            except BaseException:
                remove(path)
                raise
            if coded.content_digest != digest:
                remove(path)
                raise Changed(paths.show(version.path))
            return Parcel(coding, coded.coded_bytes, coded.coded_digest, path)
        return Parcel(RAW, version.size, digest, None)

    async def _encode(self, coding: str, fd: int, path: Path) -> Coded:
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return await self._workers.encode(coding, fd, target)
        finally:
            os.close(target)


def content_of(delivery: Delivery) -> Digest:
    """The digest of a delivery that has a content."""
    digest = delivery.version.digest
    assert digest is not None, f"{delivery.version.id} has no content"  # noqa: S101 - the callers' routing rules it out
    return digest


class Reading:
    """The coded bytes of a parcel, piece by piece, with the digest of all that was read. Blocking; used from a thread."""

    def __init__(self, fd: int, parcel: Parcel) -> None:
        """Takes over the descriptor."""
        self._fd, self._parcel = fd, parcel
        self._hasher = blake3()
        self.offset = 0

    def skip(self, n_bytes: int, prefix_digest: Digest) -> bool:
        """Passes over what the destination has already, if its digest is that of our own first bytes; else nothing."""
        if n_bytes > self._parcel.coded_bytes:
            return False
        hasher = blake3()
        offset = 0
        while offset < n_bytes:
            piece = self._pread(min(PIECE_BYTES, n_bytes - offset), offset)
            if not piece:
                return False
            hasher.update(piece)
            offset += len(piece)
        if hasher.digest() != prefix_digest:
            return False
        self._hasher, self.offset = hasher, offset
        return True

    def piece(self) -> bytes:
        """The next bytes; none at the end, where a live file has grown beyond its version, or where it cannot be read."""
        left = self._parcel.coded_bytes - self.offset
        piece = self._pread(min(PIECE_BYTES, left), self.offset)
        self._hasher.update(piece)
        self.offset += len(piece)
        return piece

    def _pread(self, n_bytes: int, offset: int) -> bytes:
        try:
            return os.pread(self._fd, n_bytes, offset)
        except OSError:
            return b""  # a bad sector: the content ends here, so it is not whole, and intake names the reason

    def is_whole(self) -> bool:
        """Whether every byte was read and they are the parcel's: a live file may have changed under our hands."""
        return self.offset == self._parcel.coded_bytes and self._hasher.digest() == self._parcel.coded_digest

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self._fd)
