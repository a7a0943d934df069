"""`smarter drill`: whether what the destination holds can really be had back."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import duration_text, print_json, size_text
from common.paths import printable

_FILES = 100


@click.command("drill")
@connection_options
@click.option("--files", type=click.IntRange(1, 1_000_000), default=_FILES, show_default=True, metavar="N", help="How many.")
@click.option("--policy", default="", metavar="NAME", help="Only of this policy.")
@click.option("--from", "source_name", default="", metavar="SOURCE", help="Only what this source delivered.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Where the temporary folder is made; it needs room for the sample.  [default: $TMPDIR, /tmp]",
)
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), metavar="N", help="Draw the sample that this number drew before.")
@json_option
def command(  # noqa: PLR0913 - one for each option
    connection: Connection, *, files: int, policy: str, source_name: str, scratch: Path | None, seed: int | None, as_json: bool
) -> int:
    """Restore a sample drawn at random into a temporary folder, read it back, and compare digests, modes and times.

    The destination remembers it as the last drill (`smarter status`, metrics). Exit code 30 where a file did not come back as it
    was, 3 where one could not be written here; each is named.

    JSON: {"files", "bytes", "of_files", "problems": [{"path", "reason"}], "seed", "seconds"}.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.drilling import drill  # noqa: PLC0415
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415
    from admin_client.progress import open_progress  # noqa: PLC0415
    from common.model import Selection  # noqa: PLC0415

    drawn = secrets.randbits(32) if seed is None else seed
    selection = Selection(policy=policy, source=source_name)
    with (
        AgentClient(find_endpoints(connection).need_dest()) as client,
        open_progress() as progress,
        tempfile.TemporaryDirectory(prefix="smarter-drill-", dir=scratch, ignore_cleanup_errors=True) as folder,
    ):
        done = drill(client, selection, files, seed=drawn, folder=Path(folder), progress=progress)
    report = done.report
    for one in report["problems"]:
        click.echo(printable(f"smarter: {one['path']}: {one['reason']}"), err=True)
    if as_json:
        print_json(report)
    else:
        took = duration_text(report["seconds"])
        sample = f"{report['files']} of {report['of_files']} files ({size_text(report['bytes'])})"
        click.echo(f"{sample} restored and compared in {took}: {len(report['problems'])} not as they were")
    return done.exit_code
