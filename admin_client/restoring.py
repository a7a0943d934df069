"""`smarter restore`: what a destination holds, laid out under a directory as it was.

1. One listing is counted for its sources and roots: the layout depends on them, not on what a glob picks.
2. Entries arrive directories first. Directories, links and FIFOs are placed at once; contents are asked for on one
   stream, a window ahead of the answers, and written as they come (`Incoming`). A few threads sync and name them.
3. Further names of one file are linked once its first name stands; further files of one content are copied from the
   first, so that each content crosses the link, and is decoded, once.
4. Directories get their attributes and are synced (`Tree.finish`).
A crash leaves what `placement` and `incoming` say; the same command, run again, keeps what is there and completes it.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from admin_client.approximating import approximated
from admin_client.client import AgentClient, Piece
from admin_client.fidelity import Owners
from admin_client.incoming import Incoming
from admin_client.manifest import manifest_of, write_manifest
from admin_client.placement import NotPlaced, Rules, Tree, refusals
from admin_client.progress import Progress
from admin_client.report import RestoreReport
from common import durable
from common.clock import monotonic_s
from common.errors import IntegrityError, PeerError, SmarterError
from common.ids import Digest, VersionId
from common.model import Attributes, Kind, RefusalCode, Selection, Version
from common.paths import RelPath, open_root, show

_WINDOW = 128
"""Contents asked for ahead of the one being received."""
_REMEMBERED = 1 << 16
"""Contents that a later file of the same content may be copied from."""
_COPY_BYTES = 1 << 20
_SYNCING = 8
"""Threads that sync and name files; a disk takes several syncs at once for the price of one."""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What is restored, where to, and how what stands there is treated."""

    selection: Selection
    to: Path
    overwrite: bool = False
    numeric_ids: bool = False
    approximate: bool = False
    """Whether what has not come is shown, roughly."""
    only: frozenset[VersionId] | None = None
    """Of the selection, these alone; None for all."""


def restore(client: AgentClient, request: RestoreRequest, *, progress: Progress) -> RestoreReport:
    """Restores a selection of one policy of one source. Single paths that cannot be are in the report, not raised.

    Errors: SmarterError where nothing fits the selection, several sources do, or the directory is in use; OSError where
    the disk ends the whole restore; the client's errors. What was placed until then stays and counts as present next time.
    """
    begun_s = monotonic_s()
    wanted = request.selection
    progress.stage("Listing")
    found = client.survey(Selection(policy=wanted.policy, source=wanted.source, at_ns=wanted.at_ns))
    source = _only_source(wanted, {name for name, _ in found.roots})
    selection = Selection(policy=wanted.policy, source=source, glob=wanted.glob, at_ns=wanted.at_ns)
    roots = sorted({root for _, root in found.roots})
    folders = _folders(client, selection) if wanted.glob or request.only is not None else {}
    report = RestoreReport()
    with ExitStack() as stack:
        trees = _open_trees(request, roots, folders=folders, stack=stack)
        pool = stack.enter_context(ThreadPoolExecutor(_SYNCING, "restore"))
        progress.stage("Restoring", total_bytes=None if wanted.glob else found.n_bytes)
        restoration = _Restoration(client, trees, report=report, pool=pool, progress=progress)
        restoration.run(v for v in _versions(client, selection) if request.only is None or v.id in request.only)
        announced, shown = approximated(client, trees, selection=selection, renders=request.approximate)
        report.announced = [show(one.version.path) for one in announced]
        report.approximate = [show(path) for path in shown.values()]
        if request.approximate:
            report.manifest, versions = manifest_of(request.to), _versions(client, selection)
            lost = restoration.lost
            report.counts = write_manifest(report.manifest, versions, lost=lost, announced=announced, shown=shown)
        progress.stage("Finishing directories")
        for tree in trees.values():
            tree.finish(pool)
            report.notes.update(tree.notes)
    report.seconds = monotonic_s() - begun_s
    return report


def _only_source(wanted: Selection, sources: set[str]) -> str:
    if not sources:
        of = f" of source {wanted.source}" if wanted.source else ""
        raise SmarterError(
            f"the destination holds nothing of policy {wanted.policy!r}{of} at that time; `smarter ls` shows what it holds"
        )
    if len(sources) > 1:
        raise SmarterError(
            f"several sources have a policy {wanted.policy!r}: say which with --from {' or --from '.join(sorted(sources))}"
        )
    return sources.pop()


