"""The tables of steps: what a delivery and a delta may and may not do."""

from __future__ import annotations

from itertools import product

import pytest

from common.errors import IllegalTransition
from source_agent.states import DELTA_STEPS, STEPS, UNDELIVERED, DeltaState, State, step

LEGAL = {
    ("identified", "queued"),
    ("identified", "deferred"),
    ("identified", "superseded"),
    ("queued", "replicated"),
    ("queued", "superseded"),
    ("queued", "quarantined"),
    ("queued", "deferred"),
    ("deferred", "queued"),
    ("deferred", "replicated"),
    ("deferred", "superseded"),
    ("deferred", "quarantined"),
    ("superseded", "replicated"),
    ("quarantined", "queued"),
    ("quarantined", "superseded"),
}
LEGAL_DELTA = {
    *((before, after) for before in ("waiting", "due", "encoded") for after in ("fell_back", "dropped")),
    ("waiting", "due"),
    ("due", "encoded"),
    ("encoded", "stored"),
}


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_a_delivery_makes_the_steps_of_the_table_and_no_other(before: State, after: State) -> None:
    """The table is written out twice, here by hand: a step added by accident is seen."""
    if (before, after) in LEGAL or before is after:
        assert step(before, after) is after
    else:
        with pytest.raises(IllegalTransition, match=f"{before} to {after}"):
            step(before, after)


def test_a_delta_makes_the_steps_of_the_table_and_no_other() -> None:
    """Whatever is not yet stored may fall back or be dropped; the rest goes forward one step at a time."""
    assert {(before, after) for before, afters in DELTA_STEPS.items() for after in afters} == LEGAL_DELTA
    assert DELTA_STEPS.keys() == set(DeltaState)


def test_every_state_has_its_row_and_replicated_is_the_end() -> None:
    """What is durable at the destination never becomes anything else."""
    assert STEPS.keys() == set(State)
    assert STEPS[State.REPLICATED] == frozenset()


def test_every_undelivered_state_can_reach_a_receipt() -> None:
    """No state that waits is a dead end, so nothing has to be un-stuck after a crash."""
    ends = {state for state in State if State.REPLICATED in STEPS[state]}
    assert all(state in ends or STEPS[state] & ends for state in UNDELIVERED)


def test_no_state_says_that_someone_is_busy() -> None:
    """A word for work in hand would be a lie after the process that did the work is gone."""
    busy = ("ing", "busy", "active", "locked")
    assert [state for state in State if state.value.endswith(busy)] == []
    assert [state for state in DeltaState if state.value.endswith(busy)] == ["waiting"], (
        "waiting is for its base, not for a worker"
    )
