"""Timetables: the grammar with its mistakes, and every minute of the nights on which clocks are set."""

from __future__ import annotations

import functools
import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.timetable import CLOSED, OFF, Rates, Timetable, TimetableMistakes, rate_of, rate_text

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NIGHTS = [
    ("Europe/Lisbon", (2026, 3, 29)),
    ("Europe/Lisbon", (2026, 10, 25)),
    ("America/Sao_Paulo", (2018, 11, 4)),  # at midnight: the day begins at one o'clock
    ("America/Sao_Paulo", (2018, 2, 18)),  # at midnight: the hour before it comes twice
    ("Australia/Lord_Howe", (2026, 10, 4)),  # by half an hour
    ("Australia/Lord_Howe", (2026, 4, 5)),
    ("Pacific/Apia", (2011, 12, 30)),  # a day that there was not
]


def ns(moment: datetime) -> int:
    """Nanoseconds since 1970."""
    return int(moment.timestamp()) * 10**9


@functools.cache
def minutes(zone: str, night: tuple[int, int, int]) -> list[tuple[int, datetime]]:
    """Every minute around a night, and the latest time that a clock on the wall has shown by then."""
    start = datetime(*night, tzinfo=UTC) - timedelta(days=2)
    found, latest = [], datetime.min  # noqa: DTZ901 - wall time
    for n in range(4 * 24 * 60):
        moment = start + timedelta(minutes=n)
        latest = max(latest, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        found.append((ns(moment), latest))
    return found[24 * 60 :]


def slowly(entries: dict[str, str], zone: str, night: tuple[int, int, int]) -> list[tuple[int, str]]:
    """Every minute around a night with its rate, by walking over every minute that a clock on the wall passes or leaves out."""
    found, rate = [], ""
    wall = minutes(zone, night)[0][1] - timedelta(days=8)
    for now_ns, latest in minutes(zone, night):
        while wall <= latest:
            time = f"{wall.hour:02}:{wall.minute:02}"
            rate = entries.get(f"{DAYS[wall.weekday()]}-{time}", entries.get(time, rate))
            wall += timedelta(minutes=1)
        found.append((now_ns, rate))
    return found


TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 3) | st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
NAMES = TIMES | st.builds("{}-{}".format, st.sampled_from(DAYS), TIMES)
TABLES = st.dictionaries(NAMES, st.sampled_from(["1k", "2M", "off", "closed", "3G"]), min_size=1, max_size=8)


@pytest.mark.parametrize(("zone", "night"), NIGHTS)
@settings(max_examples=12, deadline=None)
@given(entries=TABLES)
def test_every_minute_of_a_night_on_which_clocks_are_set_has_its_rate(
    zone: str, night: tuple[int, int, int], entries: dict[str, str]
) -> None:
    """Against an oracle that walks through the week; the spans meet, and begin where the rate does."""
    table = Timetable(" ".join(f"{name},{rate}" for name, rate in entries.items()), ZoneInfo(zone))
    span = table.at(minutes(zone, night)[0][0])
    for now_ns, rate in slowly(entries, zone, night):
        if span.until_ns is not None and now_ns >= span.until_ns:
            assert span.until_ns == now_ns, "clocks are set, and entries begin, at whole minutes"
            span = table.at(now_ns)
            assert span.since_ns == now_ns
            assert table.at(now_ns - 1).until_ns == now_ns
        assert span.rates.up == rate_of(rate), (now_ns, span)
    for now_ns, _ in minutes(zone, night)[::97]:
        span = table.at(now_ns)
        assert (span.since_ns is None) == (span.until_ns is None)
        if span.since_ns is not None and span.until_ns is not None:
            assert span.since_ns <= now_ns < span.until_ns
            assert table.at(span.since_ns) == table.at(span.until_ns - 1) == span


def test_an_entry_in_the_hour_that_is_left_out_begins_when_that_hour_is_over() -> None:
    """In Lisbon on 29 March 2026, 01:00 is 02:00."""
    table = Timetable("01:30,1M 05:00,closed", ZoneInfo("Europe/Lisbon"))
    jump_ns = ns(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))
    assert table.at(jump_ns - 1).rates.up == CLOSED
    assert table.at(jump_ns).rates.up == 1 << 20
    assert table.at(jump_ns).until_ns == ns(datetime(2026, 3, 29, 4, 0, tzinfo=UTC))