def _folders(client: AgentClient, selection: Selection) -> dict[str, dict[RelPath, Attributes]]:
    """The attributes of every directory by root, for those that a glob's matches lie in."""
    everything = Selection(policy=selection.policy, source=selection.source, at_ns=selection.at_ns)
    found: dict[str, dict[RelPath, Attributes]] = {}
    for version in _versions(client, everything):
        if version.kind is Kind.DIRECTORY:
            found.setdefault(version.root, {})[version.path] = version.attributes
    return found


def _versions(client: AgentClient, selection: Selection) -> Iterator[Version]:
    return (entry.version for entry in client.entries(selection))


def _open_trees(
    request: RestoreRequest, roots: list[str], *, folders: dict[str, dict[RelPath, Attributes]], stack: ExitStack
) -> dict[str, Tree]:
    """One tree for each root: the directory itself for the only one, else a folder of its name in it."""
    rules = Rules(overwrite=request.overwrite, owners=Owners(numeric_ids=request.numeric_ids))
    durable.make_directory(request.to)
    top = open_root(request.to)
    stack.callback(os.close, top)
    try:
        # Held until the end: a second restore would sweep this one's part files away.
        fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SmarterError(f"{request.to}: another restore writes there; let it end first") from None
    trees: dict[str, Tree] = {}
    for root in roots:
        if len(roots) == 1:
            fd = os.dup(top)
        else:
            with suppress(FileExistsError):
                os.mkdir(root, 0o700, dir_fd=top)
            fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
        trees[root] = Tree(fd, rules, folders=folders.get(root))
        stack.callback(trees[root].close)
    if len(roots) > 1:
        stack.callback(durable.sync_file, top)
    return trees


@dataclass(frozen=True, slots=True)
class _Inode:
    """What the names of one file have in common."""

    key: int
    kind: Kind
    digest: Digest | None
    target: bytes


def _next(pieces: Iterator[Piece]) -> Piece:
    try:
        return next(pieces)
    except StopIteration:
        raise PeerError("the destination ended the stream before the last content") from None


