"""The log level: as configured, or as an operator asked for a while."""

from __future__ import annotations

import asyncio

import pytest

from common.admin.log_level import LogLevel
from common.config import LogSection
from common.logs import get
from tests.fakes.clock import ManualClock


def test_a_level_that_was_asked_for_ends_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator who looks for something at night need not remember to be quiet again."""

    async def scene() -> None:
        clock = ManualClock()
        level = LogLevel(LogSection(level="warning", format="json"), clock)
        level.ask("debug", seconds=60)
        assert (level.level, level.until_ns) == ("debug", clock.now_ns() + 60 * 10**9)
        get("test").debug("was_said")
        await asyncio.sleep(0)
        clock.advance(61)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (level.level, level.until_ns) == ("warning", 0)
        get("test").info("was_not_said")
        level.close()

    asyncio.run(scene())
    logged = capsys.readouterr().err
    assert "was_said" in logged
    assert "was_not_said" not in logged


def test_what_is_configured_and_what_is_asked_do_not_undo_each_other() -> None:
    """A reload meanwhile changes what holds afterwards; "" ends it at once; another wish replaces the one before."""

    async def scene() -> None:
        level = LogLevel(LogSection(level="info"), ManualClock())
        level.ask("error", seconds=0)
        level.configure(LogSection(level="warning"))
        assert (level.level, level.until_ns) == ("error", 0)
        level.ask("debug", seconds=5)
        level.ask("error", seconds=0)
        assert (level.level, level.until_ns) == ("error", 0)
        level.ask("", seconds=0)
        assert level.level == "warning"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("level", "seconds"), [("loud", 1), ("DEBUG", 1), ("debug", -1), ("debug", 1e300), ("debug", float("nan"))]
)
def test_what_is_no_level_or_no_time_changes_nothing(level: str, seconds: float) -> None:
    """It is refused before anything is turned."""

    async def scene() -> None:
        kept = LogLevel(LogSection(), ManualClock())
        with pytest.raises(ValueError, match="level"):
            kept.ask(level, seconds=seconds)
        assert kept.level == "info"

    asyncio.run(scene())
