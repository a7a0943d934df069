"""What the destination wants of a content that a source offers. Pure: the facts are gathered by `offers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.delta import METHODS
from common.model import (
    Answer,
    Covered,
    DeltaOffer,
    Have,
    Match,
    Offer,
    Recipe,
    Refusal,
    RefusalCode,
    SendDelta,
    SendWhole,
    Sketch,
    Staged,
    Whole,
)

DELTA_METHODS = tuple(name for name, method in METHODS.items() if method.needs_base)
"""The methods of deltas that are decoded here."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be taken, in bytes."""

    content_bytes: int
    """Largest content."""
    free_bytes: int
    min_free_bytes: int
    """Of free space that uploads never use."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an offered content."""

    held: bool
    """A version of the source, or of one that shares with it, has this content already."""
    staged: Staged | None = None
    matches: Sequence[Match] = ()
    """Pictures of the source's namespace that look like the offered one, the best first; those that are richer cover it."""
    base: Recipe | None = None
    """How the base of an offered delta is kept; None where the source, and who shares with it, has no such content."""


def plan(offer: Offer, room: Room, known: Known) -> Answer:
    """The answer to one offer.

    Only held contents are answered with `Have`: knowing a digest must not give access to another source's bytes.
    """
    if known.held:
        return Have()
    refused = refusal(offer.size, room)
    if refused is not None:
        return refused
    if offer.delta is not None:
        return bad_base(offer.delta, known.base) or SendDelta(known.staged)
    richer = [] if offer.sketch is None else _richer(known.matches, rank(offer.sketch, offer.size))
    return Covered(tuple(richer)) if richer else SendWhole(known.staged)


def bad_base(delta: DeltaOffer, base: Recipe | None) -> Refusal | None:
    """Why a delta is not taken over a base that is kept so; None where it is. What deltas are over is kept whole."""
    if delta.method not in DELTA_METHODS:
        return Refusal(RefusalCode.BAD_BASE, f"deltas by {delta.method!r} are not known here")
    if base is None:
        return Refusal(RefusalCode.BAD_BASE, "the base is not here")
    return None if isinstance(base, Whole) else Refusal(RefusalCode.BAD_BASE, "the base is kept as a delta itself")


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
