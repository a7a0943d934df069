"""`smarter retry`: what a source had set aside, once more."""

from __future__ import annotations

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json


@click.command("retry")
@connection_options
@click.option("--policy", default="", metavar="NAME", help="What is of this policy.")
@click.option("--path", "glob", default="", metavar="GLOB", help="Paths that fit, as in a .gitignore: *.jpg, /2026.")
@click.option("--all", "everything", is_flag=True, help="All of it.")
@json_option
def command(connection: Connection, *, policy: str, glob: str, everything: bool, as_json: bool) -> None:
    """Have a source send refused versions, and look at unreadable paths, once more. `smarter quarantine` lists them.

    JSON: {"versions", "paths"}: how many of each are tried again.
    """
    if everything == bool(policy or glob):
        raise click.UsageError("say what to try again: --path GLOB, --policy NAME, or --all")
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        done = client.retry(policy=policy, glob=glob)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['versions']} refused versions are sent again, {done['paths']} unreadable paths looked at again")
