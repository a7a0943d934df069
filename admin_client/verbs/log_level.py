"""`smarter log-level`: more, or less, in the agents' logs for a while."""

from __future__ import annotations

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json
from admin_client.sites import ask_each, site_option
from common.paths import printable

_CONFIGURED = "configured"


@click.command("log-level")
@connection_options
@site_option
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error", _CONFIGURED]))
@click.option("--for", "duration", metavar="DURATION", help="How long: 90s, 1h30m.  [default: until the agent ends]")
@json_option
def command(connection: Connection, level: str, *, site: str | None, duration: str | None, as_json: bool) -> int:
    """Have the agents log at LEVEL for a while; `configured` ends it at once.

    \b
    JSON: {"source": {"level", "configured", "until"}, "dest": {...}}, null for an agent that is not named.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from common.config import seconds_of  # noqa: PLC0415 - keeps --help quick

    try:
        seconds = 0.0 if duration is None else seconds_of(duration)
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    if duration is not None and (not seconds or level == _CONFIGURED):
        raise click.UsageError("--for: name a level, and how long it holds")
    asked = ask_each(connection, lambda client: client.log_at("" if level == _CONFIGURED else level, seconds=seconds), site=site)
    if as_json:
        print_json(asked.as_json())
    else:
        for name, answer in asked.answers.items():
            until = f" until {answer['until']}, then {answer['configured']}" if answer["until"] else ""
            click.echo(printable(f"{name}: logs at {answer['level']}{until}"))
        asked.tell_unreached()
    return asked.exit_code
