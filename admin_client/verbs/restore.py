"""`smarter restore`: files back from the destination, as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import duration_text, print_json, size_text
from admin_client.verbs.ls import time_option
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.report import RestoreReport


@click.command("restore")
@connection_options
@click.option("--policy", required=True, metavar="NAME", help="The policy to restore.")
@click.option(
    "--to", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to; made if absent."
)
@click.option(
    "--path", "glob", default="", metavar="GLOB", help="Only paths that fit, as in a .gitignore: *.jpg, /2026, 2026/**/raw."
)
@click.option("--at", metavar="TIME", help="The state at this time: RFC 3339, '2026-11-20 14:00', '2h ago'.  [default: now]")
@click.option("--from", "source_name", default="", metavar="SOURCE", help="The source, where several have this policy.")
@click.option("--overwrite", is_flag=True, help="Replace what stands in the way; never a directory by a file.")
@click.option(
    "--approximate", is_flag=True, help="Show members that have not come, as NAME.approximate.png, made of pictures like them."
)
@click.option("--numeric-ids", is_flag=True, help="Owners by number, whatever their names mean here.")
@json_option
def command(  # noqa: PLR0913 - one for each option
    connection: Connection,
    *,
    policy: str,
    to: Path,
    glob: str,
    at: str | None,
    source_name: str,
    overwrite: bool,
    approximate: bool,
    numeric_ids: bool,
    as_json: bool,
) -> int:
    """Restore a policy below DIR: directly where it has one root, else in a folder for each root.

    Files that are there with the same bytes are left alone, anything else in the way is refused and named (exit code 3).
    Every byte is proved; a file whose bytes cannot be is not left behind (exit code 30). DIR itself gets the root's
    mode, owner and times. Files of which the destination has only heard what they look like are listed ("announced").

    With --approximate a manifest is written beside DIR, DIR.manifest.jsonl: of every file whether it is exact, approximate or
    absent. JSON: "manifest" is its path, "counts" {"exact", "approximate", "absent"}, both null without --approximate.

    Without root's rights, owners that cannot be set are counted in "notes".

    JSON: {"files", "directories", "symlinks", "fifos", "hardlinks", "bytes", "present", "refused": [{"path", "reason"}],
    "damaged": [{"path", "reason"}], "announced": [paths], "approximate": [paths], "notes": {note: count}, "seconds"}.
    """
    at_ns = time_option(at)
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415
    from admin_client.progress import open_progress  # noqa: PLC0415
    from admin_client.restoring import RestoreRequest, restore  # noqa: PLC0415
    from common.model import Selection  # noqa: PLC0415

    selection = Selection(policy=policy, source=source_name, glob=glob, at_ns=at_ns)
    request = RestoreRequest(selection, to, overwrite=overwrite, numeric_ids=numeric_ids, approximate=approximate)
    with AgentClient(find_endpoints(connection).need_dest()) as client, open_progress() as progress:
        report = restore(client, request, progress=progress)
    for path, reason in (*report.refused, *report.damaged):
        click.echo(f"smarter: {printable(path)}: {printable(reason)}", err=True)
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(_sentence(report))
    return report.exit_code()


def _sentence(report: RestoreReport) -> str:
    placed = (
        f"{report.files} files ({size_text(report.n_bytes)}), {report.directories} directories, {report.symlinks} symbolic links"
    )
    parts = [f"restored {placed}, {report.hardlinks} hard links in {duration_text(report.seconds)}"]
    if report.present:
        parts.append(f"{report.present} were there already")
    if report.refused:
        parts.append(f"{len(report.refused)} refused")
    if report.damaged:
        parts.append(f"{len(report.damaged)} damaged")
    if report.announced:
        made = f"{len(report.approximate)} of them shown roughly" if report.approximate else "--approximate shows them roughly"
        parts.append(f"{len(report.announced)} announced and not delivered, {made}")
    if report.manifest:
        parts.append(f"{', '.join(f'{n} {what}' for what, n in report.counts.items())}: see {report.manifest}")
    parts += [f"{n} {note.replace('_', ' ')}" for note, n in sorted(report.notes.items())]
    return "; ".join(parts)
