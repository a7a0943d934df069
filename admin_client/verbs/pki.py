"""`smarter pki`: certificates for both sites in one call."""

from __future__ import annotations

from pathlib import Path

import click

from admin_client.options import json_option
from admin_client.output import print_json


@click.group("pki")
def command() -> None:
    """Make certificates for mutual TLS."""


@command.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--source", "sources", multiple=True, metavar="NAME", help="A source agent's name; may be given several times.")
@click.option("--dest", "dests", multiple=True, metavar="NAME", help="A destination agent's name; may be given several times.")
@click.option("--force", is_flag=True, help="Issue the named agents' certificates anew where they are there already.")
@json_option
def init(directory: Path, sources: tuple[str, ...], dests: tuple[str, ...], *, force: bool, as_json: bool) -> None:
    """Make a certificate authority in DIRECTORY, and certificates for the agents and the operator.

    Where DIRECTORY has an authority, more agents are added with it and nothing else is touched. Copy ca.pem and an agent's
    own two files to its machine; keep ca.key away from both sites. JSON: {"directory", "ca_made", "names"}.
    """
    if not sources and not dests:
        raise click.UsageError("name at least one agent: --source NAME, --dest NAME")
    from admin_client.pki import issue_pki  # noqa: PLC0415 - keeps --help quick

    issued = issue_pki(directory, sources=sources, dests=dests, force=force)
    if as_json:
        print_json({"directory": str(issued.directory), "ca_made": issued.ca_made, "names": list(issued.names)})
        return
    click.echo(f"{directory}: {'made a certificate authority' if issued.ca_made else 'used the certificate authority there'}")
    for name in issued.names:
        click.echo(f"{directory / name}.pem and .key: issued")
