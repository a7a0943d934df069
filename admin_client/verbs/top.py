"""`smarter top`: both sites, live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from admin_client.moments import rfc3339
from admin_client.options import Connection, connection_options
from admin_client.output import print_json, size_text
from admin_client.verbs.status import both_statuses, exit_code_of, status_tables
from common.clock import SystemClock, pause
from common.paths import printable

if TYPE_CHECKING:
    from rich.console import Group


@click.command("top")
@connection_options
@click.option(
    "--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, metavar="SECONDS", help="How often."
)
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
def command(connection: Connection, *, interval: float, once: bool, as_json: bool) -> int:
    """Watch both sites until Ctrl-C: what `smarter status` shows, and how fast bytes go.

    JSON lines: what `smarter status --json` prints, with "at". Exit code 20 where, at the end, no agent answered.
    """
    if as_json or once:
        while True:
            found = both_statuses(connection)
            if as_json:
                print_json({"at": rfc3339(SystemClock().now_ns())} | found, flush=True)
            else:
                _print(found)
            if once:
                return exit_code_of(found)
            pause(interval)
    from rich.live import Live  # noqa: PLC0415 - slow to import

    before: tuple[float, dict[str, Any]] | None = None
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            found, now_s = both_statuses(connection), SystemClock().monotonic_s()
            live.update(_screen(found, list(_rates(before, (now_s, found)))), refresh=True)
            before = (now_s, found)
            pause(interval)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import

    Console(highlight=False).print(_screen(found, []))


def _screen(found: dict[str, Any], rates: list[str]) -> Group:
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    return Group(*status_tables(found, brief=True), Text("\n".join(map(printable, rates))))


def _rates(before: tuple[float, dict[str, Any]] | None, after: tuple[float, dict[str, Any]]) -> Iterator[str]:
    """What went over the link since it was last looked at."""
    if before is None or not after[0] > before[0]:
        return
    old, new = (found["source"].get("sent_bytes", {}) if found["source"] else {} for found in (before[1], after[1]))
    seconds = after[0] - before[0]
    for name in sorted(new):
        rate = (new[name] - old.get(name, 0)) / seconds
        if rate > 0:
            yield f"{name}: {size_text(rate)}/s"
