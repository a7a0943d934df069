"""`smarter-dest`: the daemon of site B and its local chores. Results on stdout, progress and logs on stderr."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from common import lifecycle, logs
from common.command import ending
from common.errors import ExitCode
from dest_agent import agent
from dest_agent.config import load_dest_config

_config = click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="The dest.yaml to use.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smarter")
def main() -> None:
    """Keeps what sources deliver, proves it, and gives it back."""


@main.command()
@_config
@ending("smarter-dest")
def run(config_path: Path) -> ExitCode:
    """Run the daemon (systemd Type=notify)."""
    config = load_dest_config(config_path)
    logs.configure(config.log.level, config.log.format)

    async def live() -> None:
        await agent.run(config, lifecycle.stop_event(asyncio.get_running_loop()), file=config_path)

    asyncio.run(live())
    return ExitCode.OK


@main.command()
@_config
@ending("smarter-dest")
def check(config_path: Path) -> ExitCode:
    """Read the configuration and say every mistake at once."""
    agent.check_identity(load_dest_config(config_path))
    click.echo(f"{config_path}: good")
    return ExitCode.OK


@main.command()
@_config
@ending("smarter-dest")
def reindex(config_path: Path) -> ExitCode:
    """Build the index of pictures anew from the catalogue; the daemon must not run."""
    for namespace, n_pictures in agent.reindex(load_dest_config(config_path)):
        click.echo(f"{namespace}: {n_pictures} pictures")
    return ExitCode.OK
