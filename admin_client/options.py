"""The options that say which agents are asked: taken before the verb and after it, where the later one wins.

Light to import, as everything is that `smarter --help` needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Connection:
    """What the command line says about reaching the agents; None where it says nothing."""

    config: Path | None = None
    source: str | None = None
    dest: str | None = None
    tls: Path | None = None

    def over(self, earlier: Connection) -> Connection:
        """These options, with those given before the verb where these say nothing."""
        return Connection(
            self.config or earlier.config, self.source or earlier.source, self.dest or earlier.dest, self.tls or earlier.tls
        )


_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="The client's file.  [default: $SMARTER_CONFIG, ~/.config/smarter/client.yaml]",
    ),
    click.option("--source", metavar="ADDR", help="The source agent: unix:PATH or HOST:PORT."),
    click.option("--dest", metavar="ADDR", help="The destination agent: unix:PATH or HOST:PORT."),
    click.option(
        "--tls",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Directory with ca.pem, operator.pem and operator.key, for HOST:PORT.",
    ),
)


def connection_options(command: Callable[..., R]) -> Callable[..., R]:
    """Gives a verb, or the whole command, the four options; it gets them as `connection`."""

    @click.pass_context
    @wraps(command)
    def with_connection(ctx: click.Context, /, **given: Any) -> R:
        connection = Connection(*(given.pop(name) for name in ("config", "source", "dest", "tls")))
        if isinstance(ctx.obj, Connection):
            connection = connection.over(ctx.obj)
        return command(connection=connection, **given)

    decorated: Callable[..., R] = with_connection
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
"""For every verb that prints results."""
