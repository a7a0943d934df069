"""In which order, and over which lane, deliveries go. Pure.

Two lanes share the link, each a stream of its own: a content of many gigabytes must not hold up the pictures behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from common.model import Role
from source_agent.journal import Delivery

BULK_BYTES = 64 << 20


class Lane(StrEnum):
    """A stream of uploads."""

    PROMPT = "prompt"
    BULK = "bulk"


def lane_of(delivery: Delivery) -> Lane:
    """The lane of a delivery's content."""
    return Lane.BULK if delivery.version.size > BULK_BYTES else Lane.PROMPT


def in_order(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Representatives first, then everything else, each in the order in which it was seen [S §III-A]."""
    return sorted(deliveries, key=lambda d: (d.version.role is not Role.REPRESENTATIVE, d.version.id.seq))


def weight(delivery: Delivery) -> int:
    """What a content in flight counts against the spool's bound, in bytes: bulk ones are bounded by their lane instead."""
    return min(delivery.version.size, BULK_BYTES)
