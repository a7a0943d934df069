"""`smarter-dest`: the daemon of site B and its local chores. Results on stdout, progress and logs on stderr."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.command import checked, ending
from common.errors import ExitCode

if TYPE_CHECKING:  # the agent's imports cost a second, which --help, mistakes and completion need not wait for
    from dest_agent.config import DestConfig

_config = click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="The dest.yaml to use.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@dataclass(slots=True)
class Reindexed:
    """What `reindex` did."""

    namespaces: dict[str, int] = field(default_factory=dict)
    """Pictures by namespace."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smarter")
def main() -> None:
    """Keeps what sources deliver, proves it, and gives it back."""


@main.command()
@_config
@ending("smarter-dest")
def run(config_path: Path) -> ExitCode:
    """Run the daemon (systemd Type=notify)."""
    from common import lifecycle, logs
    from dest_agent import agent

    config = _load(config_path)
    logs.configure(config.log.level, config.log.format)

    async def live() -> None:
        await agent.run(config, lifecycle.stop_event(asyncio.get_running_loop()), file=config_path)

    asyncio.run(live())
    return ExitCode.OK


@main.command()
@_config
@_json
@ending("smarter-dest")
def check(config_path: Path, *, as_json: bool) -> ExitCode:
    """Read the configuration and say every mistake at once. JSON: {"file", "problems"}; exit code 78 where there are some."""
    return checked(config_path, _load, as_json=as_json)


@main.command()
@_config
@_json
@ending("smarter-dest")
def reindex(config_path: Path, *, as_json: bool) -> ExitCode:
    """Build the index of pictures anew from the catalogue; the daemon must not run. JSON: {"namespaces": {name: pictures}}."""
    from dest_agent import agent

    done = Reindexed()
    for namespace, n_pictures in agent.reindex(_load(config_path)):
        done.namespaces[namespace] = n_pictures
        if not as_json:
            click.echo(f"{namespace}: {n_pictures} pictures")
    if as_json:
        click.echo(json.dumps(asdict(done)))
    return ExitCode.OK


def _load(config_path: Path) -> DestConfig:
    from dest_agent.config import own_dest_config

    return own_dest_config(config_path)
