"""The hunt: picks an attack and inputs, spoils them, keeps what reached something new, saves what should not have happened.

Each attack gets the same time. What is kept of an attack are its seeds, and inputs that reached a line or an outcome
that nobody had.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

from common.ids import digest_of
from tests.fakes.forked import forked
from tests.fuzz.attacks import Attack, Inputs
from tests.fuzz.mutations import spoilt
from tests.fuzz.prey import Lines, Outcome, Prey

DEADLINE_S = 60.0
_CASES_OF_A_PREY = 300
_MOST_KEPT = 2000
_MOST_OF_A_KIND = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not have happened, saved in a folder."""

    attack: str
    outcome: Outcome
    folder: Path


@dataclass(slots=True)
class _Ground:
    """One attack's."""

    attack: Attack
    kept: list[Inputs]
    spent_s: float = 0.0
    n_cases: int = 0


@dataclass(slots=True)
class Bag:
    """What came of a hunt."""

    findings: list[Finding] = field(default_factory=list)
    words: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By attack."""
    lines: Lines = frozenset()

    @property
    def n_cases(self) -> int:
        """In all."""
        return sum(sum(words.values()) for words in self.words.values())


def hunt(attacks: Mapping[str, Attack], *, seconds: float, seed: int, findings: Path, deadline_s: float = DEADLINE_S) -> Bag:
    """Hunts for so long; each seed is met as it is first, which must be no finding either."""
    rng, bag = random.Random(seed), Bag()
    seeds, _ = forked(partial(_seeds, attacks))
    grounds = {name: _Ground(attack, seeds[name]) for name, attack in attacks.items()}
    end_s = monotonic() + seconds
    while monotonic() < end_s:
        name = min(grounds, key=lambda name: grounds[name].spent_s)
        _round(name, grounds[name], bag, rng, _Saved(findings, deadline_s, end_s))
    return bag


def _seeds(attacks: Mapping[str, Attack]) -> dict[str, list[Inputs]]:
    return {name: [tuple(inputs) for inputs in attack.seeds()] for name, attack in attacks.items()}


@dataclass(frozen=True, slots=True)
class _Saved:
    """Where findings go, and how long what may take."""

    findings: Path
    deadline_s: float
    end_s: float


def _round(name: str, ground: _Ground, bag: Bag, rng: random.Random, limits: _Saved) -> None:
    """Some cases of an attack, until its process is lost or has done enough."""
    start_s = monotonic()
    with Prey(ground.attack, bag.lines, limits.deadline_s) as prey:
        for _ in range(_CASES_OF_A_PREY):
            inputs = _next(ground, rng)
            outcome = prey.meet(inputs)
            is_new = bool(outcome.new_lines) or outcome.word not in bag.words[name]
            bag.words[name][outcome.word] += 1
            bag.lines |= outcome.new_lines
            if outcome.is_finding and bag.words[name][outcome.word] <= _MOST_OF_A_KIND:
                bag.findings.append(_save(name, inputs, outcome, limits.findings))
            if outcome.is_lost:
                break
            if is_new and not outcome.is_finding and len(ground.kept) < _MOST_KEPT:
                ground.kept.append(inputs)
            if monotonic() > limits.end_s or monotonic() - start_s > 2:
                break
    ground.spent_s += monotonic() - start_s


def _next(ground: _Ground, rng: random.Random) -> Inputs:
    """A seed as it is, or something kept with one of its inputs spoilt."""
    ground.n_cases += 1
    if ground.n_cases <= len(ground.kept):
        return ground.kept[ground.n_cases - 1]
    inputs = list(rng.choice(ground.kept))
    n_spoilt = rng.randint(min(1, len(ground.attack.spoils)), len(ground.attack.spoils))
    for at in rng.sample(ground.attack.spoils, n_spoilt):
        inputs[at] = spoilt(inputs[at], rng, [kept[at] for kept in ground.kept])
    return tuple(inputs)


def _save(attack: str, inputs: Inputs, outcome: Outcome, findings: Path) -> Finding:
    folder = findings / digest_of(attack.encode() + b"".join(inputs)).hex()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for n, content in enumerate(inputs):
        (folder / f"{n}.bin").write_bytes(content)
    (folder / "case.json").write_text(json.dumps({"attack": attack, "inputs": len(inputs), "outcome": outcome.told}, indent=1))
    return Finding(attack, outcome, folder)


def saved(folder: Path) -> tuple[str, Inputs]:
    """The attack and the inputs of a finding."""
    case = json.loads((folder / "case.json").read_text())
    return case["attack"], tuple((folder / f"{n}.bin").read_bytes() for n in range(case["inputs"]))
