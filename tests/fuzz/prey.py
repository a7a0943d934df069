"""The process in which hostile bytes are read: it may be lost, with a limit of memory, and a parent that counts the seconds.

Over a pipe come cases, over another one go what came of them, and the lines of Python that no case before had reached.
"""

from __future__ import annotations

import os
import pickle
import re
import resource
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Self

import common.delta
import common.kernel
from common.errors import ContentError, IntegrityError
from tests.fuzz.attacks import Attack, Inputs

Lines = frozenset[tuple[str, int]]

MEMORY_BYTES = 1 << 30
"""Beyond what the interpreter and its libraries take."""
_RUST_IS_OUT_OF_MEMORY = "memory allocation of"
"""Lepton's decoder believes lengths and cannot fail to allocate: the limit ends the process. Workers know these words too."""
_WATCHED = tuple(str(Path(package.__file__).parent) for package in (common.delta, common.kernel) if package.__file__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case."""

    word: str
    """Of its kind: with all numbers left out."""
    is_finding: bool = False
    told: str = ""
    """Of a finding: the traceback, or how the process ended."""
    new_lines: Lines = frozenset()
    is_lost: bool = False
    """The process has ended."""


class Prey:
    """A process that does one case after another."""

    def __init__(self, attack: Attack, seen: Collection[tuple[str, int]], deadline_s: float) -> None:
        self._deadline_s = deadline_s
        ours, theirs = os.pipe(), os.pipe()
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._pid = os.fork()
        if self._pid == 0:
            os.dup2(self._last_words.fileno(), 2)
            os.close(ours[1])
            os.close(theirs[0])
            _live(os.fdopen(ours[0], "rb"), os.fdopen(theirs[1], "wb"), attack, set(seen))
        os.close(ours[0])
        os.close(theirs[1])
        self._cases, self._replies = os.fdopen(ours[1], "wb"), os.fdopen(theirs[0], "rb")

    def __enter__(self) -> Self:
        """The process runs already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """The process has ended."""
        self._end()
        self._last_words.close()

    def meet(self, inputs: Inputs) -> Outcome:
        """Does a case. After an outcome that says that the process is lost, there is no other one."""
        try:
            pickle.dump(inputs, self._cases)
            self._cases.flush()
            if not select.select([self._replies], [], [], self._deadline_s)[0]:
                os.kill(self._pid, signal.SIGKILL)
                return Outcome("hangs", is_finding=True, told=f"no answer after {self._deadline_s} s", is_lost=True)
            return pickle.load(self._replies)  # type: ignore[no-any-return] # noqa: S301 - our own child's
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            status = self._end()
            self._last_words.seek(0)
            words = self._last_words.read().decode(errors="replace")
            if status == -signal.SIGABRT and _RUST_IS_OUT_OF_MEMORY in words:
                return Outcome("aborted, out of memory", is_lost=True)
            told = signal.Signals(-status).name if status < 0 else f"exit {status}"
            return Outcome(f"dies of {told}", is_finding=True, told=f"{told}\n{words[-2000:]}", is_lost=True)

    def _end(self) -> int:
        """Ends it, and says how it had ended: as `os.waitstatus_to_exitcode`."""
        if not self._pid:
            return 0
        for pipe in (self._cases, self._replies):
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # it was lost with a case half written
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)


def _live(cases: BinaryIO, replies: BinaryIO, attack: Attack, seen: set[tuple[str, int]]) -> None:
    """Does cases until there are no more, and ends."""
    try:
        most = _virtual_bytes() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        while True:
            try:
                inputs = pickle.load(cases)  # noqa: S301 - our own parent's
            except EOFError:
                os._exit(0)
            lines = _Lines(seen)
            outcome = met(attack, inputs, lines)
            pickle.dump(replace(outcome, new_lines=frozenset(lines.new)), replies)
            replies.flush()
    finally:
        os._exit(1)


def met(attack: Attack, inputs: Inputs, lines: _Lines | None = None) -> Outcome:
    """Does a case here and now."""
    try:
        word = lines.during(attack.run, inputs) if lines else attack.run(*inputs)
        return Outcome(_kind(word))
    except ContentError as error:
        return Outcome(_kind(f"ContentError {error.reason}: {error}"))
    except IntegrityError as error:
        return Outcome(_kind(f"IntegrityError: {error}"))
    except MemoryError:
        return Outcome("MemoryError")  # the limit did its work: workers answer so too
    except Exception as error:  # noqa: BLE001 - every other class is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(
            _kind(f"{type(error).__name__} in {where.name}: {error}"),
            is_finding=True,
            told="".join(traceback.format_exception(error)),
        )


def _kind(word: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "#", word)[:200]


class _Lines:
    """Lines of deltas and of the kernel's Python that were reached, of which some are new."""

    def __init__(self, seen: set[tuple[str, int]]) -> None:
        self._seen = seen
        self.new: set[tuple[str, int]] = set()

    def during(self, run: Callable[..., str], inputs: Inputs) -> str:
        """What it returns."""
        sys.settrace(self._called)
        try:
            return run(*inputs)
        finally:
            sys.settrace(None)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        del event, argument
        return self._reached if frame.f_code.co_filename.startswith(_WATCHED) else None

    def _reached(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if event == "line":
            line = frame.f_code.co_filename, frame.f_lineno
            if line not in self._seen:
                self._seen.add(line)
                self.new.add(line)
        return self._reached


def _virtual_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
