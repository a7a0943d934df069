"""Both agents killed at random moments while the link is cut and somebody goes on working in the library.

After every kill the source's journal is held against the destination's disk; at the end everything must be there.
"""

from __future__ import annotations

import random

import pytest

from common.clock import monotonic_s
from tests.fakes.compare import differences
from tests.fakes.receipts import broken_recipes, false_receipts, n_replicated
from tests.fakes.relay import Relay, Shape
from tests.fakes.sites import Running, Sites, pause, sites, until
from tests.fakes.trees import edit, write_library

SLOW = Shape(rate_bytes_s=150_000, rtt_s=0.02)
"""Slow enough that something is always under way."""


def one_round(at: Sites, relay: Relay, rng: random.Random, agents: dict[str, Running], *, longest_s: float) -> str:
    """Edits, perhaps cuts, kills one agent at a random moment, looks, and starts it again; what was killed."""
    edit(at.library, rng)
    if rng.random() < 0.7:  # on a busy machine most kills would come before anything has begun
        until(at.source_status, "the source's daemon answers")
    before_s = rng.uniform(0.2, longest_s)
    if rng.random() < 0.6:
        pause(before_s / 2)
        relay.cut()
        before_s /= 2
    pause(before_s)
    name = rng.choice(["source", "dest"])
    assert agents[name].is_alive, f"the {name} agent ended by itself"
    agents[name].kill()
    assert false_receipts(at) == []
    agents[name] = at.source() if name == "source" else at.dest()
    return name


def all_is_there(at: Sites, source: Running) -> None:
    """The daemon stops in peace; one undisturbed run, then the checks of every crash test."""
    until(at.source_status, "the source's daemon answers")
    assert source.stop() == 0
    at.once()
    assert false_receipts(at) == []
    assert broken_recipes(at) == []
    assert at.verify()["problems"] == []
    assert differences(at.library, at.restore()) == []


@pytest.mark.slow
def test_twelve_random_kills_with_cuts_and_edits_lose_nothing() -> None:
    """Any interleaving of edits, cuts and kills ends in the same two trees."""
    rng = random.Random(20)
    with sites(policy={"settle": "0.1s"}) as at, Relay(("127.0.0.1", at.port), SLOW) as relay:
        at.dial(relay.port)
        write_library(at.library, seed=2)
        agents = {"dest": at.dest(), "source": at.source()}
        killed = [one_round(at, relay, rng, agents, longest_s=2.5) for _ in range(12)]
        assert n_replicated(at), "nothing went through between the kills: they came too fast to show anything"
        assert {"source", "dest"} == set(killed)
        assert relay.n_cuts
        relay.shape = Shape()
        all_is_there(at, agents["source"])


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_random_kills_with_a_cut_every_two_seconds_lose_nothing() -> None:
    """What a bad month does, in half an hour."""
    rng = random.Random(21)
    with sites(policy={"settle": "0.1s"}) as at, Relay(("127.0.0.1", at.port), SLOW) as relay:
        at.dial(relay.port)
        write_library(at.library, seed=3, n_photos=60)
        agents = {"dest": at.dest(), "source": at.source()}
        cut_s = monotonic_s()
        for _ in range(200):
            one_round(at, relay, rng, agents, longest_s=4.0)
            if monotonic_s() - cut_s > 2:
                relay.cut()
                cut_s = monotonic_s()
        relay.shape = Shape()
        all_is_there(at, agents["source"])
