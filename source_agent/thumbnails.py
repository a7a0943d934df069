"""Small pictures for the operator's eyes, made of the files as they stand, by a worker that a hostile one may kill."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from common.errors import ContentError
from common.ids import Digest
from common.paths import show
from common.workers import Workers
from source_agent.journal import Journal
from source_agent.spool import Changed, Spool

SIDE = 256
MOST_SIDE = 1024
MOST_BYTES = 64 << 10
AT_ONCE = 2
"""Workers are there to replicate: no more of them are asked for this."""


@dataclass(slots=True)
class Thumbnails:
    """Makes thumbnails; keeps none."""

    journal: Journal
    spool: Spool
    workers: Workers
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE), init=False)

    async def thumbnail(self, digest: Digest, *, max_side: int) -> bytes:
        """A JPEG of at most `MOST_BYTES` with so many pixels a side.

        Errors: ContentError with why there is none: no file has the content now, or a worker would not or could not read it.
        """
        delivery = await asyncio.to_thread(self.journal.standing, digest)
        if delivery is None:
            raise ContentError("unknown", "no file has this picture any more")
        async with self._turns:
            try:
                fd = await asyncio.to_thread(self.spool.open, delivery)
            except Changed:
                raise ContentError("changed", f"{show(delivery.version.path)} cannot be opened") from None
            try:
                return await self.workers.look("thumbnail", [(fd, digest)], {"side": max_side, "bytes": MOST_BYTES})
            finally:
                os.close(fd)
