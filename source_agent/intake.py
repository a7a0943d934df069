"""From a dirty path to a version: what stands there, its attributes and the digest of its content, read once.

    1. Stat the path without following a link. Gone, excluded or a socket: it is ABSENT. Not at rest yet: later.
    2. Open it, stat it, hash every byte, pin it (S2), stat it again. A file that changed meanwhile, or so shortly before
       that its times could not tell, is read again, after a few tries later: no version ever has the digest of bytes that
       never stood in the file together.
    3. Journal what was found, many paths to a transaction (S3).

A crash before 3 leaves the path dirty. What cannot be read is set aside with its reason and stops no other file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

from blake3 import blake3

from common import paths
from common.clock import Clock
from common.errors import ContentError
from common.ids import Digest
from common.magic import is_image
from common.metrics import REREADS, UNREADABLE
from common.model import Attributes, Kind
from common.paths import ROOT, RelPath
from source_agent.capture import KIND_BY_TYPE, attributes, lasting_signature, signature, xattrs_of
from source_agent.deliveries import Delivery, Observation, RootId
from source_agent.journal import Journal
from source_agent.pins import PinMode, Pins
from source_agent.roots import Root
from source_agent.selection import role_of
from source_agent.settle import Settling

READ_BYTES = 1 << 20
READ_TRIES = 3
BATCH = 256
BATCH_S = 0.1
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_REPLACED = {errno.ELOOP, errno.ENXIO}
"""A link or a socket stands where a file was a moment ago: the path was never without an entry."""


@dataclass(slots=True)
class Taken:
    """What became of a list of dirty paths."""

    deliveries: list[Delivery] = field(default_factory=list)
    restless: list[tuple[RootId, RelPath]] = field(default_factory=list)
    """Still dirty: not at rest, or changed while read."""


class Restless(ContentError):
    """The file is being written to."""

    def __init__(self) -> None:
        super().__init__("changing", "it changes while it is read")


class Intake:
    """Looks at dirty paths and journals what it finds. Threads: `take` is called by one at a time."""

    def __init__(self, roots: Sequence[Root], journal: Journal, *, pins: Pins, clock: Clock, threads: int = 2) -> None:
        """Keeps no state but the files that are coming to rest."""
        self._roots = {root.id: root for root in roots}
        self._journal, self._pins, self._clock = journal, pins, clock
        self._settling = Settling()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="intake")

    def close(self) -> None:
        """Ends the reading threads."""
        self._pool.shutdown(cancel_futures=True)

    def take(self, dirty: Sequence[tuple[RootId, RelPath]], *, at_rest_only: bool) -> Taken:
        """Looks at every path and journals the outcome in batches, the quick ones not waiting for the large.

        Errors: DatabaseError. A path of a root that is no longer configured stays dirty and is left out.
        """
        taken = Taken()
        found: list[Observation] = []
        flushed = self._clock.monotonic_s()
        for start in range(0, len(dirty), BATCH):
            futures = {
                self._pool.submit(self.look, self._roots[root], path, at_rest_only=at_rest_only): (root, path)
                for root, path in dirty[start : start + BATCH]
                if root in self._roots
            }
            for future in as_completed(futures):
                self._sort(future, *futures[future], found, taken)
                now = self._clock.monotonic_s()
                if len(found) >= BATCH or now - flushed > BATCH_S:
                    taken.deliveries += self._journal.record(found)
                    found, flushed = [], now
        if found:
            taken.deliveries += self._journal.record(found)
        return taken

    def _sort(self, future: Future[Observation], root: RootId, path: RelPath, found: list[Observation], taken: Taken) -> None:
        try:
            found.append(future.result())
        except Restless:
            taken.restless.append((root, path))
        except ContentError as error:
            UNREADABLE.labels(error.reason).inc()
            self._journal.note_unreadable(root, path, str(error))
        except OSError as error:
            UNREADABLE.labels(errno.errorcode.get(error.errno or 0, "unknown")).inc()
            self._journal.note_unreadable(root, path, error.strerror or str(error))

    def look(self, root: Root, path: RelPath, *, at_rest_only: bool) -> Observation:
        """What stands at a path now. Errors: Restless; ContentError, OSError with the reason it cannot be read."""
        try:
            paths.relpath(path)
        except ValueError as error:
            raise ContentError("path", str(error)) from error
        root_fd = paths.open_root(root.folder)
        try:
            if path == ROOT:
                st = os.fstat(root_fd)
                return self._observe(root, path, st, attributes(st, xattrs=_xattrs(root_fd)))
            with paths.directory(root_fd, paths.parent(path)) as directory:
                return self._look_in(directory, root, path, at_rest_only=at_rest_only)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            if self._journal.device(root.id) not in {0, os.fstat(root_fd).st_dev}:
                raise ContentError("root", f"{root.folder} is on another device than before; is it mounted?") from error
            return self._absent(root, path)
        finally:
            os.close(root_fd)

    def _look_in(self, directory: int, root: Root, path: RelPath, *, at_rest_only: bool) -> Observation:
        name = paths.name(path)
        st = os.stat(name, dir_fd=directory, follow_symlinks=False)
        kind = KIND_BY_TYPE.get(stat.S_IFMT(st.st_mode))
        if kind is None or not root.rules.takes_whole_path(path, is_directory=kind is Kind.DIRECTORY):
            return self._absent(root, path)
        if kind is Kind.DIRECTORY:
            return self._observe(root, path, st, attributes(st, xattrs=_listable(directory, name)))
        if kind is not Kind.FILE:
            target = os.readlink(name, dir_fd=directory) if kind is Kind.SYMLINK else b""
            return self._observe(root, path, st, attributes(st, xattrs=_xattrs(_by_descriptor(directory, name)), target=target))
        if at_rest_only and not self._settling.is_quiet(
            (root.id, path),
            size=st.st_size,
            mtime_ns=st.st_mtime_ns,
            now_s=self._clock.monotonic_s(),
            now_ns=self._clock.now_ns(),
            settle_s=root.settle_s,
        ):
            raise Restless
        if root.max_file_bytes is not None and st.st_size > root.max_file_bytes:
            raise ContentError("too_large", f"{st.st_size} bytes: the policy takes at most {root.max_file_bytes}")
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            if error.errno in _REPLACED:
                raise Restless from error
            raise
        try:
            return self._read(fd, root, path)
        finally:
            os.close(fd)

    def _read(self, fd: int, root: Root, path: RelPath) -> Observation:
        for _ in range(READ_TRIES):
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise Restless  # replaced by something else since it was looked at
            if not lasting_signature(before, now_ns=self._clock.now_ns()):
                raise Restless  # a write in the same tick of the file system's clock would not show in its times
            hasher = blake3()
            head, n_bytes = b"", 0
            while piece := os.read(fd, READ_BYTES):
                head = head or piece[:64]
                hasher.update(piece)
                n_bytes += len(piece)
            digest = Digest(hasher.digest())
            had_pin = self._pins.holds(digest)
            pinned = self._pin(fd, digest, root.pin)
            after = os.fstat(fd)
            found = attributes(after, xattrs=_xattrs(fd))
            if signature(before) == signature(after) and n_bytes == after.st_size:
                seen = self._observe(root, path, after, found)
                awaits_group = root.groups and is_image(head)
                return replace(seen, digest=digest, role=role_of(head), awaits_group=awaits_group, pinned=pinned)
            if pinned and not had_pin:
                self._pins.unpin(digest)  # it may hold other bytes than the digest says
            REREADS.inc()
            os.lseek(fd, 0, os.SEEK_SET)
        raise Restless

    def _pin(self, fd: int, digest: Digest, mode: PinMode) -> bool:
        """Pins. Errors: ContentError: what is wrong with the pin must not be taken for something wrong with the path."""
        try:
            return self._pins.pin(fd, digest, mode)
        except OSError as error:
            raise ContentError("pin", f"no copy of it can be kept until it is delivered: {error.strerror or error}") from error

    def _observe(self, root: Root, path: RelPath, st: os.stat_result, found: Attributes) -> Observation:
        now_ns = self._clock.now_ns()
        kind = KIND_BY_TYPE[stat.S_IFMT(st.st_mode)]
        return Observation(
            root=root.id,
            path=path,
            kind=kind,
            attributes=found,
            observed_ns=now_ns,
            signature=lasting_signature(st, now_ns=now_ns) if kind is Kind.FILE else signature(st),
            size=st.st_size if kind is Kind.FILE else 0,
        )

    def _absent(self, root: Root, path: RelPath) -> Observation:
        self._settling.forget((root.id, path))
        return Observation(root.id, path, Kind.ABSENT, Attributes(), self._clock.now_ns(), signature=b"")


def _listable(at: int, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The attributes of a directory, if what it holds can be seen. Errors: OSError where not, for then all of it is missing."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        os.stat(".", dir_fd=fd)  # the right to enter
        with os.scandir(fd) as listing:
            next(listing, None)
        return _xattrs(fd)
    finally:
        os.close(fd)


def _by_descriptor(directory: int, name: bytes) -> bytes:
    """A path to an entry that works whatever the length of the directory's own path."""
    return b"/proc/self/fd/%d/%s" % (directory, name)


def _xattrs(target: int | bytes) -> tuple[tuple[bytes, bytes], ...]:
    try:
        return xattrs_of(target)
    except ValueError as error:
        raise ContentError("xattrs", str(error)) from error
