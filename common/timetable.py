"""When how much may travel: a timetable in the grammar of rclone's `--bwlimit`, and the hours of a time zone. Pure.

    10M                                    always ten mebibytes a second
    Mon-00:00,off 08:00,512k 19:00,10M     an entry holds from its minute to the next entry's; without a weekday, on every day
    08:00,1M:off 19:00,closed              up and down apart; `off` is no limit, `closed` is nothing at all

Rates are bytes a second in powers of 1024 (`B`, `k`, `M`, `G`, `T`, `P`; without a letter KiB, as rclone has it). rclone reads
`0` as no limit, other programs as nothing: here it is refused.

An entry takes effect at the first moment at which the wall clock reaches it. So where clocks are set forward, what was to begin
in the hour that is left out begins when the hour is over; where they are set back, what has begun is not undone by the second
passage of the hour.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_BY_NAME = {name[:n]: day for day, name in enumerate(_WEEKDAYS) for n in (3, len(name))}
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_TIME = re.compile(r"(?:([a-z]+)-)?(\d\d):(\d\d)", re.IGNORECASE)
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([bkmgtp]?)(?:(?<=[kmgtp])i?b?)?", re.IGNORECASE)
_POWER = {"b": 0, "": 1, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_HIGHEST = 1 << 60
MAX_CHARS = 4096
MAX_ENTRIES = 256

OFF, CLOSED = math.inf, 0.0
"""No limit, and nothing at all, as bytes a second."""


class TimetableMistakes(ValueError):
    """What is wrong with a timetable, each mistake with its place."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second each way: `OFF` where there is no limit, `CLOSED` where nothing goes."""

    up: float = OFF
    down: float = OFF


@dataclass(frozen=True, slots=True)
class Span:
    """Rates and the time for which they hold, in nanoseconds since 1970; None: since or for ever."""

    rates: Rates
    since_ns: int | None = None
    until_ns: int | None = None


