"""How much may still be taken: the limits of the configuration against the free space of the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.metrics import FREE_BYTES
from dest_agent.planner import Room, refusal
from dest_agent.store import ObjectStore


@dataclass(slots=True)
class Space:
    """The store's free space, and whether the disk is full.

    `full`: a write was refused and none has succeeded since. A quota or a full inode table refuses while bytes are free.
    """

    store: ObjectStore
    content_bytes: int
    min_free_bytes: int
    full: bool = field(default=False, init=False)

    def room(self) -> Room:
        """What may be taken now. Errors: StoreFailed."""
        free_bytes = self.store.free_bytes()
        FREE_BYTES.set(free_bytes)
        return Room(self.content_bytes, free_bytes, self.min_free_bytes)

    @property
    def accepting(self) -> bool:
        """Whether even a small content has a place. Errors: StoreFailed."""
        return not self.full and refusal(0, self.room()) is None
