"""Logs and metrics: what a collector and `smarter status` read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from common import logs, metrics


def test_an_event_is_one_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Only stderr is written, and a path that is not UTF-8 does not break the line."""
    logger = logs.get("source.sender")
    logs.configure("info", "auto")
    logger.debug("offer_sent")
    logger.info("delivery_replicated", path=b"a\xff", n_bytes=3)
    out, err = capsys.readouterr()
    assert out == ""
    line = json.loads(err)
    assert (line["event"], line["part"], line["path"], line["n_bytes"]) == ("delivery_replicated", "source.sender", "a\\xff", 3)


def test_an_exception_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Also in JSON, on one line."""
    logs.configure("error", "json")
    try:
        int("no")
    except ValueError:
        logs.get("x").exception("call_failed")
    assert json.loads(capsys.readouterr().err)["exception"][0]["exc_type"] == "ValueError"


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """The event stands in front of its fields."""
    logs.configure("warning", "text")
    logs.get("x").warning("disk_filled", free_bytes=1)
    assert "disk_filled" in capsys.readouterr().err


def test_what_a_stranger_says_is_read_on_a_terminal_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """File names and peers' words may hold anything; an event stays on its line."""
    logs.configure("info", "text")
    logs.get("x").info("source_connected", software="\x1b[2Jevil\n2026 all_is_well", path=b"\x9b\x1b]0;x\x07", reason="\u202e")
    err = capsys.readouterr().err
    assert err.removesuffix("\n").isprintable()
    assert "path=\\x9b\\x1b]0;x\\x07" in err


def test_a_snapshot_is_keyed_by_label_values() -> None:
    """As the admin status shows them."""
    before = metrics.snapshot(metrics.FALLBACKS).get("lepton/progressive", 0)
    metrics.FALLBACKS.labels("lepton", "progressive").inc(2)
    assert metrics.snapshot(metrics.FALLBACKS)["lepton/progressive"] == before + 2
    metrics.RECEIPT_SECONDS.observe(0.3)
    assert set(metrics.snapshot(metrics.RECEIPT_SECONDS)) == {""}
    assert set(metrics.snapshot(metrics.STAGED_BYTES)) == {""}


def test_every_metric_is_the_programs_own() -> None:
    """Names start with the program's, and none is declared twice."""
    registries = (metrics.SOURCE, metrics.DESTINATION, metrics.BOTH)
    names = [family.name for registry in registries for family in registry.collect()]
    assert len(names) == len(set(names))
    assert all(name.startswith(("smarter_", "process_")) for name in names)


def test_every_metric_that_is_declared_is_counted_somewhere() -> None:
    """A figure that stays at nothing for ever is worse than none."""
    declared = {name for name in vars(metrics) if isinstance(getattr(metrics, name), MetricWrapperBase)}
    packages = Path(metrics.__file__).parent.parent
    program = [path for name in ("common", "source_agent", "dest_agent") for path in (packages / name).rglob("*.py")]
    text = "\n".join(path.read_text() for path in program if path.name != "metrics.py")
    assert {name for name in declared if not re.search(rf"\b{name}\b[^\n]*\.(inc|set|observe)\(", text)} == set()
