"""How a daemon's command ends: with its exit code, or with one clear sentence on stderr and the error's own code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from common.errors import ExitCode, SmarterError

P = ParamSpec("P")


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
