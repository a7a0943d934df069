"""Starts one of the programs with a lie built in: `python -m tests.fakes.sabotaging NAME[,NAME] [POINT N] PROGRAM ARGS`.

The checks that the crash tests end with are worth what they would catch. Each sabotage here is a mistake that this program
must never make; a test runs it and wants the checks to fail. POINT and N kill the program as `crashing` does, where the
lie would otherwise be mended before anybody looks.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence

from blake3 import blake3

from common.ids import Digest
from common.model import Begin, Data, End, Frame, Proved, Refusal, Stored, Version
from dest_agent.catalogue import Arrival
from dest_agent.committer import Committer
from dest_agent.landing import Landing
from dest_agent.staging import StagedFile
from dest_agent.store import ObjectKey
from source_agent.deliveries import Delivery
from source_agent.sender import Sender
from source_agent.spool import Parcel
from source_agent.states import State
from source_agent.tools import Outcome
from source_agent.uploads import Consignment, UploadStream
from tests.fakes import crashing

SPOILED_UPLOADS = 2


def receipt_before_commit() -> None:
    """The destination says "stored" at once, and would write the catalogue some other day."""

    async def commit(self: Committer, arrival: Arrival) -> Stored | Refusal:
        del self, arrival
        crashing.fired("receipt_before_commit")
        return Stored(Proved.CONTENT)

    Committer.commit = commit  # type: ignore[method-assign]


def commit_before_publish() -> None:
    """The destination writes the catalogue first and puts the object in its place afterwards."""
    publish, commit = Landing._publish, Committer.commit
    postponed: dict[Digest, tuple[Landing, StagedFile, ObjectKey]] = {}

    def later(self: Landing, kept: StagedFile, key: ObjectKey) -> int:
        postponed[key.digest] = (self, kept, key)
        return kept.path.stat().st_size

    async def first(self: Committer, arrival: Arrival) -> Stored | Refusal:
        outcome = await commit(self, arrival)
        if arrival.content is not None:
            await asyncio.to_thread(publish, *postponed.pop(arrival.content.digest))
        return outcome

    Landing._publish = later  # type: ignore[method-assign]
    Committer.commit = first  # type: ignore[method-assign]


def no_proof() -> None:
    """The destination takes whatever came for what it was said to be."""

    async def believed(self: Landing, version: Version, digest: Digest, staged: StagedFile) -> StagedFile:
        del self, version, digest
        return staged

    Landing._proved = believed  # type: ignore[method-assign]


def corrupt_in_flight() -> None:
    """The first contents that the source sends are not those that it read; the digest at the end is right for them."""
    write = UploadStream._write
    spoiling: dict[UploadStream, blake3] = {}
    n_spoiled = 0

    async def spoil(self: UploadStream, frame: Frame, consignment: Consignment, parcel: Parcel) -> None:
        nonlocal n_spoiled
        match frame:
            case Begin() if frame.coding != "raw" and n_spoiled < SPOILED_UPLOADS:
                spoiling[self] = blake3()
                n_spoiled += 1
            case Data(offset, content) if self in spoiling:
                frame = Data(offset, bytes([content[0] ^ 1]) + content[1:])
                spoiling[self].update(frame.data)
            case End() if self in spoiling:
                crashing.fired(f"corrupt_in_flight {n_spoiled}")
                frame = End(Digest(spoiling.pop(self).digest()))
        await write(self, frame, consignment, parcel)

    UploadStream._write = spoil  # type: ignore[method-assign]


def replicated_on_end() -> None:
    """The source takes its own last frame for the destination's receipt."""

    def uploaded(self: Sender, delivery: Delivery) -> None:
        crashing.fired("replicated_on_end")
        self._end(Outcome(delivery, State.REPLICATED, uploaded=True))

    Sender.uploaded = uploaded  # type: ignore[method-assign]


SABOTAGES: Mapping[str, Callable[[], None]] = {
    sabotage.__name__: sabotage
    for sabotage in (receipt_before_commit, commit_before_publish, no_proof, corrupt_in_flight, replicated_on_end)
}


def main(arguments: Sequence[str]) -> None:
    """Builds the lies in and becomes the program."""
    for name in arguments[0].split(","):
        SABOTAGES[name]()
    crashing.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
