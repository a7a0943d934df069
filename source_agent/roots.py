"""A watched directory with the rules of its policy, as every step of the source uses it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from common import paths
from common.paths import RelPath
from source_agent.config import SourceConfig
from source_agent.deliveries import RootId, RootKey
from source_agent.journal import Journal
from source_agent.pins import PinMode
from source_agent.rules import Rules


class Compression(StrEnum):
    """What pictures are recoded by."""

    AUTO = "auto"
    """What makes the fewest bytes while contents wait for the link, or a drain has time; else what is prompt for its bytes."""
    BEST = "best"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Root:
    """One root: where it is, its journal key, and what its policy says."""

    key: RootKey
    folder: Path
    rules: Rules
    settle_s: float = 0.5
    rescan_s: float = 3600.0
    pin: PinMode = PinMode.REFLINK
    max_file_bytes: int | None = None
    compression: Compression = Compression.AUTO
    groups: bool = False
    """Whether pictures are compared with others before they go."""
    review_s: float = 0.0
    """How long the user may choose the representative of a group before any of it goes."""

    @property
    def id(self) -> RootId:
        """The journal's number of this root."""
        return self.key.id

    def show(self, path: RelPath) -> str:
        """A path of this root for people: the folder as the operator wrote it, then the rest."""
        return f"{self.folder}/{paths.show(path)}" if path else str(self.folder)


def roots_of(config: SourceConfig, journal: Journal) -> list[Root]:
    """The roots that a configuration names, with their keys in the journal."""
    return [
        Root(
            key=journal.root(policy.name, root.name),
            folder=root.path,
            rules=Rules(include=policy.include, exclude=policy.exclude),
            settle_s=policy.settle,
            rescan_s=policy.rescan,
            pin=PinMode(policy.pin),
            max_file_bytes=policy.max_file_bytes,
            compression=Compression(policy.compression),
            groups=policy.images.group,
            review_s=policy.images.review if policy.images.selection == "review" else 0.0,
        )
        for policy in config.policies
        for root in policy.roots
    ]
