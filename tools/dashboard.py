"""Writes deploy/grafana/smarter.json: a dashboard over the metrics of both agents. `make metrics`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARD = Path(__file__).parents[1] / "deploy/grafana/smarter.json"
_COLUMNS = 24
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_AT = 'instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: what it shows, in which unit of Grafana's, as (PromQL, legend) in a row or a figure."""

    title: str
    unit: str
    asked: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = _HEIGHT
    says: str = ""


def _stat(title: str, unit: str, query: str, says: str = "") -> Panel:
    return Panel(title, unit, ((query, "{{instance}}"),), "stat", 4, 4, says)


PANELS = (
    _stat(
        "Exactly protected",
        "percentunit",
        'sum by (instance) (smarter_protected_files{how="exact", AT}) / sum by (instance) (smarter_protected_files{AT})',
        "Files that the destination can give back byte for byte.",
    ),
    _stat("Longest wait", "s", 'max by (instance) (smarter_lag_seconds{class!="deferred", AT})', "Members of groups apart."),
    _stat("Connected", "bool_yes_no", "smarter_connected{AT}"),
    _stat("Takes uploads", "bool_yes_no", "smarter_accepting{AT}", "No: the destination's disk is full."),
    _stat("Since the last verification", "s", "time() - smarter_last_verified_timestamp_seconds{AT}"),
    _stat("Broken contents", "none", "smarter_broken_contents{AT}", "Of the last verification."),
    Panel("Files by protection", "short", (("sum by (how) (smarter_protected_files{AT})", "{{how}}"),)),
    Panel("Backlog", "bytes", (("sum by (class) (smarter_backlog_bytes{AT})", "{{class}}"),)),
    Panel("Wait of the oldest version", "s", (("max by (class) (smarter_lag_seconds{AT})", "{{class}}"),)),
    Panel("Sent, by class", "Bps", (("sum by (class) (rate(smarter_sent_bytes_total{AT}[$__rate_interval]))", "{{class}}"),)),
    Panel(
        "Sent for each byte delivered",
        "percentunit",
        (("sum(increase(smarter_sent_bytes_total{AT}[1d])) / sum(increase(smarter_delivered_bytes_total{AT}[1d]))", "of a day"),),
    ),
    Panel(
        "From the change to the receipt",
        "s",
        tuple(
            (f"histogram_quantile({q}, sum by (le) (rate(smarter_receipt_seconds_bucket{{AT}}[$__rate_interval])))", f"{q:.0%}")
            for q in (0.5, 0.95)
        ),
    ),
    Panel(
        "Deltas made, and members that went whole",
        "short",
        (
            ("sum by (method) (increase(smarter_deltas_made_total{AT}[1h]))", "{{method}}"),
            ("sum by (reason) (increase(smarter_delta_fallbacks_total{AT}[1h]))", "whole: {{reason}}"),
        ),
    ),
    Panel(
        "Contents that a coding would not take",
        "short",
        (("sum by (coding, reason) (increase(smarter_fallbacks_total{AT}[1h]))", "{{coding}}: {{reason}}"),),
    ),
    Panel(
        "What went wrong",
        "short",
        (
            ("sum by (kind) (increase(smarter_link_failures_total{AT}[1h]))", "link: {{kind}}"),
            ("sum by (code) (increase(smarter_refusals_total{AT}[1h]))", "refused: {{code}}"),
            ("sum by (reason) (increase(smarter_unreadable_total{AT}[1h]))", "unreadable: {{reason}}"),
            ("sum by (reason) (increase(smarter_worker_deaths_total{AT}[1h]))", "worker: {{reason}}"),
            ("sum(increase(smarter_watch_overflows_total{AT}[1h]))", "watch overflows"),
        ),
    ),
    Panel("Received", "Bps", (("sum by (source) (rate(smarter_received_bytes_total{AT}[$__rate_interval]))", "{{source}}"),)),
    Panel(
        "The store",
        "bytes",
        (("smarter_store_bytes{AT}", "stored, {{instance}}"), ("smarter_free_bytes{AT}", "free, {{instance}}")),
    ),
    Panel(
        "Memory of the agents",
        "bytes",
        (("process_resident_memory_bytes{AT} and on (instance, job) smarter_build_info", "{{instance}}"),),
    ),
)


def board() -> str:
    """The dashboard as it is published."""
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": "label_values(smarter_build_info, instance)", "refId": "instances"},
            "includeAll": True,
            "multi": True,
            "refresh": 2,
            "current": {"text": "All", "value": "$__all"},
        },
    ]
    made = {
        "uid": "smarter",
        "title": "Smarter",
        "tags": ["backup"],
        "schemaVersion": 38,
        "timezone": "browser",
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": variables},
        "panels": _laid_out(),
    }
    return json.dumps(made, indent=2) + "\n"


def _laid_out() -> list[dict[str, Any]]:
    x = y = 0
    made = []
    for number, panel in enumerate(PANELS, start=1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + PANELS[number - 2].height
        made.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x += panel.width
    return made


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": query.replace("AT", _AT), "legendFormat": legend}
        for n, (query, legend) in enumerate(panel.asked)
    ]
    said = {"description": panel.says} if panel.says else {}
    return {
        "id": number,
        "title": panel.title,
        **said,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    BOARD.write_text(board())
    print(BOARD)
