"""What the destination wants of a content that a source offers. Pure: the facts are gathered by `offers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.model import Answer, Covered, Have, Match, Offer, Refusal, RefusalCode, SendWhole, Sketch, Staged


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be taken, in bytes."""

    content_bytes: int
    """Largest content."""
    free_bytes: int
    min_free_bytes: int
    """Of free space that uploads never use."""


def plan(offer: Offer, room: Room, *, held: bool, staged: Staged | None, matches: Sequence[Match] = ()) -> Answer:
    """The answer to one offer. `held`: a version of the source, or of one that shares with it, has this content already.

    Only `held` contents are answered with `Have`: knowing a digest must not give access to another source's bytes.
    `matches`: pictures of the source's namespace that look like the offered one, the best first; those that are richer cover it.
    """
    if held:
        return Have()
    refused = refusal(offer.size, room)
    if refused is not None:
        return refused
    richer = [] if offer.sketch is None else _richer(matches, rank(offer.sketch, offer.size))
    return Covered(tuple(richer)) if richer else SendWhole(staged)


def rank(sketch: Sketch, size: int) -> tuple[int, int, int, int]:
    """How much a picture says, the larger the better [S §III-A]; as the source ranks its own."""
    return sketch.n_features, sketch.pixels, sketch.n_metadata, size


def _richer(matches: Sequence[Match], offered: tuple[int, int, int, int]) -> list[Match]:
    return [match for match in matches if rank(match.sketch, match.size) > offered]


def refusal(n_bytes: int, room: Room) -> Refusal | None:
    """Why a content of `n_bytes` is not taken; None where it is."""
    if n_bytes > room.content_bytes:
        return Refusal(RefusalCode.TOO_LARGE, f"a content of {n_bytes} bytes: at most {room.content_bytes} are taken here")
    if room.free_bytes - n_bytes < room.min_free_bytes:
        return Refusal(RefusalCode.NO_SPACE, f"{room.free_bytes} bytes are free, {room.min_free_bytes} of them are kept free")
    return None
