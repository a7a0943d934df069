"""What `smarter-source once` and `reindex` did: the JSON that they print."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Summary:
    """What `once` did: the JSON of CLI.md, with what was skipped and which codings fell back beside it."""

    files: int = 0
    versions: int = 0
    logical_bytes: int = 0
    sent_bytes: dict[str, int] = field(default_factory=dict)
    representatives: int = 0
    members: int = 0
    exact_duplicates: int = 0
    in_review: int = 0
    """Groups that hold something back, for they wait for the user's word."""
    unreadable: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)
    delta_fallbacks: dict[str, int] = field(default_factory=dict)
    """Members that went whole, by reason."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the agent and its workers; known once those have ended."""

    @property
    def is_partial(self) -> bool:
        """Whether some file is not at the destination as it is here."""
        return bool(self.unreadable or self.refused)


@dataclass(slots=True)
class Reindexed:
    """What `reindex` did."""

    pictures: int
    lost: int
    """Those that no file has any more: nothing that comes is compared with them."""
    seconds: float
