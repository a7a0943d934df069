"""`smarter audit`: who asked the agents for which change."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json_list
from admin_client.sites import named_sites, site_option
from admin_client.verbs.ls import time_option
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.results.agents import AuditEntry, Site

_LISTED = 50


@click.command("audit")
@connection_options
@site_option
@click.option("--since", metavar="TIME", help="Only from this time on: RFC 3339, '2026-11-20 14:00', '2h ago'.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Stop after so many.  [default: {_LISTED}; with --json all]")
@json_option
def command(connection: Connection, *, site: str | None, since: str | None, limit: int | None, as_json: bool) -> None:
    """List who asked the agents for which change, the newest first.

    A change is written down before it is made; what failed says why. JSON: {"entries": [{"site", "number", "at", "by", "call",
    "asked", "failed"}]}.
    """
    since_ns = time_option(since, name="--since")
    asked = [_entries(connection, name, since_ns=since_ns) for name, _ in named_sites(connection, site)]
    entries = merge(*asked, key=lambda entry: entry["at"], reverse=True)
    if as_json:
        print_json_list("entries", islice(entries, limit))
        return
    for entry in islice(entries, limit or _LISTED):
        failed = f"  FAILED: {entry['failed']}" if entry["failed"] else ""
        line = f"{entry['at'][:19]} {entry['site']:6} {entry['by'].rpartition('/')[2]:14} {entry['call']}"
        click.echo(printable(f"{line}  {entry['asked']}{failed}".rstrip()))


def _entries(connection: Connection, site: Site, *, since_ns: int) -> Iterator[AuditEntry]:
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick

    for _, endpoint in named_sites(connection, site):
        with AgentClient(endpoint) as client:
            for entry in client.audit(since_ns=since_ns):
                yield {"site": site, **entry}