class _Restoration:
    """One run: the trees, the fetch stream and the threads behind it, and the report they fill."""

    def __init__(
        self, client: AgentClient, trees: dict[str, Tree], *, report: RestoreReport, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._client = client
        self._trees = trees
        self._report = report
        self._pool = pool
        self._progress = progress
        self._first_by_inode: dict[_Inode, Version] = {}
        self._links: list[Version] = []
        self._first_by_digest: OrderedDict[Digest, Version] = OrderedDict()
        self._copies: list[tuple[Version, Version]] = []
        """Files whose content is that of another file of this run, each with that other one."""
        self.lost: set[VersionId] = set()
        """Refused or damaged: no first name for a link, whatever else stands at its path."""
        self._finishing: deque[tuple[Version, Future[list[str]]]] = deque()

    def run(self, versions: Iterable[Version]) -> None:
        """Places every version; what could not be linked to, or copied from, its first file is fetched like one of its own."""
        while True:
            self._links, self._copies = [], []
            self._place_all(versions)
            orphaned = [version for version, first in self._copies if not self._copy(version, first)]
            while self._finishing:
                self._settle()
            orphaned += [version for version in self._links if not self._link(version)]
            if not orphaned:
                return
            self._first_by_inode.clear()
            self._first_by_digest.clear()
            versions = orphaned

    def _place_all(self, versions: Iterable[Version]) -> None:
        asked: SimpleQueue[tuple[str, Digest] | None] = SimpleQueue()
        pieces = self._client.fetch(iter(asked.get, None))
        waiting: deque[Version] = deque()
        try:
            for version in versions:
                if not self._place_now(version) or self._copies_later(version):
                    continue
                assert version.digest is not None, "only files have contents"  # noqa: S101 - Version checks it
                asked.put((version.id.agent, version.digest))
                waiting.append(version)
                if len(waiting) >= _WINDOW:
                    self._receive(waiting.popleft(), pieces)
            while waiting:
                self._receive(waiting.popleft(), pieces)
            while self._finishing:
                self._settle()
        finally:
            # Also ends gRPC's thread, which waits in the queue.
            asked.put(None)
            pieces.close()

    def _place_now(self, version: Version) -> bool:
        """Places what needs no content; True for a file whose bytes must come."""
        try:
            tree = self._trees[version.root]
        except KeyError:
            raise PeerError(f"root {version.root!r} appeared while the restore began; run it again") from None
        if version.attributes.hardlink and version.kind is not Kind.DIRECTORY:
            inode = _Inode(version.attributes.hardlink, version.kind, version.digest, version.attributes.target)
            if self._first_by_inode.setdefault(inode, version) is not version:
                self._links.append(version)
                return False
        try:
            match version.kind:
                case Kind.DIRECTORY:
                    tree.place_directory(version)
                    self._report.directories += 1
                case Kind.SYMLINK if tree.place_special(version):
                    self._report.symlinks += 1
                case Kind.FIFO if tree.place_special(version):
                    self._report.fifos += 1
                case Kind.FILE if tree.needs_content(version):
                    return True
                case Kind.ABSENT:
                    pass
                case _:
                    self._present(version)
        except NotPlaced as refused:
            self._refuse(version, str(refused))
        return False

    def _receive(self, version: Version, pieces: Iterator[Piece]) -> None:
        """Takes one content off the stream, whatever becomes of its file, and hands the file to the threads."""
        incoming: Incoming | None = None
        try:
            incoming = self._trees[version.root].receive(version)
        except NotPlaced as refused:
            self._refuse(version, str(refused))
        try:
            while isinstance(piece := _next(pieces), bytes):
                self._progress.advance(len(piece))
                if incoming is not None:
                    incoming = self._write(incoming, piece, version=version)
        except BaseException:
            if incoming is not None:
                incoming.discard()
            raise
        if incoming is None:
            return
        if piece.failed is not None:
            incoming.discard()
            report = self._damage if piece.failed.code is RefusalCode.PROOF_FAILED else self._refuse
            report(version, piece.failed.reason or piece.failed.code.name.lower())
            return
        self._finish(version, incoming)

    def _finish(self, version: Version, incoming: Incoming) -> None:
        self._finishing.append((version, self._pool.submit(self._trees[version.root].finish_file, incoming)))
        if len(self._finishing) > 4 * _SYNCING:
            self._settle()

    def _write(self, incoming: Incoming, piece: bytes, *, version: Version) -> Incoming | None:
        try:
            with refusals():
                incoming.write(piece)
        except NotPlaced as refused:
            incoming.discard()
            self._refuse(version, str(refused))
            return None
        except IntegrityError as error:
            incoming.discard()
            self._damage(version, str(error))
            return None
        return incoming

    def _settle(self) -> None:
        """Takes the oldest of the files being finished into the report."""
        version, future = self._finishing.popleft()
        try:
            self._report.notes.update(future.result())
        except NotPlaced as refused:
            self._refuse(version, str(refused))
        except IntegrityError as error:
            self._damage(version, str(error))
        else:
            self._report.files += 1
            self._report.n_bytes += version.size

    def _copies_later(self, version: Version) -> bool:
        """Whether the content is on its way for another file already, to be copied from there; else it is remembered."""
        assert version.digest is not None, "only files have contents"  # noqa: S101 - Version checks it
        first = self._first_by_digest.setdefault(version.digest, version)
        if first is not version and version.size:
            self._copies.append((version, first))
            return True
        if len(self._first_by_digest) > _REMEMBERED:
            self._first_by_digest.popitem(last=False)
        return False

    def _copy(self, version: Version, first: Version) -> bool:
        """Makes a file from the one that was placed with the same content; False where that one is not there as it was."""
        if first.id in self.lost:
            return False
        try:
            incoming = self._copied(version, first)
        except NotPlaced as refused:
            self._refuse(version, str(refused))
        except (OSError, IntegrityError):
            return False
        else:
            self._progress.advance(version.size)
            self._finish(version, incoming)
        return True

    def _copied(self, version: Version, first: Version) -> Incoming:
        with self._trees[first.root].reading(first.path) as fd:
            incoming = self._trees[version.root].receive(version)
            try:
                while piece := os.read(fd, _COPY_BYTES):
                    with refusals():
                        incoming.write(piece)
                incoming.prove()
            except BaseException:
                incoming.discard()
                raise
        return incoming

    def _link(self, version: Version) -> bool:
        """Gives a placed file one more name; False where its first name is not there."""
        attributes = version.attributes
        first = self._first_by_inode[_Inode(attributes.hardlink, version.kind, version.digest, attributes.target)]
        if first.id in self.lost:
            return False
        try:
            made = self._trees[version.root].place_link(version, self._trees[first.root], at=first.path)
        except FileNotFoundError:
            return False
        except NotPlaced as refused:
            self._refuse(version, str(refused))
        else:
            self._report.hardlinks += made
            if not made:
                self._present(version)
        return True

    def _present(self, version: Version) -> None:
        self._report.present += 1
        self._progress.advance(version.size)

    def _damage(self, version: Version, reason: str) -> None:
        self.lost.add(version.id)
        self._report.damaged.append((self._show(version), reason))

    def _refuse(self, version: Version, reason: str) -> None:
        self.lost.add(version.id)
        self._report.refused.append((self._show(version), reason))

    def _show(self, version: Version) -> str:
        path = show(version.path)
        return path if len(self._trees) == 1 else f"{version.root}/{path}"
