"""`smarter metrics`: an agent's figures as Prometheus reads them."""

from __future__ import annotations

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json
from admin_client.sites import ask_each, named_sites, site_option


@click.command("metrics")
@connection_options
@site_option
@json_option
def command(connection: Connection, *, site: str | None, as_json: bool) -> int:
    """Print an agent's metrics in Prometheus' text format; of one agent, unless it is JSON.

    JSON: {"source": {"text"}, "dest": {"text"}}, null for an agent that is not named.
    """
    if not as_json and len(list(named_sites(connection, site))) > 1:
        raise click.UsageError("two agents are named: say which with --site source, --site dest")
    asked = ask_each(connection, lambda client: {"text": client.metrics()}, site=site)
    if as_json:
        print_json(asked.as_json())
    else:
        for answer in asked.answers.values():
            click.echo(answer["text"], nl=False)
        asked.tell_unreached()
    return asked.exit_code
