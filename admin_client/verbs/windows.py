"""`smarter windows`: when how much may go, and the operator's word on it."""

from __future__ import annotations

import math
from typing import Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json, size_text
from admin_client.verbs.ls import time_option
from common.config import seconds_of
from common.paths import printable
from common.timetable import rate_of

CLASSES = ("link", "representatives", "chunks", "deferred")


@click.group("windows")
def command() -> None:
    """Show when how much of each class may go, and set a rate for a while.

    Classes: link (everything together), representatives, chunks (contents that are no pictures), deferred (members of groups).
    """


@command.command("show")
@connection_options
@json_option
def show(connection: Connection, *, as_json: bool) -> None:
    """Show what holds now, and when each class opens next.

    JSON: {"now", "windows": [{"class", "policy", "timetable", "rate", "open", "since", "until", "timetable_rate", "paused",
    "override": {"rate", "until"} | null, "opens"}]}; rates are bytes a second, null for no limit, 0 for closed.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        print_windows(client.pacing.windows(), as_json=as_json)


@command.command("override")
@click.argument("of", metavar="CLASS", type=click.Choice(CLASSES))
@click.argument("rate")
@click.option("--for", "for_text", metavar="TIME", help="For so long: 90s, 30m, 2h.")
@click.option("--until", metavar="TIME", help="Until then: RFC 3339, or '2026-11-20 14:00'.")
@connection_options
@json_option
def override(connection: Connection, *, of: str, rate: str, for_text: str | None, until: str | None, as_json: bool) -> None:
    """Give CLASS a RATE (10M, 512k, off, closed) until a time, whatever the timetables say, those of policies too.

    JSON: as `show`.
    """
    if (for_text is None) == (until is None):
        raise click.UsageError("an override has an end: --for 2h, or --until TIME")
    try:
        wanted, for_s = rate_of(rate), seconds_of(for_text) if for_text else 0.0
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    until_ns = time_option(until)
    from admin_client.client import AgentClient  # noqa: PLC0415
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        print_windows(client.pacing.override(of, wanted, until_ns=until_ns, for_s=for_s), as_json=as_json)


@command.command("clear")
@click.argument("of", metavar="CLASS", type=click.Choice(CLASSES))
@connection_options
@json_option
def clear(connection: Connection, *, of: str, as_json: bool) -> None:
    """Let the timetables hold again for CLASS. JSON: as `show`."""
    from admin_client.client import AgentClient  # noqa: PLC0415
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    with AgentClient(find_endpoints(connection).need_source()) as client:
        print_windows(client.pacing.clear(of), as_json=as_json)


def print_windows(found: dict[str, Any], *, as_json: bool) -> None:
    """Prints what holds: a JSON object, or a line for each class and each policy with hours of its own."""
    if as_json:
        print_json(found)
        return
    for one in found["windows"]:
        name = f"{one['class']} of {one['policy']}" if one["policy"] else one["class"]
        click.echo(printable(f"{name:28} {rate_words(one['rate']):>14}  {_reason(one)}"))


def rate_words(rate: float | None) -> str:
    """A rate for people."""
    if rate is None or rate == math.inf:
        return "no limit"
    return f"{size_text(rate)}/s" if rate else "closed"


def _reason(one: dict[str, Any]) -> str:
    opens = f", opens {one['opens']}" if one["opens"] and not one["open"] else ""
    if one["paused"]:
        return "paused until it is resumed"
    if one["override"]:
        return f"overridden until {one['override']['until']}{opens}; then {one['timetable']}"
    until = f" until {one['until']}" if one["until"] else ""
    return f"by {one['timetable']}{until}{opens}"
