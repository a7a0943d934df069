"""Counting what sources were told, in one place for uploads, records and offers."""

from __future__ import annotations

from common.metrics import RECEIPTS, REFUSALS
from common.model import Answer, Refusal, Stored


def told(source: str, outcome: Answer | Stored) -> None:
    """Counts an outcome that is about to go to `source`."""
    match outcome:
        case Refusal(code):
            REFUSALS.labels(code.name).inc()
        case Stored():
            RECEIPTS.labels(source).inc()
