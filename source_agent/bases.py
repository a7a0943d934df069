"""What a member's delta may be over. Pure: the facts are gathered by `deltas`.

A base is a content that the destination is known to hold whole and that can be read here. The first that is looked for is the
picture that the member hangs on, and the one that stands for its group; then others that are like it: near-duplicates that went
whole, what the destination found like it, other shots of the scene.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from common.ids import Digest

MOST_BASES = 3
"""That are tried for one target."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture like a member."""

    digest: Digest
    is_whole: bool
    """The destination gave a receipt for it, and not for a delta."""
    stands: bool
    """A file here has it."""
    is_coming: bool
    """It is on its way there, or will be without waiting for a member."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The best base is not there yet."""


@dataclass(frozen=True, slots=True)
class NoBase:
    """There is none, and will be none: the member goes whole."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bases:
    """Those to try, the most promising first."""

    digests: tuple[Digest, ...]


def bases_of(candidates: Sequence[Candidate], *, refused: Collection[Digest] = ()) -> Wait | NoBase | Bases:
    """What a member's delta is to be over; `refused`: those that the destination does not take, or that could not be read here.

    Only the first candidate is waited for: it stands for the group, and what is like it will be as near in an hour.
    """
    if candidates and candidates[0].is_coming and candidates[0].digest not in refused:
        return Wait()
    usable = [one.digest for one in candidates if one.is_whole and one.stands and one.digest not in refused]
    if usable:
        return Bases(tuple(usable[:MOST_BASES]))
    if any(one.is_whole and not one.stands for one in candidates):
        return NoBase("base_gone")
    return NoBase("refused" if any(one.digest in refused for one in candidates) else "no_base")
