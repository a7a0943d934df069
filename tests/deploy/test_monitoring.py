"""Dashboard and alarms: every metric they name is exported, every query is PromQL, each alarm is raised when it should be."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from common import metrics
from common.yamltext import parse
from tests.fakes.programs import needed
from tools.dashboard import BOARD, board
from tools.metrics_page import exported

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus/alerts.yaml"
EXPORTED = exported(metrics.SOURCE) | exported(metrics.DESTINATION) | exported(metrics.BOTH)


def promtool(*arguments: str) -> None:
    """Has Prometheus' own tool look. Errors: AssertionError with what it says."""
    command = [needed("promtool", package="prometheus"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def alarms() -> list[Any]:
    """Every rule."""
    found: Any = parse(ALERTS.read_text()).value
    return [rule for group in found["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    """Every query of the dashboard, with Grafana's variables as Grafana would fill them in."""
    asked = [target["expr"] for panel in json.loads(BOARD.read_text())["panels"] for target in panel["targets"]]
    return [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in asked]


def unknown(query: str) -> set[str]:
    """The names of a query that no agent exports."""
    names = re.findall(r"\b(?:smarter|process)_\w+", query)
    assert names, query
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in EXPORTED else name for name in names}
    return whole - set(EXPORTED)


def test_the_dashboard_is_the_generated_one() -> None:
    """`make metrics` writes it."""
    assert BOARD.read_text() == board()


def test_every_metric_that_is_asked_for_is_exported() -> None:
    """A panel or an alarm over a name that nobody exports is silent for ever."""
    assert {query: lost for query in [*queries(), *(rule["expr"] for rule in alarms())] if (lost := unknown(query))} == {}


def test_panels_lie_side_by_side() -> None:
    """Grafana has 24 columns; panels that lie over one another cannot be read."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(BOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """As rules, for which Prometheus has a checker."""
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries())]
    path = tmp_path / "panels.yaml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # JSON is YAML
    promtool("check", "rules", str(path))


def test_alarms_are_raised_when_they_should_be_and_only_then() -> None:
    """Over series that are made for each."""
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ALERTS.with_name("alerts.test.yaml")))


@pytest.mark.parametrize("rule", alarms(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_says_how_urgent_it_is_and_is_tested(rule: Any) -> None:
    """Raised once at least in alerts.test.yaml."""
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description"}
    tested: Any = parse(ALERTS.with_name("alerts.test.yaml").read_text()).value
    cases = [case for test in tested["tests"] for case in test["alert_rule_test"]]
    assert any(case["alertname"] == rule["alert"] and case["exp_alerts"] for case in cases)
