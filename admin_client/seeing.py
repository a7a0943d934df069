"""Pictures looked at in worker processes, several at once, with a cache in front: hostile bytes never meet this process.

A picture that a worker refuses, or dies over, is remembered with its reason, and the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from admin_client.progress import Progress
from common import paths
from common.errors import ContentError
from common.ids import Digest
from common.looks import Looks
from common.paths import RelPath
from common.workers import Workers, each

_LASTING = frozenset({"unsupported", "too_large", "damaged"})
"""Reasons that are the picture's own and will be the same tomorrow."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a content can be read: one of its paths."""

    digest: Digest
    path: RelPath
    n_bytes: int


Pair = tuple[Source, Source]


@dataclass(slots=True)
class Seeing:
    """Looks at pictures below a directory. For one event loop."""

    root_fd: int
    workers: Workers
    n_at_once: int
    looks: Looks
    refused: dict[Digest, str] = field(default_factory=dict)
    """Contents that no worker could read, and why."""

    async def look(self, job: str, sources: Iterable[Source], *, progress: Progress) -> None:
        """Has each content looked at by a worker job, unless the cache knows it: afterwards it is kept there, or in `refused`.

        `job` names the kind in the cache too.
        """

        async def one(source: Source) -> None:
            """Looks at one content, unless it is known."""
            if self.looks.get(source.digest, job) is None:
                try:
                    seen = await self._ask(job, [source])
                except (ContentError, OSError) as error:
                    self._refuse(source, error)
                else:
                    self.looks.keep(source.digest, job, seen)
            progress.advance(source.n_bytes)

        known = [source for source in sources if not self._is_refused(source)]
        progress.stage(_STAGES[job], total_bytes=sum(source.n_bytes for source in known))
        await each(known, one, n_at_once=self.n_at_once)

    async def compare(self, pairs: Sequence[Pair], *, progress: Progress) -> Mapping[tuple[Digest, Digest], bytes]:
        """Has pairs of contents looked at closely by the job `compare`; a pair that fails is left out."""
        found: dict[tuple[Digest, Digest], bytes] = {}

        async def one(pair: Pair) -> None:
            """Compares one pair, unless it is known."""
            a, b = pair
            kind = f"compare {b.digest.hex()}"
            seen = self.looks.get(a.digest, kind)
            if seen is None:
                try:
                    seen = await self._ask("compare", pair)
                except (ContentError, OSError):
                    return
                self.looks.keep(a.digest, kind, seen)
            found[a.digest, b.digest] = seen
            progress.advance(a.n_bytes + b.n_bytes)

        if pairs:
            progress.stage(_STAGES["compare"], total_bytes=sum(a.n_bytes + b.n_bytes for a, b in pairs))
        await each(pairs, one, n_at_once=self.n_at_once)
        return found

    def _is_refused(self, source: Source) -> bool:
        reason = self.looks.get(source.digest, "refused")
        if reason is not None:
            self.refused[source.digest] = reason.decode()
        return source.digest in self.refused

    def _refuse(self, source: Source, error: ContentError | OSError) -> None:
        self.refused[source.digest] = str(error)
        if isinstance(error, ContentError) and error.reason in _LASTING:
            self.looks.keep(source.digest, "refused", str(error).encode())

    async def _ask(self, job: str, sources: Sequence[Source]) -> bytes:
        """The bytes that a job makes of contents. Errors: ContentError, also where a file is not what it was; OSError."""
        fds: list[int] = []
        try:
            fds += [paths.open_file(self.root_fd, source.path) for source in sources]
            return await self.workers.look(job, [(fd, source.digest) for fd, source in zip(fds, sources, strict=True)])
        finally:
            for fd in fds:
                os.close(fd)


_STAGES = {"glance": "Looking at pictures", "see": "Extracting features", "compare": "Looking closer"}
