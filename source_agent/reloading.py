"""A configuration that is read again: what takes effect at once, and what waits for the next start. Pure."""

from __future__ import annotations

from common.admin.reloading import Reloaded, compared
from source_agent.config import PolicySection, SourceConfig
from source_agent.windows import Deferral, Plan

IN_POLICIES = frozenset({"bandwidth", "deferred", "inline_limit", "deadline", "pin_budget"})
AT_ONCE = IN_POLICIES | {"log"}
"""Keys of the file, and of its policies."""


def plan_of(config: SourceConfig) -> Plan:
    """Hours and rates."""
    return Plan(
        agent=config.bandwidth.timetables(),
        by_policy={policy.name: policy.bandwidth.timetables() for policy in config.policies},
        deferrals={policy.name: _deferral(policy) for policy in config.policies},
    )


def changes(before: SourceConfig, after: SourceConfig) -> Reloaded:
    """What another configuration changes; policies are told apart by their names."""
    top = compared(before.model_copy(update={"policies": after.policies}), after, live=AT_ONCE)
    changed, needs_restart = [*top.changed], [*top.needs_restart]
    old = {policy.name: policy for policy in before.policies}
    new = {policy.name: policy for policy in after.policies}
    for name in old | new:
        if name in old and name in new:
            inside = compared(old[name], new[name], live=AT_ONCE)
            changed += [f"policies.{name}.{key}" for key in inside.changed]
            needs_restart += [f"policies.{name}.{key}" for key in inside.needs_restart]
        else:
            needs_restart.append(f"policies.{name}")
    return Reloaded(tuple(changed), tuple(needs_restart))


def taken_over(before: SourceConfig, after: SourceConfig) -> SourceConfig:
    """The configuration that holds when another one was read: what takes effect at once, and everything else as it was."""
    new = {policy.name: policy for policy in after.policies}
    policies = tuple(
        policy.model_copy(update={key: getattr(new[policy.name], key) for key in IN_POLICIES}) if policy.name in new else policy
        for policy in before.policies
    )
    return before.model_copy(update={"bandwidth": after.bandwidth, "log": after.log, "policies": policies})


def _deferral(policy: PolicySection) -> Deferral:
    return Deferral(policy.deferred, policy.inline_limit, policy.deadline, policy.pin_budget)
