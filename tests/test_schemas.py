"""The published schemas: one for every command that prints JSON, none out of date."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from admin_client.cli import smarter
from dest_agent.cli import main as smarter_dest
from source_agent.cli import main as smarter_source
from tests.fakes.schemas import SCHEMAS
from tools.output_schemas import OUTPUTS, schema_text


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, by their names joined with `-`."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from commands(found, f"{name}-{below}")


COMMANDS = {
    name: command
    for program, top in (("smarter", smarter), ("smarter-source", smarter_source), ("smarter-dest", smarter_dest))
    for name, command in commands(top, program)
}


def test_every_command_that_prints_json_has_a_schema_and_no_other() -> None:
    """Whoever adds a verb with --json publishes what it prints: admin_client/results.py, then `make schemas`."""
    printing = {name for name, command in COMMANDS.items() if any("--json" in p.opts for p in command.params)}
    assert printing == set(OUTPUTS)
    assert {path.name for path in SCHEMAS.iterdir()} == {f"{name}.schema.json" for name in OUTPUTS}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_published_schema_is_what_the_code_prints_today(name: str) -> None:
    """`make schemas` writes them anew."""
    assert (SCHEMAS / f"{name}.schema.json").read_text() == schema_text(name)


@pytest.mark.parametrize("name", sorted(name for name, command in COMMANDS.items() if not isinstance(command, click.Group)))
def test_every_command_describes_itself_and_each_option(name: str) -> None:
    """`--help` is complete: what it does, every option, and what --json prints."""
    command = COMMANDS[name]
    assert command.help
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [p.opts for p in options if not p.help] == []
    if any("--json" in p.opts for p in options):
        described = any(word in command.help for word in ("JSON", "--json"))
        assert described, "the help does not say what --json prints"
