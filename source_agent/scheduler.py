"""In which order, and over which lane, deliveries go. Pure.

Two lanes share the link, each with streams of its own: a content of many gigabytes must not hold up the pictures behind
it. The prompt lane has two streams, since one TCP connection does not fill a link with a long round trip.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from common.model import Role
from source_agent.deliveries import Delivery

BULK_BYTES = 64 << 20


class Lane(StrEnum):
    """A stream of uploads."""

    PROMPT = "prompt"
    BULK = "bulk"


STREAMS = (Lane.PROMPT, Lane.PROMPT, Lane.BULK)
"""The lane that each upload stream serves."""


def lane_of(delivery: Delivery) -> Lane:
    """The lane of a delivery's content."""
    return Lane.BULK if delivery.version.size > BULK_BYTES else Lane.PROMPT


def in_order(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Representatives first, then everything else, each in the order in which it was seen [S §III-A]."""
    return sorted(deliveries, key=lambda d: (d.version.role is not Role.REPRESENTATIVE, d.version.id.seq))


def weight(delivery: Delivery) -> int:
    """What a content in flight counts against the spool's bound, in bytes.

    Bulk contents count nothing: their lane takes one at a time, and many of them must not keep the pictures out.
    """
    return 0 if lane_of(delivery) is Lane.BULK else delivery.version.size
