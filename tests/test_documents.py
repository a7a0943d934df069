"""What the documents promise is there: the commands and options of the README, the numbers and codes of PROTOCOL.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from admin_client.cli import smarter
from common.delta import METHODS
from common.delta.search import LEVELS, PLACES
from common.delta.steps import STEPS
from common.errors import ExitCode
from common.model import Limits, RefusalCode
from common.paths import MAX_DEPTH, MAX_PATH_BYTES
from common.wire.transport import MAX_MESSAGE_BYTES
from common.wire.versions import MAX_XATTR_VALUE_BYTES, MAX_XATTRS
from dest_agent.cli import main as smarter_dest
from source_agent.cli import main as smarter_source
from tools.metrics_page import PAGE, page

HOUSE = Path(__file__).parents[1]
PROGRAMS: dict[str, click.Command] = {"smarter": smarter, "smarter-source": smarter_source, "smarter-dest": smarter_dest}


def command_lines() -> Iterator[str]:
    """Every line of the README's shell blocks that starts one of our programs."""
    for block in re.findall(r"```sh\n(.*?)```", (HOUSE / "README.md").read_text(), re.DOTALL):
        yield from (line.partition("#")[0].strip() for line in block.splitlines() if line.startswith("smarter"))


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_of_the_readme_exists(line: str) -> None:
    """A newcomer types these lines; each program, verb and option must be known."""
    name, *words = shlex.split(line)
    command = PROGRAMS[name]
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), words.pop(0))
        assert below is not None
        command = below
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_readme_names_every_exit_code() -> None:
    """Scripts depend on them."""
    text = (HOUSE / "README.md").read_text().replace("\n", " ")
    assert all(re.search(rf"\b{code.value} [a-z]", text) for code in ExitCode)


def test_the_protocol_names_every_refusal() -> None:
    """And what the source does about each."""
    text = (HOUSE / "proto/PROTOCOL.md").read_text()
    assert all(f"| `{code.name}` |" in text for code in RefusalCode)


def test_the_protocol_states_the_limits_that_the_code_has() -> None:
    """A limit that is only in the code surprises the other side."""
    text = (HOUSE / "proto/PROTOCOL.md").read_text()
    assert f"| {MAX_MESSAGE_BYTES >> 20} MiB | both; gRPC" in text
    assert f"| {Limits().frame_bytes >> 10} KiB (`Limits.frame_bytes`)" in text
    assert f"| {Limits().batch} (`Limits.batch`)" in text
    assert f"| a path | {MAX_PATH_BYTES >> 10} KiB, {MAX_DEPTH} parts" in text
    assert f"| {MAX_XATTRS}, names 255 bytes, values {MAX_XATTR_VALUE_BYTES >> 10} KiB each" in text


def test_the_glossary_is_in_order_and_says_a_thing_once() -> None:
    """One word for each thing."""
    words = re.findall(r"^\| \*\*([^*]+)\*\*", (HOUSE / "common/GLOSSARY.md").read_text(), re.MULTILINE)
    assert len(words) >= 40
    assert words == sorted(set(words), key=str.lower)


def test_the_page_about_deltas_lists_every_method_step_and_search() -> None:
    """What somebody adds is described."""
    text = (HOUSE / "common/delta/DELTA.md").read_text()
    methods = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert sorted(re.findall("`([^`]+)`", " ".join(methods))) == sorted(METHODS)
    assert re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE) == [(str(n), step.__name__) for n, step in STEPS.items()]
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE) == [*PLACES, *LEVELS]


def test_the_page_of_metrics_is_what_the_agents_export() -> None:
    """Somebody who adds one runs `make metrics`."""
    assert PAGE.read_text() == page()


def test_no_document_leads_out_of_the_tree() -> None:
    """A checkout is all that a reader has."""
    documents = [path for path in HOUSE.rglob("*.md") if ".venv" not in path.parts]
    assert [str(path) for path in documents if re.search(r"\.\./shared|/work/|/root/", path.read_text())] == []
