"""The manual pages: one for each command and configuration file, made from what --help and configs/ say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

from admin_client.cli import smarter
from tests.fakes.programs import needed
from tools.man_pages import pages, write

TOLERATED = "missing date"
"""A page has the date of nothing: it is as new as the program that it came with."""


def test_there_is_a_page_for_every_command_and_every_file() -> None:
    """Sections 1, 5 and 8; whoever adds a verb has its page."""
    names = {name for name, _ in pages()}
    assert {"smarter.1", "smarter-source.8", "smarter-dest.8", "source.yaml.5", "dest.yaml.5", "client.yaml.5"} <= names
    assert {f"smarter-{verb}.1" for verb in smarter.list_commands(click.Context(smarter))} <= names


def test_the_pages_are_made_without_a_warning(tmp_path: Path) -> None:
    """As mandoc reads them."""
    found = subprocess.run(
        [needed("mandoc", package="mandoc"), "-T", "lint", "-W", "warning", *write(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in (found.stdout + found.stderr).splitlines() if TOLERATED not in line]
    assert told == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smarter.1", ["smarter\\-restore", "130 interrupted", "status", "EXIT STATUS"]),
        ("smarter-restore.1", ["\\-\\-numeric\\-ids", "SEE ALSO", "[required]"]),
        ("smarter-source.8", ["smarter\\-source once", "\\-\\-drain", "78 configuration"]),
        ("dest.yaml.5", ["orphan_grace: 24h", "required; HOST:PORT"]),
    ],
)
def test_a_page_says_what_the_help_says(name: str, said: list[str]) -> None:
    """Options, exit codes and the whole commented file; nothing that roff would take for a request."""
    text = dict(pages())[name]
    assert [words for words in said if words not in text] == []
    requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".B", ".BR", ".PP", ".TP", ".nf", ".fi"}
