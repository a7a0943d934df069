"""How a daemon's command ends: with its exit code, or with one clear sentence on stderr and the error's own code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from common.errors import ConfigError, ExitCode, SmarterError

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found."""

    file: str
    problems: list[str]
    """Each mistake, as `file:line: key: what is wrong`; empty where the file is good."""


def checked(file: Path, read: Callable[[Path], object], *, as_json: bool) -> ExitCode:
    """Reads a configuration and says that it is good. Errors: ConfigError; with `as_json` that is printed instead."""
    problems: list[str] = []
    try:
        read(file)
    except ConfigError as error:
        if not as_json:
            raise
        problems = list(error.problems)
    sys.stdout.write((json.dumps(asdict(Checked(str(file), problems))) if as_json else f"{file}: good") + "\n")
    return ExitCode.CONFIG if problems else ExitCode.OK


def ending(program: str) -> Callable[[Callable[P, ExitCode]], Callable[P, None]]:
    """Makes a function that gives an exit code into one that ends the process with it."""

    def decorate(command: Callable[P, ExitCode]) -> Callable[P, None]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                code = command(*args, **kwargs)
            except SmarterError as error:
                sys.stderr.write(f"{program}: {error}\n")
                code = error.exit_code
            except OSError as error:
                sys.stderr.write(f"{program}: {error.filename or 'system'}: {error.strerror or error}\n")
                code = ExitCode.ERROR
            except KeyboardInterrupt:
                code = ExitCode.INTERRUPTED
            sys.exit(int(code))

        return run

    return decorate
