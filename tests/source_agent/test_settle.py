"""When a file counts as finished, as a pure function of stats and clocks."""

from __future__ import annotations

from source_agent.settle import Settling

SECOND = 10**9
WALL = 1_700_000_000 * SECOND


def quiet(settling: Settling, *, size: int = 10, mtime_ns: int = WALL, now_s: float, now_ns: int, settle_s: float = 0.5) -> bool:
    """One look at the same file."""
    return settling.is_quiet("file", size=size, mtime_ns=mtime_ns, now_s=now_s, now_ns=now_ns, settle_s=settle_s)


def test_a_file_that_rested_before_it_was_seen_is_quiet_at_once() -> None:
    """A library of old pictures is not kept waiting."""
    assert quiet(Settling(), now_s=0.0, now_ns=WALL + SECOND)


def test_a_fresh_file_is_quiet_after_the_rest() -> None:
    """Half a second later, without a change, and not before."""
    settling = Settling()
    assert not quiet(settling, now_s=0.0, now_ns=WALL)
    assert not quiet(settling, now_s=0.4, now_ns=WALL + SECOND * 4 // 10)
    assert quiet(settling, now_s=0.5, now_ns=WALL + SECOND // 2)


def test_growth_begins_the_rest_anew() -> None:
    """Size or mtime moved: somebody writes."""
    settling = Settling()
    assert not quiet(settling, now_s=0.0, now_ns=WALL)
    assert not quiet(settling, size=11, mtime_ns=WALL + SECOND, now_s=1.0, now_ns=WALL + SECOND)
    assert not quiet(settling, size=11, mtime_ns=WALL + SECOND, now_s=1.4, now_ns=WALL + SECOND * 14 // 10)
    assert quiet(settling, size=11, mtime_ns=WALL + SECOND, now_s=1.5, now_ns=WALL + SECOND * 15 // 10)


def test_a_copy_that_keeps_an_old_mtime_while_it_grows_is_not_quiet() -> None:
    """What was seen to move must be seen to rest: an old mtime no longer counts."""
    settling = Settling()
    assert not quiet(settling, size=1, now_s=0.0, now_ns=WALL)
    assert not quiet(settling, size=1, now_s=0.1, now_ns=WALL + 3600 * SECOND)


def test_an_mtime_in_the_future_delays_no_longer_than_the_rest() -> None:
    """A camera with a wrong clock is backed up all the same."""
    settling = Settling()
    future = WALL + 10**6 * SECOND
    assert not quiet(settling, mtime_ns=future, now_s=0.0, now_ns=WALL)
    assert quiet(settling, mtime_ns=future, now_s=0.6, now_ns=WALL + SECOND)


def test_a_wall_clock_that_jumps_back_does_not_stop_the_rest() -> None:
    """The rest is measured by the monotonic clock."""
    settling = Settling()
    assert not quiet(settling, now_s=0.0, now_ns=WALL)
    assert quiet(settling, now_s=0.5, now_ns=WALL - 10**6 * SECOND)


def test_a_wall_clock_that_jumps_forward_ends_no_rest_that_is_watched() -> None:
    """A file that is being watched is quiet only by watching."""
    settling = Settling()
    assert not quiet(settling, now_s=0.0, now_ns=WALL)
    assert not quiet(settling, now_s=0.1, now_ns=WALL + 10**6 * SECOND)


def test_no_rest_asked_for_is_no_rest() -> None:
    """`settle: 0` takes files as they are seen, whatever their mtime says."""
    assert quiet(Settling(), mtime_ns=WALL + SECOND, now_s=0.0, now_ns=WALL, settle_s=0.0)


def test_quiet_and_forgotten_files_leave_nothing_behind() -> None:
    """Memory holds only what is restless."""
    settling = Settling()
    quiet(settling, now_s=0.0, now_ns=WALL + SECOND)
    assert not settling._seen
    quiet(settling, now_s=0.0, now_ns=WALL)
    settling.forget("file")
    settling.forget("never seen")
    assert not settling._seen
