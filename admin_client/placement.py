"""Putting versions in place below one directory, through descriptors, so that no symbolic link leads outside.

Directories are made first, with mode 0700 and nothing inherited; what they hold comes next; their own mode, owner, ACLs
and times come last, deepest first, because a restored directory may well be read-only. Each directory is synced once,
then. A crash before leaves complete files under their names, directories that are still 0700, and perhaps part files;
running the restore again finds the former present and completes the rest.

Nothing that stands in the way is touched unless the caller says `overwrite`, and a directory never gives way to a file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from blake3 import blake3

from admin_client.fidelity import Owners, apply_attributes, descriptor_path
from admin_client.incoming import PART_NAME, Incoming, exists, give_name, part_name
from common import durable, paths
from common.errors import SmarterError
from common.model import Attributes, Kind, Version
from common.paths import ROOT, RelPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FOLDERS = 64
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class NotPlaced(SmarterError):
    """One path was not restored; the message is the reason, for the list of what was refused."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a restore treats what it meets."""

    overwrite: bool = False
    owners: Owners = field(default_factory=Owners)


class Tree:
    """One root being restored below an open directory. Used by one thread; only `Incoming` may end in another."""

    def __init__(self, root_fd: int, rules: Rules, *, folders: Mapping[RelPath, Attributes] | None = None) -> None:
        """`folders` has the attributes of directories that may have to be made although nobody asked for them."""
        self._root_fd = root_fd
        self._rules = rules
        self._folders = folders or {}
        self._open: OrderedDict[RelPath, int] = OrderedDict()
        self._entered: set[RelPath] = set()
        self._attributes: dict[RelPath, Attributes] = {}
        self._changed: set[RelPath] = set()
        self.notes: Counter[str] = Counter()

    def place_directory(self, version: Version) -> bool:
        """Makes a directory, or goes into the one that is there; True where it was made. Errors: NotPlaced."""
        with refusals():
            made = version.path != ROOT and self._make_folder(version.path)
            fd = self._folder(version.path)
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & stat.S_IRWXU != stat.S_IRWXU:
                # Its own mode returns at the end; until then its owner must be able to write here.
                with suppress(PermissionError):
                    os.fchmod(fd, mode | stat.S_IRWXU)
            self._attributes[version.path] = version.attributes
            return made

    def place_special(self, version: Version) -> bool:
        """Makes a symbolic link or a FIFO; False where the same is there already. Errors: NotPlaced."""
        with refusals():
            folder, entry = self._folder_of(version.path), paths.name(version.path)
            if self._is_same_special(version, folder):
                return False
            self._check_free(folder, entry)
            part = part_name()
            if version.kind is Kind.SYMLINK:
                os.symlink(version.attributes.target, part, dir_fd=folder)
            else:
                os.mkfifo(part, 0o600, dir_fd=folder)
            try:
                fd = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                try:
                    self.notes.update(apply_attributes(descriptor_path(fd), version.attributes, owners=self._rules.owners))
                finally:
                    os.close(fd)
                give_name(part, entry, dir_fd=folder, overwrite=self._rules.overwrite)
            except BaseException:
                if exists(part, dir_fd=folder):
                    os.unlink(part, dir_fd=folder)
                raise
            return True

    def needs_content(self, version: Version) -> bool:
        """Whether a file's bytes must be fetched; False where the same bytes stand there already. Errors: NotPlaced.

        With `overwrite` a file that has the bytes is given the version's attributes.
        """
        with refusals():
            folder, entry = self._folder_of(version.path), paths.name(version.path)
            if self._is_same_file(version, folder):
                return False
            self._check_free(folder, entry)
            return True

    def receive(self, version: Version) -> Incoming:
        """Opens a part file for a version's bytes. Errors: NotPlaced."""
        with refusals():
            return Incoming(version, dir_fd=self._folder_of(version.path))

    def finish_file(self, incoming: Incoming) -> list[str]:
        """Proves and names a received file; gives the notes on its attributes. May run in any thread.

        Errors: IntegrityError; NotPlaced; OSError.
        """
        with refusals():
            return incoming.finish(overwrite=self._rules.overwrite, owners=self._rules.owners)

    @contextmanager
    def reading(self, path: RelPath) -> Iterator[int]:
        """A descriptor of a placed file for the length of the block. Errors: OSError, NotPlaced."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(paths.name(path), flags, dir_fd=self._folder_of(path))
        try:
            yield fd
        finally:
            os.close(fd)

    def place_link(self, version: Version, first: Tree, *, at: RelPath) -> bool:
        """Gives the file at `at` in `first` one more name; False where that name has the same already.

        Errors: FileNotFoundError where the first name was not restored; NotPlaced.
        """
        with paths.directory(first._root_fd, paths.parent(at)) as source_fd:
            os.lstat(paths.name(at), dir_fd=source_fd)
            with refusals():
                folder, entry = self._folder_of(version.path), paths.name(version.path)
                if version.kind is Kind.FILE and self._is_same_file(version, folder):
                    return False
                self._check_free(folder, entry)
                part = part_name()
                os.link(paths.name(at), part, src_dir_fd=source_fd, dst_dir_fd=folder, follow_symlinks=False)
                try:
                    give_name(part, entry, dir_fd=folder, overwrite=self._rules.overwrite)
                finally:
                    # Renaming one name of a file onto another of the same does nothing, and leaves both.
                    if exists(part, dir_fd=folder):
                        os.unlink(part, dir_fd=folder)
            return True

    def finish(self, pool: Executor) -> None:
        """Gives directories their attributes and syncs every directory that was changed, deepest first.

        Errors: OSError. A directory that vanished meanwhile is somebody else's doing and left.
        """
        self._close_folders()
        by_depth: dict[int, list[RelPath]] = {}
        for path in self._changed | self._attributes.keys():
            by_depth.setdefault(path.count(b"/") + 1 if path else 0, []).append(path)
        for depth in sorted(by_depth, reverse=True):
            for notes in pool.map(self._finish_directory, by_depth[depth]):
                self.notes.update(notes)

    def close(self) -> None:
        """Closes every descriptor, the root's too."""
        self._close_folders()
        os.close(self._root_fd)

    # directories

    def _folder_of(self, path: RelPath) -> int:
        """The open directory that a path goes into, made if it must be."""
        if path == ROOT:
            raise NotPlaced("the root of a policy is a directory; this version of it is not")
        folder = paths.parent(path)
        self._changed.add(folder)
        try:
            return self._folder(folder)
        except FileNotFoundError:
            self._make_parents(folder)
            return self._folder(folder)

    def _folder(self, path: RelPath) -> int:
        """An open directory; a few dozen are kept, since entries come directory by directory. Valid until the next call."""
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        if path == ROOT:
            fd = os.dup(self._root_fd)
        elif (above := paths.parent(path)) in self._open:
            fd = os.open(paths.name(path), _DIRECTORY, dir_fd=self._open[above])
        else:
            with paths.directory(self._root_fd, path) as found:
                fd = os.dup(found)
        self._open[path] = fd
        if len(self._open) > _OPEN_FOLDERS:
            _, oldest = self._open.popitem(last=False)
            os.close(oldest)
        if path not in self._entered:
            self._entered.add(path)
            _sweep_parts(fd)
        return fd

    def _make_folder(self, path: RelPath) -> bool:
        folder, entry = self._folder_of(path), paths.name(path)
        for _ in range(2):
            try:
                os.mkdir(entry, 0o700, dir_fd=folder)
            except FileExistsError:
                if stat.S_ISDIR(os.lstat(entry, dir_fd=folder).st_mode):
                    return False
                if not self._rules.overwrite:
                    raise NotPlaced("something that is not a directory stands there") from None
                os.unlink(entry, dir_fd=folder)
            else:
                self._entered.add(path)
                return True
        raise NotPlaced("another process puts something there")

    def _make_parents(self, path: RelPath) -> None:
        """Makes the directories that lead to a path of a partial restore, dressed as the destination knows them."""
        parts = path.split(b"/")
        for n in range(1, len(parts) + 1):
            above = RelPath(b"/".join(parts[:n]))
            if self._make_folder(above) and above in self._folders:
                self._attributes[above] = self._folders[above]

    def _finish_directory(self, path: RelPath) -> list[str]:
        try:
            with paths.directory(self._root_fd, path) as fd:
                attributes = self._attributes.get(path)
                notes = apply_attributes(fd, attributes, owners=self._rules.owners) if attributes else []
                durable.sync_file(fd)
                return notes
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _close_folders(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    # what stands in the way

    def _check_free(self, folder: int, entry: bytes) -> None:
        try:
            st = os.lstat(entry, dir_fd=folder)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(st.st_mode):
            raise NotPlaced("a directory stands there")
        if not self._rules.overwrite:
            raise NotPlaced("something else stands there; --overwrite replaces it")

    def _is_same_special(self, version: Version, folder: int) -> bool:
        entry = paths.name(version.path)
        try:
            st = os.lstat(entry, dir_fd=folder)
        except FileNotFoundError:
            return False
        if self._rules.overwrite:
            return False
        if version.kind is Kind.FIFO:
            return stat.S_ISFIFO(st.st_mode)
        return stat.S_ISLNK(st.st_mode) and os.readlink(entry, dir_fd=folder) == version.attributes.target

    def _is_same_file(self, version: Version, folder: int) -> bool:
        entry = paths.name(version.path)
        try:
            st = os.lstat(entry, dir_fd=folder)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(st.st_mode) or st.st_size != version.size:
            return False
        fd = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            if _digest(fd) != version.digest:
                return False
            if self._rules.overwrite:
                self.notes.update(apply_attributes(fd, version.attributes, owners=self._rules.owners))
            return True
        finally:
            os.close(fd)


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what the file system refuses of one path into NotPlaced; what stops the whole restore stays an OSError."""
    try:
        yield
    except FileExistsError:
        raise NotPlaced("something appeared there meanwhile") from None
    except OSError as error:
        if error.errno in _FATAL:
            raise
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise NotPlaced("something that is not a directory stands on the way to it") from None
        raise NotPlaced(error.strerror or str(error)) from None


def _sweep_parts(fd: int) -> None:
    """Takes away the part files of a restore that was interrupted in this directory."""
    for entry in map(os.fsencode, os.listdir(fd)):
        # A directory of such a name is none of ours: it is somebody's, or what a stranger put there to stop a restore.
        if PART_NAME.fullmatch(entry) and not stat.S_ISDIR(os.lstat(entry, dir_fd=fd).st_mode):
            os.unlink(entry, dir_fd=fd)


def _digest(fd: int) -> bytes:
    hashed = blake3()
    while piece := os.read(fd, 1 << 20):
        hashed.update(piece)
    return hashed.digest()
