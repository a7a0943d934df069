"""What the page says of pictures and of time: transforms as words, samples thinned out, charts."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_client.endpoints import Endpoints
from admin_client.web.agents import Agents
from admin_client.web.charts import stacked
from admin_client.web.pages import Filters
from admin_client.web.series import EVERY_S, MOST, Sample, Series
from admin_client.web.thumbnails import placeholder
from admin_client.web.words import Affine, saved_words, state_word, transform_words
from tests.fakes.clock import ManualClock

WIDE, HIGH = 1200.0, 800.0


def made(*, scale: float = 1.0, degrees: float = 0.0, mirrored: bool = False, crop: tuple[float, float] = (1.0, 1.0)) -> Any:
    """A picture mirrored, then cut to shares of its base's sides, then turned clockwise in its frame, then resized."""
    base_w, base_h = WIDE, HIGH
    w, h = base_w * crop[0], base_h * crop[1]
    turn = math.radians(degrees)
    is_right = degrees % 180 == 90
    new_w, new_h = (h, w) if is_right else (w, h)
    cos, sin = math.cos(turn), math.sin(turn)
    sign = -1 if mirrored else 1
    a, b, d, e = cos * sign * base_w / new_w, -sin * base_h / new_w, sin * sign * base_w / new_h, cos * base_h / new_h
    return {
        "pixels": round(w * h * scale * scale),
        "base": {"transform": [a, b, 0.1, d, e, -0.2], "transform_from_base": True},
    }


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "the same size and frame"),
        ({"scale": 0.5}, "resized to 50 %"),
        ({"crop": (0.8, 0.5)}, "cropped to 40% of it"),
        ({"scale": 2.0, "crop": (0.5, 0.5)}, "resized to 200 %, cropped to 25% of it"),
        ({"degrees": 90}, "turned 90° clockwise"),
        ({"degrees": -90, "scale": 0.25}, "resized to 25 %, turned 90° anticlockwise"),
        ({"degrees": 180}, "turned 180°"),
        ({"mirrored": True}, "mirrored"),
        ({"mirrored": True, "degrees": 90, "scale": 0.5}, "resized to 50 %, mirrored, turned 90° clockwise"),
        ({"degrees": 7}, "turned 7.0° clockwise"),
        ({"degrees": -3.5, "mirrored": True}, "mirrored, turned 3.5° anticlockwise"),
        ({"crop": (1.2, 1.0)}, "enlarged around it by 20%"),
    ],
)
def test_a_transform_is_said_in_words(how: dict[str, Any], words: str) -> None:
    """The same, whichever way round it was found."""
    picture = made(**how)
    assert transform_words(picture, round(WIDE * HIGH)) == words
    there = Affine(*picture["base"]["transform"])
    picture["base"] = {"transform": list(there.undone()), "transform_from_base": False}
    assert transform_words(picture, round(WIDE * HIGH)) == words


@given(transform=st.lists(st.floats(), min_size=6, max_size=6), from_base=st.booleans(), pixels=st.integers(0, 1 << 63))
def test_any_numbers_have_words(transform: list[float], from_base: bool, pixels: int) -> None:
    """An agent's figures are another program's."""
    picture = {"pixels": pixels, "base": {"transform": transform, "transform_from_base": from_base}}
    assert transform_words(picture, 1000)
    assert transform_words(picture, None)


def test_what_was_recognised_at_a_glance_has_its_size_compared() -> None:
    """There are no features, and so no transform."""
    assert transform_words({"pixels": 250, "base": {"digest": "00"}}, 1000) == "resized to 50 %"
    assert transform_words({"pixels": 1000, "base": {"digest": "00"}}, 1000) == "the same at a glance"
    assert transform_words({"pixels": 1000, "base": None}, None) == ""


