"""Finds what changed below a root by comparing every path's stat signature with the journal; reads no file.

    1. Open a directory, tell the watcher of it (so that nothing that happens from now on is missed).
    2. List and stat it; compare with the journalled signatures of the same directory.
    3. Yield what is new, changed or gone. A directory that cannot be listed yields itself, and nothing below it is
       taken for gone.
    4. After a scan of the whole root, yield what could not be read before.

Memory holds one directory's signatures at a time, so a scan of millions of files stays small. A crash loses the scan, no more.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from common import paths
from common.paths import ROOT, RelPath
from source_agent.capture import KIND_BY_TYPE, SKIPPED_TYPES, signature
from source_agent.journal import Journal
from source_agent.roots import Root

Entered = Callable[[RelPath, int], None]


class RootUnavailable(OSError):
    """The root cannot be opened or looks unmounted; what is journalled below it is left alone."""


@dataclass(slots=True)
class Seen:
    """What a scan met on its way, for the summary and the status."""

    files: int = 0
    logical_bytes: int = 0
    skipped: list[tuple[RelPath, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scanner:
    """Scans one root."""

    root: Root
    journal: Journal

    def changes(self, seen: Seen, *, below: RelPath = ROOT, entered: Entered | None = None) -> Iterator[RelPath]:
        """Paths that differ from the journal, at or below a directory.

        `entered(path, fd)` is called for each directory before it is listed.
        Errors: RootUnavailable.
        """
        root_fd = self._open_root()
        try:
            if below == ROOT and self.journal.signatures(self.root.id, ROOT).get(b"") != signature(os.fstat(root_fd)):
                yield ROOT
            # A stack, not recursion: folders may be nested deeper than Python's frames, and only one is open at a time.
            pending = [below]
            while pending:
                directory = pending.pop()
                try:
                    with paths.directory(root_fd, directory) as fd:
                        changed, inside = self._compare(fd, directory, seen, entered)
                except OSError:
                    yield directory  # gone or unreadable: intake finds out which, and nothing below counts as gone
                    continue
                yield from changed
                pending.extend(reversed(inside))
            if below == ROOT:
                self.journal.remember_device(self.root.id, os.fstat(root_fd).st_dev)
                # What could not be read may be readable by now, or gone without ever having been journalled.
                yield from (path for key, path, _ in self.journal.unreadable() if key.id == self.root.id)
        finally:
            os.close(root_fd)

    def _open_root(self) -> int:
        try:
            fd = paths.open_root(self.root.folder)
        except OSError as error:
            raise RootUnavailable(error.errno, f"{self.root.folder}: {error.strerror}") from error
        device, before = os.fstat(fd).st_dev, self.journal.device(self.root.id)
        # A mount point whose disk is gone is an empty directory of another device: no reason to record a thousand deletions.
        if before not in {0, device} and not os.listdir(fd) and self.journal.signatures(self.root.id, ROOT).keys() - {b""}:
            os.close(fd)
            raise RootUnavailable(0, f"{self.root.folder}: empty and on another device than before; is it mounted?")
        return fd

    def _compare(self, fd: int, directory: RelPath, seen: Seen, entered: Entered | None) -> tuple[list[RelPath], list[RelPath]]:
        """What changed directly in a directory (with all that is gone below it), and the directories in it."""
        if entered is not None:
            entered(directory, fd)
        known = self.journal.signatures(self.root.id, directory)
        known.pop(b"", None)
        changed: list[RelPath] = []
        inside: list[RelPath] = []
        with os.scandir(fd) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            name = os.fsencode(entry.name)
            path = paths.join(directory, name)
            try:
                st = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # vanished since it was listed: it stays in `known`, so it is told as gone
            kind = stat.S_IFMT(st.st_mode)
            if not self.root.rules.takes(path, is_directory=kind == stat.S_IFDIR):
                continue
            if kind not in KIND_BY_TYPE:
                seen.skipped.append((path, SKIPPED_TYPES.get(kind, "unknown kind")))
                continue  # what stood here before, if anything, is gone
            if kind == stat.S_IFREG:
                seen.files += 1
                seen.logical_bytes += st.st_size
            elif kind == stat.S_IFDIR:
                inside.append(path)
            if known.pop(name, None) != signature(st):
                changed.append(path)
        for name in known:
            gone = paths.join(directory, name)
            changed += [gone, *self.journal.below(self.root.id, gone)]
        return changed, inside
