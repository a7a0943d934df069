"""`smarter versions`: how far each version of a source is."""

from __future__ import annotations

from itertools import islice

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json_list, size_text
from common.errors import ExitCode
from common.paths import printable

_LISTED = 50
_STATES = ("identified", "queued", "deferred", "replicated", "superseded", "quarantined")
_FIELDS = ("seq", "policy", "root", "path", "kind", "role", "state", "reason", "size", "digest", "observed")


@click.command("versions")
@connection_options
@click.option(
    "--state", "states", multiple=True, type=click.Choice(_STATES), help="Only in this state; may be given several times."
)
@click.option("--policy", default="", metavar="NAME", help="Only of this policy.")
@click.option("--path", "glob", default="", metavar="GLOB", help="Only paths that fit, as in a .gitignore: *.jpg, /2026.")
@click.option("--fields", default="", metavar="NAMES", help="With --json: only these, as path,state,reason.  [default: all]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Stop after so many.  [default: {_LISTED}; with --json all]")
@json_option
def command(  # noqa: PLR0913 - one for each option
    connection: Connection, *, states: tuple[str, ...], policy: str, glob: str, fields: str, limit: int | None, as_json: bool
) -> int:
    """List a source's versions and how far each is, the newest first.

    \b
    JSON: {"versions": [{"seq", "policy", "root", "path", "kind", "role", "state", "reason", "size", "digest", "observed"}]}
    """  # noqa: D301 - click's mark for lines that stay as they are
    wanted = [field.strip() for field in fields.split(",") if field.strip()]
    if unknown := sorted(set(wanted) - set(_FIELDS)):
        raise click.UsageError(f"--fields: {', '.join(unknown)}: a version has {', '.join(_FIELDS)}")
    if wanted and not as_json:
        raise click.UsageError("--fields: for --json; a listing has the fields that it has")
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        found = client.versions(states=states, policy=policy, glob=glob, fields=wanted)
        if as_json:
            print_json_list("versions", islice(found, limit))
            return ExitCode.OK
        for v in islice(found, limit or _LISTED):
            why = f"  ({v['reason']})" if v["reason"] else ""
            place = f"{v['policy']}/{v['root']}/{v['path']}"
            click.echo(printable(f"{v['seq']:>9} {v['observed'][:19]} {v['state']:11} {size_text(v['size']):>10} {place}{why}"))
        if next(found, None) is not None:
            click.echo(f"... and more: --limit N lists more than {limit or _LISTED}")
    return ExitCode.OK
