"""`smarter backlog`: what waits at a source, and when all will be exact."""

from __future__ import annotations

from typing import Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json, size_text
from admin_client.verbs.windows import rate_words


@click.command("backlog")
@connection_options
@click.option(
    "--forecast", is_flag=True, help="Say when nothing will be left, by the timetables and what the link was seen to carry."
)
@json_option
def command(connection: Connection, *, forecast: bool, as_json: bool) -> None:
    """Show what waits at the source, class by class.

    JSON: {"classes": [{"class", "contents", "bytes", "bytes_to_send", "oldest", "rate", "open", "empty"}], "link_rate", "exact"};
    "empty" and "exact" (times, null where they cannot be known) with --forecast alone. Rates are bytes a second, null: no limit.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        found = client.pacing.backlog(forecast=forecast)
    if as_json:
        print_json(found)
        return
    for one in found["classes"]:
        click.echo(_line(one, with_end=forecast))
    if forecast:
        click.echo(f"all exact: {found['exact'] or 'not to be said'}")


def _line(one: dict[str, Any], *, with_end: bool) -> str:
    waits = f"{one['contents']} contents, {size_text(one['bytes'])} as at most {size_text(one['bytes_to_send'])}"
    since = f", since {one['oldest']}" if one["oldest"] else ""
    end = f"; empty {one['empty'] or 'not to be said'}" if with_end else ""
    return f"{one['class']:16} {rate_words(one['rate']):>14}  {waits}{since}{end}"
