"""`smarter reload`: the agents read their configuration again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json
from admin_client.sites import ask_each, site_option
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.results.agents import ReloadReport


@click.command("reload")
@connection_options
@site_option
@json_option
def command(connection: Connection, *, site: str | None, as_json: bool) -> int:
    """Have the agents read their configuration again, and say what changed.

    A file with mistakes changes nothing: all of them are named, and the exit code is 78.

    \b
    JSON: {"source": {"file", "changed": [keys], "needs_restart": [keys]}, "dest": {...}}, null for an agent that is not named.
    """  # noqa: D301 - click's mark for lines that stay as they are
    asked = ask_each(connection, lambda client: client.reload(), site=site)
    if as_json:
        print_json(asked.as_json())
    else:
        for name, answer in asked.answers.items():
            click.echo(printable(f"{name}: {_sentence(answer)}"))
        asked.tell_unreached()
    return asked.exit_code


def _sentence(answer: ReloadReport) -> str:
    parts = [answer["file"]]
    if answer["changed"]:
        parts.append(f"now in force: {', '.join(answer['changed'])}")
    if answer["needs_restart"]:
        parts.append(f"after a restart: {', '.join(answer['needs_restart'])}")
    return "; ".join(parts) if len(parts) > 1 else f"{parts[0]}: nothing changed"
