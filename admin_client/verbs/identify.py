"""`smarter identify`: which pictures of a directory are the same, without an agent."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_client.options import json_option
from admin_client.output import duration_text, print_json
from common.errors import ExitCode
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.identify import IdentifyReport

MAX_CACHE_BYTES = 4 << 30
"""A larger cache is emptied at the next start: some 150,000 pictures."""
_LISTED = 20


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/smarter/looks.db`, with `~/.cache` where the variable is not an absolute path."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "smarter" / "looks.db"


@click.command("identify")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that look at pictures.  [default: one per processor]")
@click.option("--cache", type=click.Path(path_type=Path, dir_okay=False), help="Default: $XDG_CACHE_HOME/smarter/looks.db")
@json_option
def command(directory: Path, workers: int | None, cache: Path | None, *, as_json: bool) -> int:
    """Group the pictures below DIR: exact copies, near-duplicates, other shots of one scene.

    Nothing below DIR is changed. What was seen is cached by content, so that a second run, or one after Ctrl-C, is quick.
    Exit code 3 where some pictures could not be read; each is named.

    JSON: {"files", "images", "exact_groups", "seconds", "unreadable": [paths], "groups": [{"representative",
    "members": [{"path", "relation": "exact"|"near"|"scene", "sd", "base"}]}], ...}, paths relative to DIR. "near" is the
    same picture transformed, "scene" another shot worth predicting from; "sd" is null where no features were needed.
    """
    from admin_client.identify import identify  # noqa: PLC0415 - keeps --help quick
    from admin_client.progress import open_progress  # noqa: PLC0415
    from common.looks import Looks  # noqa: PLC0415

    n_workers = workers or len(os.sched_getaffinity(0))
    with Looks(cache or default_cache(), max_bytes=MAX_CACHE_BYTES) as looks, open_progress() as progress:
        if looks.problem:
            progress.say(printable(f"smarter: the cache cannot be used, so this run is not resumable: {looks.problem}"))
        report = asyncio.run(identify(directory, looks=looks, n_workers=n_workers, progress=progress))
    for path, reason in report.unreadable:
        click.echo(printable(f"smarter: {path}: {reason}"), err=True)
    if as_json:
        print_json(report.as_json())
    else:
        _print_text(report)
    return ExitCode.PARTIAL if report.unreadable else ExitCode.OK


def _print_text(report: IdentifyReport) -> None:
    for group in report.groups[:_LISTED]:
        click.echo(printable(group["representative"]))
        for member in group["members"]:
            sd = "" if member["sd"] is None else f"  {member['sd']:.2f}"
            click.echo(f"  {member['relation']:5}  {printable(member['path'])}{sd}")
    if len(report.groups) > _LISTED:
        click.echo(f"... and {len(report.groups) - _LISTED} groups more: --json lists all")
    n_near = sum(member["relation"] == "near" for group in report.groups for member in group["members"])
    click.echo(
        f"{report.n_images} pictures among {report.n_files} files in {duration_text(report.seconds)}: "
        f"{report.n_exact_groups} with exact copies, {n_near} near-duplicates, {report.n_early} of them seen at a glance, "
        f"{len(report.unreadable)} unreadable"
    )
