"""`smarter resume`: what was paused goes on."""

from __future__ import annotations

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.verbs.windows import CLASSES, print_windows


@click.command("resume")
@connection_options
@click.option(
    "--class", "of", type=click.Choice(CLASSES), default="link", help="What goes on.  [default: link, which is everything]"
)
@json_option
def command(connection: Connection, *, of: str, as_json: bool) -> None:
    """Go on with what was paused: everything, or one class.

    JSON: as `smarter windows show`.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        print_windows(client.pacing.resume(of), as_json=as_json)
