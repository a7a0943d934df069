"""The steps a delivery and a delta may make. Literal tables; `journal.advance` is the one writer.

No state means "someone is busy": what was in flight at a crash is simply still QUEUED, and sending it again is harmless
because content is named by its digest and a version by its id. So a restart needs no un-sticking.
"""

from __future__ import annotations

from enum import StrEnum

from common.errors import IllegalTransition


class State(StrEnum):
    """Where a version is on its way to the destination."""

    IDENTIFIED = "identified"
    """Digest and attributes are known. Only a picture is found so on disk, until its group is known."""
    QUEUED = "queued"
    DEFERRED = "deferred"
    """A member of a group: it goes when no representative waits."""
    REPLICATED = "replicated"
    SUPERSEDED = "superseded"
    """Its bytes were gone before they could be sent; a later version of the path stands for it."""
    QUARANTINED = "quarantined"
    """Refused for a reason that resending does not cure; kept with the reason until the operator asks again."""


class DeltaState(StrEnum):
    """Where a member's delta is. Its delivery stays DEFERRED until the delta is STORED."""

    WAITING = "waiting"
    DUE = "due"
    ENCODED = "encoded"
    STORED = "stored"
    FELL_BACK = "fell_back"
    DROPPED = "dropped"


STEPS: dict[State, frozenset[State]] = {
    State.IDENTIFIED: frozenset({State.QUEUED, State.DEFERRED, State.SUPERSEDED}),
    State.QUEUED: frozenset({State.REPLICATED, State.SUPERSEDED, State.QUARANTINED, State.DEFERRED}),
    State.DEFERRED: frozenset({State.QUEUED, State.REPLICATED, State.SUPERSEDED, State.QUARANTINED}),
    # A receipt may cross with the change that superseded its version: what is durable at B is durable.
    State.SUPERSEDED: frozenset({State.REPLICATED}),
    State.QUARANTINED: frozenset({State.QUEUED, State.SUPERSEDED}),
    State.REPLICATED: frozenset(),
}

DELTA_STEPS: dict[DeltaState, frozenset[DeltaState]] = {
    DeltaState.WAITING: frozenset({DeltaState.DUE, DeltaState.FELL_BACK, DeltaState.DROPPED}),
    DeltaState.DUE: frozenset({DeltaState.ENCODED, DeltaState.FELL_BACK, DeltaState.DROPPED}),
    DeltaState.ENCODED: frozenset({DeltaState.STORED, DeltaState.FELL_BACK, DeltaState.DROPPED}),
    DeltaState.STORED: frozenset(),
    DeltaState.FELL_BACK: frozenset(),
    DeltaState.DROPPED: frozenset(),
}

UNDELIVERED = (State.IDENTIFIED, State.QUEUED, State.DEFERRED)
"""The states that a version must leave before the destination can be said to hold everything."""


def step(before: State, after: State) -> State:
    """Checks one step of a delivery. Errors: IllegalTransition; staying where one is, is no step and always allowed."""
    if after is not before and after not in STEPS[before]:
        raise IllegalTransition(f"a delivery cannot go from {before} to {after}")
    return after
