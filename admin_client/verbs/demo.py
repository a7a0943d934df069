"""`smarter demo`: see it work on this machine before trusting it with another."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_client.options import json_option
from admin_client.output import duration_text, print_json, size_text
from common.errors import ExitCode
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.demo import DemoReport

_LISTED = 20


@click.command("demo")
@click.option(
    "--photos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Your pictures; they are only read.",
)
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep everything here; absent or empty."
)
@json_option
def command(photos: Path | None, state: Path | None, *, as_json: bool) -> int:
    """Replicate DIR, or a sample library, between two agents on this machine, restore it and compare every byte.

    Exit code 1 where the restored tree differs from the original in any byte or attribute.

    JSON: {"files", "logical_bytes", "wire_bytes": {class: bytes}, "seconds", "restored_equal", "differences", "refused",
    "restore": {...}}, the last as of `smarter restore`.
    """
    if state is not None and state.exists() and any(state.iterdir()):
        raise click.UsageError(f"--state {state}: the directory is not empty")
    from admin_client.demo import run_demo  # noqa: PLC0415 - keeps --help quick
    from admin_client.progress import open_progress  # noqa: PLC0415

    with ExitStack() as stack:
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smarter-demo-", ignore_cleanup_errors=True)))
        state.mkdir(parents=True, exist_ok=True)
        progress = stack.enter_context(open_progress())
        report = asyncio.run(run_demo(state.resolve(), photos=photos and photos.resolve(), progress=progress))
    for line in [f"differs: {line}" for line in report.differing][:_LISTED] + [f"refused: {one}" for one in report.refused][
        :_LISTED
    ]:
        click.echo(printable(line), err=True)
    if as_json:
        print_json(report.as_json())
    else:
        _print_table(report)
    return ExitCode.OK if report.is_equal else ExitCode.ERROR


def _print_table(report: DemoReport) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    table = Table(show_header=False, title="Smarter: site A to site B and back", title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("files", str(report.files))
    table.add_row("logical bytes", size_text(report.logical_bytes))
    share = f" ({100 * report.total_wire_bytes / report.logical_bytes:.1f} %)" if report.logical_bytes else ""
    table.add_row("bytes on the wire", size_text(report.total_wire_bytes) + share)
    for name, n_bytes in report.wire_bytes.items():
        table.add_row(f"  {name}", size_text(n_bytes))
    table.add_row("time to replicate", duration_text(report.seconds))
    table.add_row("time to restore", duration_text(report.restored.seconds))
    table.add_row("restored == original", "yes" if report.is_equal else f"NO: {_why_not(report)}")
    Console(highlight=False).print(table)


def _why_not(report: DemoReport) -> str:
    parts = []
    if report.differing:
        parts.append(f"{len(report.differing)} paths differ")
    if report.refused:
        parts.append(f"{len(report.refused)} refused")
    if report.restored.damaged:
        parts.append(f"{len(report.restored.damaged)} damaged")
    return ", ".join(parts)
