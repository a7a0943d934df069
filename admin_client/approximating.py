"""Members that were announced and have not come: listed, and shown roughly where that is asked for.

Each is rendered by a worker, for what was announced is a peer's word, and written beside where the file belongs, under a name
that says what it is: it is no version, has no digest, and a later restore does not take it for one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from admin_client.client import AgentClient, ContentEnd
from admin_client.placement import NotPlaced, Tree
from common.errors import ContentError, IntegrityError, SmarterError
from common.ids import Digest, VersionId, digest_of
from common.model import Announcement, Attributes, Selection
from common.paths import RelPath
from common.workers import WALL_PER_CPU, Workers, delta_cpu_s

SUFFIX = b".approximate.png"


def approximated(
    client: AgentClient, trees: Mapping[str, Tree], *, selection: Selection, renders: bool
) -> tuple[list[Announcement], dict[VersionId, RelPath]]:
    """What has not come, and the paths of what was made in its stead. A state in the past has none.

    Errors: the client's. What cannot be shown is only listed.
    """
    if selection.at_ns:
        return [], {}
    announced = [one for one in client.announced(selection) if one.version.root in trees]
    made = {}
    for one in announced if renders else []:
        with suppress(NotPlaced, ContentError, IntegrityError, OSError):
            made[one.version.id] = _shown(client, trees[one.version.root], one)
    return announced, made


def _shown(client: AgentClient, tree: Tree, announced: Announcement) -> RelPath:
    """Writes one picture, and gives its path. Errors: NotPlaced, ContentError, IntegrityError, OSError."""
    base = _fetched(client, announced.version.id.agent, announced.base)
    picture = asyncio.run(_rendered(base, announced.approximation))
    attributes = Attributes(mode=announced.version.attributes.mode & 0o666, mtime_ns=announced.version.attributes.mtime_ns)
    path = RelPath(announced.version.path + SUFFIX)
    version = replace(announced.version, path=path, digest=digest_of(picture), size=len(picture), attributes=attributes)
    if tree.needs_content(version):
        incoming = tree.receive(version)
        try:
            incoming.write(picture)
        except BaseException:
            incoming.discard()
            raise
        tree.finish_file(incoming)
    return path


def _fetched(client: AgentClient, source: str, digest: Digest) -> bytes:
    """A whole content. Errors: IntegrityError where it is not to be had."""
    content = b""
    pieces = client.fetch([(source, digest)])
    try:
        for piece in pieces:
            if isinstance(piece, ContentEnd):
                if piece.failed is not None:
                    raise IntegrityError(piece.failed.reason)
                return content
            content += piece
    finally:
        pieces.close()
    raise SmarterError("the destination ended the stream before the content")


async def _rendered(base: bytes, approximation: bytes) -> bytes:
    workers = Workers(1)
    with ExitStack() as closing:
        fds = [closing.enter_context(_memory(content)) for content in (base, approximation, b"")]
        cpu_s = delta_cpu_s(*fds)
        try:
            await workers.run("render", {}, fds=fds, cpu_s=cpu_s, wall_s=WALL_PER_CPU * cpu_s)
        finally:
            await workers.close()
        return os.pread(fds[-1], os.fstat(fds[-1]).st_size, 0)


@contextmanager
def _memory(content: bytes) -> Iterator[int]:
    fd = os.memfd_create("picture", os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)