@pytest.mark.parametrize(
    ("state", "delta", "word"),
    [
        ("replicated", None, "exact"),
        ("deferred", {"announced": True}, "approximate"),
        ("deferred", {"announced": False}, "not yet"),
        ("identified", None, "not yet"),
        ("quarantined", None, "refused"),
        ("", None, "gone"),
    ],
)
def test_a_picture_is_as_well_protected_as_the_destination_could_give_it_back(state: str, delta: Any, word: str) -> None:
    """Now, not later."""
    assert state_word({"state": state, "delta": delta}) == word


def test_what_a_delta_saves_is_told_once_it_is_made() -> None:
    """Before that it is not known."""
    told = {
        state: saved_words({"bytes": 5000, "delta": {"state": state, "bytes": 904}}) for state in ("due", "encoded", "stored")
    }
    assert told == {
        "due": "",
        "encoded": "4.0 KiB will be saved: a delta of 904 B",
        "stored": "4.0 KiB saved: a delta of 904 B",
    }


def series_of(*samples: Sample) -> Series:
    """A series that has seen these."""
    series = Series(Agents(Endpoints(None, None)), ManualClock())
    series.samples = list(samples)
    return series


def sample(at_s: float, *, backlog: int = 0, whole: int = 0) -> Sample:
    """One moment."""
    return Sample(at_s, 1, 0, 0, backlog, {"whole": whole})


def test_the_forecast_is_what_went_lately() -> None:
    """None while the backlog grows, or before anything is known."""
    assert series_of().forecast_s() is None
    assert series_of(sample(0)).forecast_s() == 0
    assert series_of(sample(0, backlog=5)).forecast_s() is None
    assert series_of(sample(0, backlog=300), sample(10, backlog=200)).forecast_s() == 20
    assert series_of(sample(0, backlog=300), sample(10, backlog=400)).forecast_s() is None
    assert series_of(sample(0, backlog=10**9), sample(10_000, backlog=300), sample(10_010, backlog=200)).forecast_s() == 20


def test_a_source_that_was_started_again_sends_from_zero() -> None:
    """Its counters do; no rate is negative."""
    rates = series_of(sample(0, whole=100), sample(10, whole=300), sample(20, whole=50)).rates()
    assert [(at_s, sent["whole"]) for at_s, sent in rates] == [(10, 20.0), (20, 5.0)]


def test_samples_are_thinned_out_when_there_are_many() -> None:
    """The first and the newest stay."""
    series = series_of(*(sample(float(n)) for n in range(MOST + 1)))
    series._thin_out()
    assert [series.samples[0].at_s, series.samples[-1].at_s] == [0, MOST]
    assert len(series.samples) == MOST // 2 + 1
    assert series._every_s == 2 * EVERY_S


def test_a_chart_stacks_its_bands_and_says_so_in_words() -> None:
    """With names that are no markup, and nothing on it that has no place."""
    svg = stacked("What <b>", [0, 10, 20], [("exact", [0, 1, 2]), ("not yet", [4, 3, 0])], lambda n: f"{n:.0f}")
    assert 'aria-label="What &lt;b&gt;. Now: exact 2, not yet 0"' in svg
    assert svg.count("<polygon") == 2
    assert "nan" not in svg
    assert re.search(r'class="band band-not-yet"', svg)
    assert "<polygon" in stacked("nothing", [5, 5], [("exact", [0, 0])], str)


def test_a_placeholder_is_a_drawing_whatever_the_reason_is() -> None:
    """The reason may quote a stranger's name."""
    svg = placeholder('<script>alert(1)</script>\u202e"&' + "x" * 5000)
    assert "<script" not in svg
    assert "\u202e" not in svg
    assert svg.count("<tspan") <= 6


@given(st.dictionaries(st.sampled_from(["review", "singles", "policy", "path", "mib"]), st.text(max_size=20)))
def test_filters_are_told_in_links_as_they_were_given(given_: dict[str, str]) -> None:
    """Anything that makes no sense filters nothing."""
    filters = Filters.of(given_)
    assert Filters.of(dict(parse_qsl(filters.query))).query == filters.query
