"""Asking both agents the same: what each answers, and how the command ends where one of them does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from admin_client.options import Connection
from common.errors import ExitCode, SmarterError
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.client import AgentClient
    from admin_client.endpoints import Endpoint
    from admin_client.results.agents import Site, Unreached

R = TypeVar("R")

site_option = click.option(
    "--site", type=click.Choice(["source", "dest"]), help="Only this agent.  [default: each that is named]"
)


def named_sites(connection: Connection, site: str | None = None) -> Iterator[tuple[Site, Endpoint]]:
    """The agents that this call may ask. Errors: click.UsageError where none is named; ConfigError."""
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415 - keeps --help quick
    from admin_client.results.agents import SITES  # noqa: PLC0415

    endpoints = find_endpoints(connection)
    by_site = {"source": endpoints.source, "dest": endpoints.dest}
    asked = [name for name in SITES if by_site[name] is not None and site in {None, name}]
    if not asked:
        wanted = "an agent: --source ADDR, --dest ADDR, or both" if site is None else f"the {site} agent: --{site} ADDR, or it"
        raise click.UsageError(f"name {wanted} in client.yaml")
    for name in asked:
        if (endpoint := by_site[name]) is not None:
            yield name, endpoint


@dataclass(frozen=True, slots=True)
class Asked(Generic[R]):
    """What the agents answered, and why one of them did not."""

    answers: dict[Site, R]
    unreached: dict[Site, Unreached]
    exit_code: ExitCode
    """Of the first that did not do what was asked."""

    def as_json(self) -> dict[str, R | Unreached | None]:
        """By site; None for an agent that is not named."""
        found: dict[str, R | Unreached | None] = {"source": None, "dest": None}
        for by_site in (self.answers, self.unreached):
            found.update(by_site.items())
        return found

    def tell_unreached(self) -> None:
        """Says on stderr why an agent did not do what was asked."""
        for one in self.unreached.values():
            for line in one["error"].splitlines():
                click.echo(printable(f"smarter: {line}"), err=True)


def ask_each(connection: Connection, ask: Callable[[AgentClient], R], *, site: str | None = None) -> Asked[R]:
    """Asks each agent that is named. Errors: as `named_sites`."""
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick

    answers: dict[Site, R] = {}
    unreached: dict[Site, Unreached] = {}
    codes: list[ExitCode] = []
    for name, endpoint in named_sites(connection, site):
        try:
            with AgentClient(endpoint) as client:
                answers[name] = ask(client)
        except SmarterError as error:
            unreached[name] = {"reachable": False, "address": endpoint.address, "error": str(error)}
            codes.append(error.exit_code)
    return Asked(answers, unreached, codes[0] if codes else ExitCode.OK)
