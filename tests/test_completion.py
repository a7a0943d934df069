"""Completion: what `smarter completion` prints, in a real shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from admin_client.cli import smarter
from admin_client.verbs.completion import PROGRAMS
from tests.fakes.sites import BIN, HOUSE

SCRIPT = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{function} {program} "${{COMP_WORDS[COMP_CWORD]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash reads."""
    path = tmp_path_factory.mktemp("bash") / "smarter.bash"
    path.write_text(CliRunner().invoke(smarter, ["completion", "bash"]).output)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("smarter sta", {"status"}),
        ("smarter groups ''", {"list", "show", "pin", "split", "confirm"}),
        ("smarter restore --nu", {"--numeric-ids"}),
        ("smarter log-level --site s", {"source"}),
        ("smarter-source o", {"once"}),
        ("smarter-source once --d", {"--drain"}),
        ("smarter-dest ''", {"run", "check", "reindex"}),
    ],
)
def test_bash_completes_verbs_options_and_choices(script: Path, words: str, expected: set[str]) -> None:
    """Of all three programs, in a bash that reads the script as a person's does."""
    program = words.split(maxsplit=1)[0]
    function = f"_{program.replace('-', '_')}_completion"
    told = SCRIPT.format(script=script, words=words, function=function, program=program)
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": os.environ.get("PYTHONPATH") or str(HOUSE)}
    done = subprocess.run(["bash", "--norc", "-c", told], capture_output=True, text=True, check=False, env=environment)
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize(("shell", "word"), [("zsh", "compdef _"), ("fish", "complete --no-files --command")])
def test_the_other_shells_have_a_script_for_each_program(shell: str, word: str) -> None:
    """In their own words; or for one alone, as packages want them."""
    text = CliRunner().invoke(smarter, ["completion", shell]).output
    assert text.count(word) == 3
    parts = [CliRunner().invoke(smarter, ["completion", shell, "--program", program]).output for program in PROGRAMS]
    assert "".join(parts) == text
