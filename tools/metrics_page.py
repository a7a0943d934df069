"""Writes deploy/METRICS.md: every metric, for operators. `make metrics`. common/metrics.py is the only source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from common import metrics

PAGE = Path(__file__).parents[1] / "deploy/METRICS.md"
_HEAD = """\
# Metrics

`metrics: {listen: "127.0.0.1:9101"}` in source.yaml or dest.yaml answers at `http://127.0.0.1:9101/metrics`; without it nothing
listens. There is neither TLS nor a login: use an address of the machine itself, or of a network you trust. Units are Prometheus'
base units. [alerts.yaml](prometheus/alerts.yaml) has rules for alarms, [smarter.json](grafana/smarter.json) a dashboard.

This page is written by `make metrics`.
"""
_PARTS = {"The source agent": metrics.SOURCE, "The destination agent": metrics.DESTINATION, "Both": metrics.BOTH}


def page() -> str:
    """The page as it is published."""
    parts = [f"## {title}\n\n| metric | kind | says |\n|---|---|---|\n" + "".join(_rows(of)) for title, of in _PARTS.items()]
    return "\n".join([_HEAD, *parts])


def exported(registry: CollectorRegistry) -> dict[str, str]:
    """The names under which a registry's metrics are exported, with their kind."""
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in registry.collect()}


def _rows(registry: CollectorRegistry) -> Iterator[str]:
    labels = _labels()
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        of, meaning = labels.get(family.name, ((), ""))
        shown = f"`{name}{{{', '.join(of)}}}`" if of else f"`{name}`"
        says = family.documentation.rstrip(".") + (f"; {meaning.removesuffix('.')}" if meaning else "")
        yield f"| {shown} | {family.type} | {says} |\n"


def _labels() -> dict[str, tuple[tuple[str, ...], str]]:
    """The labels of each metric, and what the module's own documentation says of them."""
    names = {id(value): name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
    said = {}
    body = ast.parse(Path(metrics.__file__).read_text()).body
    for assigned, below in pairwise(body):
        match assigned, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                said[name] = " ".join(text.split())
    return {
        value._name: (value._labelnames, said.get(names[id(value)], ""))  # noqa: SLF001 - there is no public name
        for value in vars(metrics).values()
        if isinstance(value, MetricWrapperBase)
    }


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
