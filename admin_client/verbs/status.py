"""`smarter status`: both sites at a glance."""

from __future__ import annotations

from typing import Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import duration_text, print_json, size_text
from common.errors import ExitCode, SmarterError
from common.paths import printable

_LATER = (("approximate", "roughly so far"), ("not_yet", "not yet"))


@click.command("status")
@connection_options
@json_option
def command(connection: Connection, *, as_json: bool) -> int:
    """Show both sites: connection, lag, backlog, what is stored, what went wrong.

    An agent that is configured and does not answer is shown as such; exit code 20 where none answers. JSON:
    {"source": {...}, "dest": {...}}, null for an agent that is not configured.
    """
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    endpoints = find_endpoints(connection)
    if endpoints.source is None and endpoints.dest is None:
        raise click.UsageError("name an agent: --source ADDR, --dest ADDR, or both in client.yaml")
    found: dict[str, dict[str, Any] | None] = {"source": None, "dest": None}
    for site, endpoint in (("source", endpoints.source), ("dest", endpoints.dest)):
        if endpoint is None:
            continue
        try:
            with AgentClient(endpoint) as client:
                status = client.status()
        except SmarterError as error:
            found[site] = {"reachable": False, "address": endpoint.address, "error": str(error)}
        else:
            found[site] = {"reachable": True, "address": endpoint.address} | status
            if status["role"] != site:
                raise click.UsageError(f"--{site} {endpoint.address}: a {status['role']} agent answers there")
    if as_json:
        print_json(found)
    else:
        _print_tables(found)
    return ExitCode.OK if any(site and site["reachable"] for site in found.values()) else ExitCode.PEER


def _print_tables(found: dict[str, dict[str, Any] | None]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
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
        for name, value in rows:
            table.add_row(name, Text(printable(value)))
        console.print(table)


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
        ("refusals", _counts(s["refusals"])),
        ("up", f"{duration_text(s['uptime_s'])}, {s['software']}"),
    ]
    return rows + [("from", _delivered(one)) for one in s["sources"]]


def _delivered(one: dict[str, Any]) -> str:
    policies = ", ".join(one["policies"]) or "none"
    return f"{one['name']}: {one['versions']} versions, last {one['last_received'] or 'never'}, policies {policies}"


def _counts(by_name: dict[str, int]) -> str:
    return ", ".join(f"{n} {name.lower()}" for name, n in by_name.items()) or "none"