def test_what_began_in_an_hour_that_comes_twice_is_not_undone() -> None:
    """In Lisbon on 25 October 2026, 02:00 is 01:00 again."""
    table = Timetable("00:00,closed 01:30,1M", ZoneInfo("Europe/Lisbon"))
    first_ns = ns(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert table.at(first_ns - 1).rates.up == CLOSED
    for n in range(180):
        assert table.at(first_ns + n * 60 * 10**9).rates.up == 1 << 20


def test_rates_are_those_of_rclone() -> None:
    """Powers of 1024, KiB where there is no letter; up and down apart."""
    assert Timetable("512").at(0).rates == Rates(512 << 10, 512 << 10)
    assert Timetable("10M:off").at(0).rates == Rates(10 << 20, math.inf)
    assert Timetable("off:closed").at(0).rates == Rates(OFF, CLOSED)
    assert [rate_of(text) for text in ("100B", "1.5k", "1Mi", "2MiB", "1G", "1T", "1P")] == [
        *(100, 1536, 1 << 20, 2 << 20, 1 << 30, 1 << 40, 1 << 50)
    ]
    assert all(rate_of(rate_text(rate_of(text))) == rate_of(text) for text in ("100B", "1.5k", "off", "closed", "3G", "7M"))


def test_an_entry_of_a_weekday_says_more_than_one_of_every_day() -> None:
    """Whatever their order; full names do too."""
    table = Timetable("Saturday-08:00,off 08:00,1M")
    assert table.at(ns(datetime(2026, 11, 21, 9, tzinfo=UTC))).rates.up == OFF
    assert table.at(ns(datetime(2026, 11, 22, 9, tzinfo=UTC))).rates.up == 1 << 20


def test_when_it_opens_next() -> None:
    """Now, later, or never."""
    now_ns = ns(datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert Timetable("1M").opens_ns(now_ns) == now_ns
    assert Timetable("closed").opens_ns(now_ns) is None
    assert Timetable("00:00,closed Mon-01:00,closed").opens_ns(now_ns) is None
    assert Timetable("08:00,closed 22:00,off").opens_ns(now_ns) == ns(datetime(2026, 11, 20, 22, tzinfo=UTC))
    assert Timetable("08:00,1M 22:00,off").opens_ns(now_ns) == now_ns
    assert Timetable("Mon-00:00,closed Mon-01:00,1k Mon-02:00,closed").opens_ns(now_ns) == ns(
        datetime(2026, 11, 23, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["is empty"]),
        ("0", ["at character 1: '0' may be read as no limit or as nothing: write `off` or `closed`"]),
        (
            "08:00,1M 9:00,0 Mit-10:00,1M 11:00",
            ["at character 10: '9:00'", "at character 17: 'Mit'", "at character 30: '11:00' has"],
        ),
        ("08:00,1M 08:00,2M", ["at character 10: 08:00 stands here twice"]),
        ("24:00,1M", ["at character 1: '24:00' is not a time"]),
        ("08:60,1M", ["at character 1: '08:60' is not a time"]),
        ("08:00,", ["at character 1: '' is not a rate"]),
        ("10M:", ["at character 1: '' is not a rate"]),
        ("-1M", ["at character 1: '-1M' is not a rate"]),
        ("1Q", ["at character 1: '1Q' is not a rate"]),
        ("1bi", ["at character 1: '1bi' is not a rate"]),
        ("999999P", ["at character 1: '999999P' is not a rate that a link can have"]),
        ("0.1B", ["at character 1: '0.1B' is not a rate that a link can have"]),
        ("x" * 5000, ["longer than 4096 characters"]),
        ("08:00,1M " * 300, ["more than 256 entries"]),
    ],
)
def test_every_mistake_is_named_with_its_place(text: str, mistakes: list[str]) -> None:
    """One look at a file is enough to mend it."""
    with pytest.raises(TimetableMistakes) as caught:
        Timetable(text)
    assert len(caught.value.mistakes) == len(mistakes)
    assert all(found.startswith(said) for found, said in zip(caught.value.mistakes, mistakes, strict=True))


@given(st.text(max_size=60))
def test_any_text_is_a_timetable_or_is_refused(text: str) -> None:
    """In no other way."""
    try:
        table = Timetable(text)
    except TimetableMistakes:
        return
    assert table.at(0).rates.up >= 0
