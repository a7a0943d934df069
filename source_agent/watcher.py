"""What the kernel says about changes below the roots: one inotify watch for each directory.

A hint that saves waiting for the rescan, never the truth: intake looks at every path itself, and a rescan finds what no
event told.

Directories are watched as the scanner enters them, before it lists them, so nothing between listing and watching is missed.
A full event queue (overflow) loses events; the caller rescans everything then.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field

from inotify_simple import INotify, flags

from common import paths
from common.paths import RelPath
from source_agent.deliveries import RootId

# No MODIFY: a file is complete when its writer closes it, and what is never closed is found by the rescan.
_MASK = (
    flags.CREATE
    | flags.CLOSE_WRITE
    | flags.ATTRIB
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.ONLYDIR
    | flags.EXCL_UNLINK
)
_NAMES_CHANGED = flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO

Place = tuple[RootId, RelPath]


@dataclass(slots=True)
class Changes:
    """What one reading of the event queue said."""

    touched: set[Place] = field(default_factory=set)
    arrived: set[Place] = field(default_factory=set)
    """Directories that are new here, whatever is in them."""
    left: set[Place] = field(default_factory=set)
    """Directories that were moved away with all that was in them."""
    overflowed: bool = False


class Watcher:
    """The watches of all roots. Threads: `enter` may be called from a scanning thread while another reads."""

    def __init__(self) -> None:
        """Errors: OSError where the kernel grants no inotify instance."""
        self._inotify = INotify(nonblocking=True)
        self._places_by_watch: dict[int, set[Place]] = {}
        """Several where two roots hold the same directory: the kernel gives an inode one watch."""
        self._watch_by_place: dict[Place, int] = {}
        self._lock = threading.Lock()
        self.unwatched = 0
        """Directories that got no watch, for want of fs.inotify.max_user_watches."""

    def fileno(self) -> int:
        """For the event loop to wait on."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Ends all watches."""
        self._inotify.close()

    def enter(self, root: RootId, path: RelPath, fd: int) -> None:
        """Watches an open directory from now on; what was watched under this path before, is not any more."""
        with self._lock:
            try:
                watch = self._inotify.add_watch(b"/proc/self/fd/%d" % fd, _MASK)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.ENOMEM}:
                    raise
                self.unwatched += 1
                return
            if self._watch_by_place.get((root, path)) != watch:
                self._end((root, path))
            self._places_by_watch.setdefault(watch, set()).add((root, path))
            self._watch_by_place[root, path] = watch

    def read(self) -> Changes:
        """Everything that was told since the last reading; never waits."""
        changes = Changes()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                changes.overflowed = True
                continue
            with self._lock:
                if event.mask & flags.IGNORED:
                    for place in self._places_by_watch.pop(event.wd, ()):
                        self._watch_by_place.pop(place, None)
                places = tuple(self._places_by_watch.get(event.wd, ()))
            for place in places:
                self._sort(place, event.mask, os.fsencode(event.name), changes)
        return changes

    def _sort(self, place: Place, mask: int, name: bytes, changes: Changes) -> None:
        root, directory = place
        touched = (root, paths.join(directory, name) if name else directory)
        changes.touched.add(touched)
        if mask & _NAMES_CHANGED:
            changes.touched.add(place)  # its mtime has changed, which no event tells
        if mask & flags.ISDIR and mask & (flags.CREATE | flags.MOVED_TO):
            changes.arrived.add(touched)
        elif mask & flags.ISDIR and mask & flags.MOVED_FROM:
            changes.left.add(touched)
            self._leave(touched)

    def _leave(self, place: Place) -> None:
        """Ends the watches of a directory that was moved away: below its new place they are made anew."""
        root, path = place
        with self._lock:
            gone = [p for p in self._watch_by_place if p[0] == root and (p[1] == path or p[1].startswith(path + b"/"))]
            for p in gone:
                self._end(p)

    def _end(self, place: Place) -> None:
        """Forgets a place, and ends its watch if no other place has it."""
        watch = self._watch_by_place.pop(place, None)
        places = self._places_by_watch.get(watch, set()) if watch is not None else set()
        places.discard(place)
        if watch is None or places:
            return
        self._places_by_watch.pop(watch, None)
        try:
            self._inotify.rm_watch(watch)
        except OSError as error:
            if error.errno != errno.EINVAL:  # the kernel had dropped it already
                raise
