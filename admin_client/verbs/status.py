"""`smarter status`: both sites at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import duration_text, print_json, size_text
from admin_client.sites import ask_each
from common.errors import ExitCode
from common.paths import printable

if TYPE_CHECKING:
    from rich.table import Table

_NOTHING = {"none", "nothing", "0"}
_LATER = (("approximate", "roughly so far"), ("not_yet", "not yet"))


@click.command("status")
@connection_options
@json_option
def command(connection: Connection, *, as_json: bool) -> int:
    """Show both sites: connection, lag, backlog, what is stored, what went wrong.

    An agent that is configured and does not answer is shown as such; exit code 20 where none answers. JSON:
    {"source": {...}, "dest": {...}}, null for an agent that is not configured.
    """
    found = both_statuses(connection)
    if as_json:
        print_json(found)
    else:
        from rich.console import Console  # noqa: PLC0415 - slow to import

        console = Console(highlight=False)
        for table in status_tables(found):
            console.print(table)
    return exit_code_of(found)


def both_statuses(connection: Connection) -> dict[str, Any]:
    """The status of each agent that is named, or why it did not answer. Errors: click.UsageError."""
    asked = ask_each(connection, lambda client: {"reachable": True, "address": client.address} | client.status())
    for site, status in asked.answers.items():
        if status["role"] != site:
            raise click.UsageError(f"--{site} {status['address']}: a {status['role']} agent answers there")
    return asked.as_json()


def exit_code_of(found: dict[str, Any]) -> ExitCode:
    """20 where no agent answered."""
    return ExitCode.OK if any(site and site["reachable"] for site in found.values()) else ExitCode.PEER


def status_tables(found: dict[str, Any], *, brief: bool = False) -> Iterator[Table]:
    """A table for each agent that is named; a `brief` one leaves out what there is nothing of."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    for site, status in found.items():
        if status is None:
            continue
        table = Table(
            title=f"{site} {status.get('agent', '')}", title_justify="left", show_header=False, box=None, pad_edge=False
        )
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        if status["reachable"]:
            rows = _source_rows(status) if site == "source" else _dest_rows(status)
        else:
            rows = [("unreachable", status["error"])]
        for name, value in (row for row in rows if not brief or row[1] not in _NOTHING):
            table.add_row(name, Text(printable(value)))
        yield table


def _source_rows(s: dict[str, Any]) -> list[tuple[str, str]]:
    link = f"connected to {s['destination']}" if s["connected"] else f"not connected: {s['link_error'] or 'not tried yet'}"
    rows = [
        ("link", link),
        ("lag", duration_text(s["lag_s"])),
        ("backlog", size_text(s["backlog_bytes"])),
        ("protected", _protected(s["protection"])),
        ("versions", _counts(s["versions_by_state"])),
        ("pictures", _counts({name.replace("_", " "): n for name, n in s["pictures"].items() if name != "pictures"})),
        ("to be looked at", str(s["dirty"])),
        ("last receipt", s["last_receipt"] or "never"),
        ("last rescan", s["last_rescan"] or "never"),
        ("sent since start", ", ".join(f"{name} {size_text(n)}" for name, n in s["sent_bytes"].items()) or "nothing"),
        ("deltas", _counts({name.replace("_", " "): n for name, n in s["deltas"].items()})),
        ("fallbacks", _counts(s["fallbacks"])),
        ("members that went whole", _counts({name.replace("_", " "): n for name, n in s["delta_fallbacks"].items()})),
        ("watch overflows", str(s["watch_overflows"])),
        ("up", f"{duration_text(s['uptime_s'])}, {s['software']}"),
    ]
    return rows + [("problem", f"{p['policy']}/{p['root']}/{p['path']}: {p['reason']}") for p in s["problems"]]


def _protected(p: dict[str, Any]) -> str:
    """Files by what the destination could give back."""
    said = [f"{p['exact']} files exactly"]
    said += [f"{p[what]} {word}, for {duration_text(p[f'{what}_lag_s'])} at most" for what, word in _LATER if p[what]]
    return "; ".join(said)


def _dest_rows(s: dict[str, Any]) -> list[tuple[str, str]]:
    saved = f" ({100 - 100 * s['stored_bytes'] / s['logical_bytes']:.0f} % saved)" if s["logical_bytes"] else ""
    checked = f"{s['last_verify']}, {s['last_verify_errors']} problems" if s["last_verify"] else "never"
    rows = [
        ("accepting", "yes" if s["accepting"] else "no: the disk is full"),
        ("contents", str(s["contents"])),
        ("stored", f"{size_text(s['stored_bytes'])} for {size_text(s['logical_bytes'])}{saved}"),
        ("free", size_text(s["free_bytes"])),
        ("last verified", checked),
        ("last drill", _drilled(s)),
        ("refusals", _counts(s["refusals"])),
        ("up", f"{duration_text(s['uptime_s'])}, {s['software']}"),
    ]
    return rows + [("from", _delivered(one)) for one in s["sources"]]


def _drilled(s: dict[str, Any]) -> str:
    if not s["last_drill"]:
        return "never: smarter drill restores a sample and compares it"
    sample = f"{s['last_drill_files']} files, {size_text(s['last_drill_bytes'])}"
    return f"{s['last_drill']}, {sample}, {s['last_drill_errors']} not as they were"


def _delivered(one: dict[str, Any]) -> str:
    policies = ", ".join(one["policies"]) or "none"
    return f"{one['name']}: {one['versions']} versions, last {one['last_received'] or 'never'}, policies {policies}"


def _counts(by_name: dict[str, int]) -> str:
    return ", ".join(f"{n} {name.lower()}" for name, n in by_name.items()) or "none"
