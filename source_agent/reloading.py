"""A configuration that is read again: what takes effect at once, and what waits for the next start. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from source_agent.config import PolicySection, SourceConfig
from source_agent.windows import Deferral, Plan

AT_ONCE = frozenset({"bandwidth", "deferred", "inline_limit", "deadline", "pin_budget"})
"""Keys of the file, and of its policies."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The keys that are others than before, as they stand in the file."""

    taken: tuple[str, ...]
    """In effect now."""
    at_restart: tuple[str, ...]
    """In effect after the next start."""


def plan_of(config: SourceConfig) -> Plan:
    """Hours and rates."""
    return Plan(
        agent=config.bandwidth.timetables(),
        by_policy={policy.name: policy.bandwidth.timetables() for policy in config.policies},
        deferrals={policy.name: _deferral(policy) for policy in config.policies},
    )


def changes(before: SourceConfig, after: SourceConfig) -> Changes:
    """What another configuration changes."""
    found = [*_differences(before, after, "", skip={"policies"})]
    old = {policy.name: policy for policy in before.policies}
    new = {policy.name: policy for policy in after.policies}
    for name in old | new:
        if name in old and name in new:
            found += _differences(old[name], new[name], f"policies.{name}.")
        else:
            found.append((f"policies.{name}", False))
    taken = tuple(key for key, is_taken in found if is_taken)
    return Changes(taken, tuple(key for key, is_taken in found if not is_taken))


def taken_over(before: SourceConfig, after: SourceConfig) -> SourceConfig:
    """The configuration that holds when another one was read: what takes effect at once, and everything else as it was."""
    new = {policy.name: policy for policy in after.policies}
    policies = tuple(
        policy.model_copy(update={key: getattr(new[policy.name], key) for key in AT_ONCE}) if policy.name in new else policy
        for policy in before.policies
    )
    return before.model_copy(update={"bandwidth": after.bandwidth, "policies": policies})


def _deferral(policy: PolicySection) -> Deferral:
    return Deferral(policy.deferred, policy.inline_limit, policy.deadline, policy.pin_budget)


def _differences(
    before: BaseModel, after: BaseModel, place: str, *, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[tuple[str, bool]]:
    for key in type(before).model_fields:
        if key not in skip and getattr(before, key) != getattr(after, key):
            yield f"{place}{key}", key in AT_ONCE
