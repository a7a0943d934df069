"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_client.moments import moment_ns, rfc3339

NOW_NS = 1_790_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("now", NOW_NS // 10**9),
        ("2h ago", NOW_NS // 10**9 - 7200),
        ("3 days ago", NOW_NS // 10**9 - 3 * 86_400),
        ("1 week ago", NOW_NS // 10**9 - 604_800),
        ("90s ago", NOW_NS // 10**9 - 90),
        ("Yesterday", NOW_NS // 10**9 - 86_400),
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:10+01:00", 10),
        ("1970-01-02 00:00", 86_400 - 7200),
        ("1970-01-02", 86_400 - 7200),
    ],
)
def test_every_form_is_understood(text: str, expected_s: int) -> None:
    """Local times are those of the given zone, two hours east here."""
    assert moment_ns(text, now_ns=NOW_NS, zone=timezone(timedelta(hours=2))) == expected_s * 10**9


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs ago", "2026-13-01", "12:00"])
def test_what_is_no_time_is_refused_with_the_forms(text: str) -> None:
    """The message teaches."""
    with pytest.raises(ValueError, match="is not a time: write"):
        moment_ns(text, now_ns=NOW_NS)


@given(us=st.integers(-(10**15), 4 * 10**15))
def test_what_is_printed_is_read_back(us: int) -> None:
    """To the microsecond, before 1970 too."""
    assert moment_ns(rfc3339(us * 1000), now_ns=0, zone=UTC) == us * 1000
