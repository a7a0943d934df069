"""Telling a person how far a command is: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Protocol, Self

from common.clock import monotonic_s

_LINE_EVERY_S = 5.0
_MIB = 1 << 20


class Progress(Protocol):
    """What a long command reports to. Every stage replaces the one before."""

    def stage(self, text: str, *, total_bytes: int | None = None) -> None:
        """Begins a stage; `total_bytes` where its size is known."""

    def advance(self, n_bytes: int) -> None:
        """So many bytes more are done."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class PlainProgress:
    """Lines, for logs and pipes: each stage once, and where it is every few seconds."""

    def __init__(self) -> None:
        self._text = ""
        self._total: int | None = None
        self._done = 0
        self._said_s = monotonic_s()

    def stage(self, text: str, *, total_bytes: int | None = None) -> None:
        """Begins a stage with a line."""
        self._text, self._total, self._done, self._said_s = text, total_bytes, 0, monotonic_s()
        self.say(text)

    def advance(self, n_bytes: int) -> None:
        """Counts, and says so when the last line is some seconds old."""
        self._done += n_bytes
        if monotonic_s() - self._said_s >= _LINE_EVERY_S:
            self._said_s = monotonic_s()
            of = f" of {self._total / _MIB:.0f}" if self._total else ""
            self.say(f"{self._text}: {self._done / _MIB:.0f}{of} MiB")

    def say(self, text: str) -> None:
        """Writes a line."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class BarProgress:
    """A bar with rate and remaining time, for a terminal."""

    def __init__(self) -> None:
        # rich is slow to import, and a pipe needs none of it
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True)]
        self._bar = Bar(*columns, TransferSpeedColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None)

    def stage(self, text: str, *, total_bytes: int | None = None) -> None:
        """Starts the bar anew."""
        self._bar.reset(self._task, description=text, total=total_bytes)

    def advance(self, n_bytes: int) -> None:
        """Moves the bar."""
        self._bar.advance(self._task, n_bytes)

    def say(self, text: str) -> None:
        """Writes a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def open_progress() -> Progress:
    """The progress that suits stderr. Used as a context, so that the terminal is left as it was."""
    return BarProgress() if sys.stderr.isatty() else PlainProgress()
