"""How a daemon starts, is told to stop, and tells systemd about it; and the lock that keeps a second one out of its state."""

from __future__ import annotations

import asyncio
import faulthandler
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from common.clock import Clock
from common.errors import SmarterError


class StateInUse(SmarterError):
    """Another process of this agent runs on the same state directory."""


class StateLock:
    """An exclusive lock on a state directory, held while the object lives; the kernel drops it when the process dies."""

    def __init__(self, state: Path) -> None:
        """Errors: StateInUse naming the directory and the process that holds it."""
        path = state / "lock"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise StateInUse(f"{state}: in use by process {holder}; stop it first") from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, str(os.getpid()).encode())

    def release(self) -> None:
        """Lets another process in."""
        os.close(self._fd)


def stop_event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. A second signal has the default effect: an impatient operator wins."""
    event = asyncio.Event()

    def stop(number: int) -> None:
        event.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return event


def hangup_event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that every SIGHUP sets: the configuration is to be read again. Whoever hears it clears it."""
    event = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, event.set)
    return event


@asynccontextmanager
async def told_systemd(clock: Clock) -> AsyncIterator[None]:
    """For the length of the block the service manager knows that the agent is ready, and that its event loop turns.

    Where the unit has a watchdog, half of its time passes between two signs of life. Without one, or without a service manager,
    nothing is said. An agent that is ended for its silence shows where every thread stood.
    """
    notify_systemd("READY=1")
    living = asyncio.create_task(_show_life(clock, watchdog_s() / 2))
    try:
        yield
    finally:
        living.cancel()
        notify_systemd("STOPPING=1")


async def _show_life(clock: Clock, every_s: float) -> None:
    if every_s:
        faulthandler.enable(sys.__stderr__ or sys.stderr)
    while every_s:
        notify_systemd("WATCHDOG=1")
        await clock.sleep(every_s)


def watchdog_s(*, environ: Callable[[str], str | None] = os.environ.get) -> float:
    """For how long the service manager bears silence of this process; 0 for any time."""
    meant_for = environ("WATCHDOG_PID")
    if meant_for is not None and meant_for != str(os.getpid()):
        return 0.0
    return int(environ("WATCHDOG_USEC") or 0) / 1e6


def notify_systemd(message: str, *, environ: Callable[[str], str | None] = os.environ.get) -> bool:
    """Sends READY=1, STOPPING=1, STATUS=... or WATCHDOG=1 to the service manager. False where there is none."""
    address = environ("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall(message.encode())
        except OSError:
            return False
    return True
