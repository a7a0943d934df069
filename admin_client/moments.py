"""Points in time as people and scripts write them, and as commands print them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIT = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"} | {
    u: u for u in _SECONDS_BY_UNIT
}
_AGO = re.compile(r"(\d{1,9})\s*([a-z]+?)s?\s+ago")
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def moment_ns(text: str, *, now_ns: int, zone: tzinfo | None = None) -> int:
    """A time in nanoseconds since 1970 from RFC 3339, `2026-11-20 14:00` in local time, `2h ago`, `yesterday` or `now`.

    A date alone is its first moment. `zone` stands for the local time zone, None for the machine's.
    Errors: ValueError with the forms that are understood.
    """
    words = text.strip().lower()
    if words == "now":
        return now_ns
    if words == "yesterday":
        words = "1 day ago"
    if match := _AGO.fullmatch(words):
        unit = _UNIT.get(match[2])
        if unit is not None:
            return now_ns - int(match[1]) * _SECONDS_BY_UNIT[unit] * 10**9
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write 2026-11-20T14:00:00Z, '2026-11-20 14:00' (local time), or like '2h ago', '3 days ago'"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
    since = moment - _EPOCH
    return (since // timedelta(microseconds=1)) * 1000


def rfc3339(time_ns: int) -> str:
    """A time in nanoseconds since 1970 as RFC 3339 text in UTC, to the microsecond."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