class Timetable:
    """Rates by the hours of a week in a time zone."""

    def __init__(self, text: str, zone: tzinfo = UTC) -> None:
        """Errors: TimetableMistakes with every mistake and its place."""
        self.text, self._zone = text, zone
        by_minute = _parsed(text)
        self._minutes = sorted(by_minute)
        self._rates = [by_minute[minute] for minute in self._minutes]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timetable) and (self.text, self._zone) == (other.text, other._zone)

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Timetable({self.text!r}, {self._zone})"

    def at(self, now_ns: int) -> Span:
        """What holds at a moment."""
        if len(self._minutes) == 1:
            return Span(self._rates[0])
        reached = self._reached(now_ns)
        monday = datetime(reached.year, reached.month, reached.day) - timedelta(days=reached.weekday())  # noqa: DTZ001 - wall time
        n = bisect_right(self._minutes, (reached - monday) / timedelta(minutes=1)) - 1
        since, until = (monday + timedelta(minutes=self._minute(k)) for k in (n, n + 1))
        return Span(self._rates[n], self._instant_ns(since), self._instant_ns(until))

    def spans(self, now_ns: int) -> Iterator[Span]:
        """What holds now, then, and so on; each span begins where the one before ends. Endless where there is more than one."""
        span = self.at(now_ns)
        yield span
        while span.until_ns is not None:
            span = self.at(span.until_ns)
            yield span

    def opens_ns(self, now_ns: int) -> int | None:
        """When something may go up next: now, where it may already; None for never."""
        for n, span in enumerate(self.spans(now_ns)):
            if span.rates.up > CLOSED:
                return now_ns if span.since_ns is None else max(now_ns, span.since_ns)
            if n > len(self._minutes):
                break
        return None

    def _minute(self, n: int) -> int:
        """Of the n-th entry, in minutes since this week's Monday; those before and behind are of the weeks around it."""
        weeks, n = divmod(n, len(self._minutes))
        return weeks * _WEEK_MIN + self._minutes[n]

    def _reached(self, now_ns: int) -> datetime:
        """The latest time that the wall clock has ever shown: later than what it shows where it was just set back."""
        wall = (_EPOCH + timedelta(microseconds=now_ns // 1000)).astimezone(self._zone)
        if not wall.fold:
            return wall.replace(tzinfo=None)
        now = wall.astimezone(UTC)
        first = wall.replace(fold=0).astimezone(UTC)
        # Between its first and its second passage the clock was set back once; it had come as far as the hour that was doubled.
        changed = _first(first, now, lambda moment: self._offset(moment) != self._offset(first))
        return (changed + self._offset(first) - _INSTANT).replace(tzinfo=None)

    def _instant_ns(self, wall: datetime) -> int:
        """The first moment at which the wall clock shows this time or a later one."""
        moment = wall.replace(tzinfo=self._zone).astimezone(UTC)
        if moment.astimezone(self._zone).replace(tzinfo=None) != wall:
            # Left out: the clock never shows it. The two readings of it lie on either side of the jump.
            early = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
            moment = _first(early, moment, lambda at: at.astimezone(self._zone).replace(tzinfo=None) >= wall)
        since = moment - _EPOCH
        return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()


def rate_of(text: str) -> float:
    """Bytes a second from text like `512k`, `off` or `closed`. Errors: ValueError."""
    word = text.strip().lower()
    if word in {"off", "closed"}:
        return OFF if word == "off" else CLOSED
    if (match := _RATE.fullmatch(word)) is None:
        raise ValueError(f"{text!r} is not a rate: write a number with B, k, M, G, T or P, or `off`, or `closed`")
    rate = float(match[1]) * float(1024 ** _POWER[match[2]])
    if not rate:
        raise ValueError(f"{text!r} may be read as no limit or as nothing: write `off` or `closed`")
    if not 1 <= rate <= _HIGHEST:
        raise ValueError(f"{text!r} is not a rate that a link can have")
    return rate


def rate_text(rate: float) -> str:
    """A rate as `rate_of` reads it."""
    if rate in {OFF, CLOSED}:
        return "off" if rate == OFF else "closed"
    letter, power = next(((one, n) for one, n in (("G", 3), ("M", 2), ("k", 1)) if rate >= 1024**n), ("B", 0))
    return f"{rate / 1024**power:.6g}{letter}"


def _first(before: datetime, after: datetime, is_so: Callable[[datetime], bool]) -> datetime:
    """The first whole second in between from which on something is so; it is so at the end."""
    n_before, n_after = 0, math.ceil((after - before).total_seconds())
    start = before.replace(microsecond=0)
    while n_before < n_after:
        middle = (n_before + n_after) // 2
        if is_so(start + timedelta(seconds=middle)):
            n_after = middle
        else:
            n_before = middle + 1
    return start + timedelta(seconds=n_before)


def _parsed(text: str) -> dict[int, Rates]:
    """Rates by the minute of the week at which they begin, Monday 00:00 being 0. Errors: TimetableMistakes."""
    if len(text) > MAX_CHARS:
        raise TimetableMistakes([f"longer than {MAX_CHARS} characters: this is no timetable"])
    words = list(re.finditer(r"\S+", text))
    if not words:
        raise TimetableMistakes(["is empty: write a rate, or entries like '08:00,512k 19:00,off'"])
    if len(words) > MAX_ENTRIES:
        raise TimetableMistakes([f"more than {MAX_ENTRIES} entries"])
    mistakes: list[str] = []
    daily: dict[int, Rates] = {}
    weekly: dict[int, Rates] = {}
    for word in words:
        try:
            _enter(word[0], daily, weekly, is_only=len(words) == 1)
        except ValueError as mistake:
            mistakes.append(f"at character {word.start() + 1}: {mistake}")
    if mistakes:
        raise TimetableMistakes(mistakes)
    # An entry of one weekday says more than one of every day that begins at the same minute.
    return {day * _DAY_MIN + minute: rates for day in range(7) for minute, rates in daily.items()} | weekly


def _enter(word: str, daily: dict[int, Rates], weekly: dict[int, Rates], *, is_only: bool) -> None:
    time, comma, rates = word.partition(",")
    if not comma:
        if not is_only:
            raise ValueError(f"{word!r} has no time: write entries like '08:00,512k', or one rate and nothing else")
        weekly[0] = _rates(word)
        return
    match = _TIME.fullmatch(time)
    if match is None or int(match[2]) > 23 or int(match[3]) > 59:  # noqa: PLR2004 - of a clock
        raise ValueError(f"{time!r} is not a time: write HH:MM or like Mon-HH:MM, from 00:00 to 23:59")
    if match[1] and match[1].lower() not in _DAY_BY_NAME:
        raise ValueError(f"{match[1]!r} is not a weekday: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    minute = int(match[2]) * 60 + int(match[3])
    table, at = (weekly, _DAY_BY_NAME[match[1].lower()] * _DAY_MIN + minute) if match[1] else (daily, minute)
    if at in table:
        raise ValueError(f"{time} stands here twice")
    table[at] = _rates(rates)


def _rates(text: str) -> Rates:
    up, colon, down = text.partition(":")
    return Rates(rate_of(up), rate_of(down if colon else up))
