"""Which rate holds: timetables, the operator's word over them, and what a configuration that is read again changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.admin.reloading import Reloaded
from common.timetable import CLOSED, OFF, Timetable
from source_agent.config import SourceConfig, load_source_config
from source_agent.reloading import changes, plan_of, taken_over
from source_agent.windows import Class, Orders, Override, Plan, Windows

HOUR_NS = 3600 * 10**9
NOON_NS = 12 * HOUR_NS
"""Of 1 January 1970, a Thursday."""
NIGHTS = Timetable("08:00,closed 20:00,1M")
SOURCE = """\
version: 1
agent: {name: lisbon-1, state: ./state-a}
tls: {ca: ca.pem, cert: a.pem, key: a.key}
destination: {address: "127.0.0.1:7443"}
admin: {socket: ./source.sock}
policies:
  - {name: photos, roots: [./library]}
"""


def windows(**agent: str) -> Windows:
    """Of an agent with timetables in UTC, and a policy whose members go by night."""
    tables = {name: Timetable(text) for name, text in agent.items()}
    return Windows(Plan(tables, {"photos": {"deferred": NIGHTS}}))


def config(tmp_path: Path, text: str = SOURCE) -> SourceConfig:
    """A configuration from text."""
    (tmp_path / "source.yaml").write_text(text)
    return load_source_config(tmp_path / "source.yaml")


def test_a_class_is_open_when_every_timetable_over_it_is() -> None:
    """Its own and the link's, of the agent and of the policy."""
    of = windows(deferred="off", link="00:00,off 23:00,closed")
    assert [of.is_open(Class.DEFERRED, h * HOUR_NS, policy="photos") for h in (2, 12, 21, 23)] == [True, False, True, False]
    assert [of.is_open(Class.DEFERRED, h * HOUR_NS) for h in (2, 12, 21, 23)] == [True, True, True, False]
    assert of.rate(Class.DEFERRED, 21 * HOUR_NS, policy="photos") == 1 << 20
    assert of.rate(Class.CHUNKS, 0, policy="unknown") == OFF
    assert of.changes_ns(NOON_NS) == 20 * HOUR_NS


def test_an_override_sets_timetables_aside_until_it_ends() -> None:
    """Those of policies too."""
    of = windows(deferred="2M")
    of.orders.overrides[Class.DEFERRED] = Override(512.0, NOON_NS + HOUR_NS)
    assert of.is_open(Class.DEFERRED, NOON_NS, policy="photos")
    assert of.rate(Class.DEFERRED, NOON_NS) == 512
    assert of.changes_ns(NOON_NS) == NOON_NS + HOUR_NS
    assert not of.is_open(Class.DEFERRED, NOON_NS + HOUR_NS, policy="photos")
    assert of.rate(Class.DEFERRED, NOON_NS + HOUR_NS) == 2 << 20


def test_a_pause_is_stronger_and_a_drain_is_stronger_still() -> None:
    """Until it is resumed; a rate that is not closed goes on being one."""
    of = windows(deferred="2M", chunks="closed")
    of.orders.overrides[Class.DEFERRED] = Override(OFF, 99 * HOUR_NS)
    of.orders.paused.add(Class.LINK)
    assert of.rate(Class.LINK, NOON_NS) == CLOSED
    assert of.is_paused(Class.CHUNKS)
    assert not of.is_open(Class.DEFERRED, NOON_NS)
    of.orders.overrides.clear()
    of.is_draining = True
    assert not of.is_paused(Class.CHUNKS)
    assert [of.rate(one, NOON_NS) for one in (Class.LINK, Class.CHUNKS, Class.DEFERRED)] == [OFF, OFF, 2 << 20]
    assert of.is_open(Class.DEFERRED, NOON_NS, policy="photos")


def test_what_is_shown_says_when_it_opens() -> None:
    """Of policies only where they have hours of their own."""
    of = windows(deferred="off", chunks="closed", link="off")
    of.orders.overrides[Class.LINK] = Override(CLOSED, NOON_NS + HOUR_NS)
    shown = {(w.policy, w.of): w for w in of.windows(NOON_NS)}
    assert set(shown) == {("", Class.DEFERRED), ("", Class.CHUNKS), ("", Class.LINK), ("photos", Class.DEFERRED)}
    assert shown["", Class.CHUNKS].opens_ns is None
    assert shown["", Class.LINK].opens_ns == NOON_NS + HOUR_NS
    assert shown["photos", Class.DEFERRED].opens_ns == 20 * HOUR_NS
    assert shown["photos", Class.DEFERRED].span.until_ns == 20 * HOUR_NS
    of.orders.paused.add(Class.DEFERRED)
    assert {w.opens_ns for w in of.windows(NOON_NS) if w.of is Class.DEFERRED} == {None}


def test_orders_outlive_the_process() -> None:
    """What another program wrote is not taken for orders."""
    orders = Orders({Class.LINK: Override(OFF, 7), Class.CHUNKS: Override(5.5, 8)}, {Class.DEFERRED})
    assert Orders.read(orders.text()) == orders
    assert Orders.read("") == Orders()
    for text in ("x", "[]", '{"overrides": {"else": [1, 2]}, "paused": []}', '{"overrides": {"link": [null, 2]}, "paused": []}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            Orders.read(text)


def test_what_a_configuration_changes_is_told_apart(tmp_path: Path) -> None:
    """Hours and rates at once, everything else at the next start; what waits for that stays as it was meanwhile."""
    before = config(tmp_path)
    after = config(
        tmp_path,
        SOURCE.replace("roots: [./library]", "roots: [./library], deadline: 1d, settle: 9s, bandwidth: {chunks: 1M}")
        + "  - {name: films, roots: [./films]}\nbandwidth: {link: 10M}\nlimits: {workers: 7}\n",
    )
    found = changes(before, after)
    assert set(found.changed) == {"bandwidth.link", "policies.photos.deadline", "policies.photos.bandwidth.chunks"}
    assert set(found.needs_restart) == {"limits.workers", "policies.photos.settle", "policies.films"}
    assert changes(before, before) == Reloaded((), ())
    holds = taken_over(before, after)
    assert changes(holds, after).changed == ()
    assert set(changes(holds, after).needs_restart) == set(found.needs_restart)
    plan = plan_of(holds)
    assert plan.agent["link"].at(0).rates.up == 10 << 20
    assert plan.by_policy["photos"]["chunks"].at(0).rates.up == 1 << 20
    assert plan.deferrals["photos"].deadline_s == 86400
    assert "films" not in plan.deferrals
