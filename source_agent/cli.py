"""`smarter-source`: the daemon of site A and its local chores. Results on stdout, progress and logs on stderr."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.command import checked, ending
from common.errors import ExitCode
from common.paths import printable

if TYPE_CHECKING:  # the agent's imports cost half a second, which --help and mistakes need not wait for
    from source_agent.config import SourceConfig
    from source_agent.summary import Reindexed, Summary

PROGRESS_EVERY = 100
_config = click.option("--config", "config_path", required=True, type=click.Path(path_type=Path), help="The source.yaml to use.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smarter")
def main() -> None:
    """Watches folders and keeps a bit-exact copy of them at another site."""


@main.command()
@_config
@ending("smarter-source")
def run(config_path: Path) -> ExitCode:
    """Run the daemon (systemd Type=notify). SIGHUP: hours and rates are read again from the configuration."""
    from common import lifecycle, logs
    from source_agent.agent import assembled

    config = _load(config_path)
    logs.configure(config.log.level, config.log.format)

    async def live() -> None:
        stop = lifecycle.stop_event(asyncio.get_running_loop())
        async with assembled(config, file=config_path) as source:
            await source.run(stop)

    asyncio.run(live())
    return ExitCode.OK


@main.command()
@_config
@click.option("--drain", is_flag=True, help="Deliver everything deferred too, also what waits for the user's word.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@ending("smarter-source")
def once(config_path: Path, *, drain: bool, as_json: bool) -> ExitCode:
    """Scan once, deliver what is due, end when each has its receipt.

    Exit code 3 where some file was refused or could not be read; each is named.

    JSON: {"files", "versions", "logical_bytes", "sent_bytes": {class: bytes}, "representatives", "members", "exact_duplicates",
    "in_review", "unreadable", "refused", "skipped", "fallbacks", "delta_fallbacks", "seconds", "cpu_seconds"}.
    """
    from common import logs
    from common.clock import cpu_s
    from source_agent.agent import assembled

    config = _load(config_path)
    logs.configure(config.log.level, config.log.format)

    async def work() -> Summary:
        pings = config.health_ping.pings()
        await pings.tell("start")
        try:
            async with assembled(config) as source:
                summary = await source.once(drain=drain)
        except Exception:
            await pings.tell("fail")
            raise
        await pings.tell("fail" if summary.is_partial else "success")
        return replace(summary, cpu_seconds=round(cpu_s(), 3))

    summary = asyncio.run(work())
    click.echo(json.dumps(asdict(summary)) if as_json else _sentences(summary))
    return ExitCode.PARTIAL if summary.is_partial else ExitCode.OK


@main.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@ending("smarter-source")
def reindex(config_path: Path, *, as_json: bool) -> ExitCode:
    """Forget what was seen of the pictures, and look at them again.

    For a damaged or lost index; the agent must not run. Groups, and your word on them, stay as they are. A picture that no file
    has any more cannot be looked at: it stays in its group, and nothing that comes is compared with it.
    JSON: {"pictures", "lost", "seconds"}.
    """
    from common import logs
    from source_agent.agent import assembled

    config = _load(config_path)
    logs.configure(config.log.level, config.log.format)

    def progress(n_done: int, n_all: int) -> None:
        if n_done == n_all or n_done % PROGRESS_EVERY == 0:
            click.echo(f"smarter-source: {n_done} of {n_all} pictures looked at", err=True)

    async def work() -> Reindexed:
        async with assembled(config, keeps_looks=False) as source:
            return await source.reindex(progress=progress)

    done = asyncio.run(work())
    text = f"{done.pictures} pictures, {done.lost} of them lost, {done.seconds} s"
    click.echo(json.dumps(asdict(done)) if as_json else text)
    return ExitCode.OK


@main.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@ending("smarter-source")
def check(config_path: Path, *, as_json: bool) -> ExitCode:
    """Read the configuration and say every mistake at once. JSON: {"file", "problems"}; exit code 78 where there are some."""
    return checked(config_path, _load, as_json=as_json)


def _load(config_path: Path) -> SourceConfig:
    from source_agent.config import own_source_config

    return own_source_config(config_path)


def _sentences(summary: Summary) -> str:
    """The summary for a person."""
    sent = sum(summary.sent_bytes.values())
    lines = [
        f"{summary.files} files; {summary.versions} versions delivered, {summary.logical_bytes:,} bytes as {sent:,} on the wire",
        f"{summary.representatives} representatives, and {summary.members} members as deltas or whole",
        f"{summary.exact_duplicates} exact duplicates for nothing, {summary.seconds} s",
    ]
    if summary.in_review:
        lines.append(f"{summary.in_review} groups wait for your word: smarter groups list --review")
    lines += [f"unreadable: {text}" for text in summary.unreadable]
    lines += [f"refused: {r['root']}/{r['path']}: {r['reason']}" for r in summary.refused]
    lines += [f"skipped: {s['path']} ({s['kind']})" for s in summary.skipped]
    return "\n".join(map(printable, lines))
