"""`smarter quarantine`: what goes no further by itself at a source."""

from __future__ import annotations

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json_list
from common.paths import printable


@click.command("quarantine")
@connection_options
@click.option("--policy", default="", metavar="NAME", help="Only of this policy.")
@click.option("--path", "glob", default="", metavar="GLOB", help="Only paths that fit, as in a .gitignore: *.jpg, /2026.")
@json_option
def command(connection: Connection, *, policy: str, glob: str, as_json: bool) -> None:
    """List what goes no further by itself: versions that the destination refused, and paths that cannot be read.

    `smarter retry` tries them again. JSON: {"problems": [{"policy", "root", "path", "reason", "seq"}]}, "seq" null where a path
    cannot be read.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        problems = client.quarantine(policy=policy, glob=glob)
        if as_json:
            print_json_list("problems", problems)
            return
        n_told = 0
        for n_told, p in enumerate(problems, start=1):  # noqa: B007 - counted
            kind = "refused   " if p["seq"] else "unreadable"
            click.echo(printable(f"{kind} {p['policy']}/{p['root']}/{p['path']}: {p['reason']}"))
        if not n_told:
            click.echo("nothing is set aside")
