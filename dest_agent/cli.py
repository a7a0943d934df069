"""`smarter-dest`: the daemon of site B and its local chores. Results on stdout, progress and logs on stderr."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from common import lifecycle, logs
from common.errors import ExitCode, SmarterError
from dest_agent import agent
from dest_agent.config import load_dest_config

P = ParamSpec("P")
_config = click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="The dest.yaml to use.")


def _said(command: Callable[P, ExitCode]) -> Callable[P, None]:
    """Ends the process with the command's exit code, and an error with one clear sentence and its own."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except SmarterError as error:
            click.echo(f"smarter-dest: {error}", err=True)
            code = error.exit_code
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        sys.exit(int(code))

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smarter")
def main() -> None:
    """Keeps what sources deliver, proves it, and gives it back."""


@main.command()
@_config
@_said
def run(config_path: Path) -> ExitCode:
    """Run the daemon (systemd Type=notify)."""
    config = load_dest_config(config_path)
    logs.configure(config.log.level, config.log.format)

    async def live() -> None:
        await agent.run(config, lifecycle.stop_event(asyncio.get_running_loop()))

    asyncio.run(live())
    return ExitCode.OK


@main.command()
@_config
@_said
def check(config_path: Path) -> ExitCode:
    """Read the configuration and say every mistake at once."""
    agent.check_identity(load_dest_config(config_path))
    click.echo(f"{config_path}: good")
    return ExitCode.OK
