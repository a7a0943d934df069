"""What the steps of the source hand to one another: what stands at a path, and a version on its way. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from common.ids import Digest
from common.model import Attributes, Kind, Role, Version
from common.paths import RelPath

RootId = int


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root as the journal knows it."""

    id: RootId
    policy: str
    name: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What intake found at a path: everything that a version needs besides its number."""

    root: RootId
    path: RelPath
    kind: Kind
    attributes: Attributes
    observed_ns: int
    signature: bytes
    digest: Digest | None = None
    size: int = 0
    role: Role = Role.NONE
    awaits_group: bool = False
    """A picture, whose role is not known before it has been compared with others."""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A version on its way."""

    version: Version
    root: RootId
    pinned: bool
    ready: int = 0
    """The how manieth it was to become QUEUED."""
