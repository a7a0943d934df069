"""What a daemon tells the service manager, over a real socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.lifecycle import told_systemd, watchdog_s
from tests.fakes.clock import ManualClock


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def heard(systemd: socket.socket) -> list[bytes]:
    """All that was said since the last time."""
    messages = []
    while True:
        try:
            messages.append(systemd.recv(100))
        except BlockingIOError:
            return messages


async def moved(clock: ManualClock, seconds: float) -> None:
    """Moves time on, and lets whoever wakes do what it woke for."""
    clock.advance(seconds)
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_daemon_shows_life_twice_in_the_time_of_its_watchdog(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that hangs is silent, and systemd starts the agent anew."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    clock = ManualClock()

    async def scene() -> None:
        async with told_systemd(clock):
            await asyncio.sleep(0)
            assert heard(systemd) == [b"READY=1", b"WATCHDOG=1"]
            for _ in range(3):
                await moved(clock, 9.5)
                assert heard(systemd) == []
                await moved(clock, 0.5)
                assert heard(systemd) == [b"WATCHDOG=1"]
        assert heard(systemd) == [b"STOPPING=1"]

    asyncio.run(scene())


def test_without_a_watchdog_only_the_start_and_the_end_are_told(systemd: socket.socket) -> None:
    """As a unit without WatchdogSec has it."""
    clock = ManualClock()

    async def scene() -> None:
        async with told_systemd(clock):
            await asyncio.sleep(0)
            await moved(clock, 3600)

    asyncio.run(scene())
    assert heard(systemd) == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "180000000"}, 180.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, 0.0),
    ],
)
def test_a_watchdog_is_this_processs_or_none(variables: dict[str, str], seconds: float) -> None:
    """What a parent was told does not hold for its children."""
    assert watchdog_s(environ=variables.get) == seconds
