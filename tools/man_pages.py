"""Writes the manual pages: `python -m tools.man_pages DIR`, or `make man`.

    smarter.1, smarter-VERB.1                  from the commands' own help
    smarter-source.8, smarter-dest.8           likewise
    source.yaml.5, dest.yaml.5, client.yaml.5  from the commented configurations

Nothing is written for a manual alone: what `--help` and configs/ say is all there is, so it cannot differ from them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from admin_client.cli import smarter
from dest_agent.cli import main as smarter_dest
from source_agent.cli import main as smarter_source

CONFIGS = Path(__file__).parents[1] / "configs"
PROGRAMS: tuple[tuple[str, click.Command, int], ...] = (
    ("smarter", smarter, 1),
    ("smarter-source", smarter_source, 8),
    ("smarter-dest", smarter_dest, 8),
)
FILES = {
    "source": "configuration of smarter-source",
    "dest": "configuration of smarter-dest",
    "client": "configuration of smarter",
}
SEE_ALSO = ("smarter(1)", "smarter-source(8)", "smarter-dest(8)", "source.yaml(5)", "dest.yaml(5)", "client.yaml(5)")
_PRINTED_AS_IS = "\b"
"""click's mark for a paragraph whose lines stay as they are."""


def pages() -> Iterator[tuple[str, str]]:
    """Every page: the name of its file, and its text in roff with man's macros."""
    for program, command, section in PROGRAMS:
        yield f"{program}.{section}", "".join(_command_page(program, command, section))
        if section == 1:
            for name, below in _below(command):
                yield f"{program}-{name}.1", "".join(_command_page(f"{program} {name}", below, 1))
    for name, summary in FILES.items():
        yield f"{name}.yaml.5", "".join(_file_page(name, summary))


def _below(command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (found := command.get_command(context, name)) is not None:
                yield name, found


def _command_page(called: str, command: click.Command, section: int) -> Iterator[str]:
    name = called.replace(" ", "-")
    summary, *paragraphs = _paragraphs(command)
    first, _, rest = summary.partition(". ")
    yield _head(name, section)
    yield f".SH NAME\n{_text(name)} \\- {_text(first[0].lower() + first[1:].rstrip('.'))}\n"
    yield f".SH SYNOPSIS\n{_synopsis(called, command)}"
    yield ".SH DESCRIPTION\n" + _prose([*([rest] if rest else []), *paragraphs] or [summary])
    yield from _options(command)
    below = list(_below(command))
    if below:
        yield ".SH COMMANDS\n"
    for verb, one in below:
        if section == 1 and called == "smarter":
            yield f".TP\n.BR smarter\\-{_text(verb)} (1)\n{_text(_paragraphs(one)[0])}\n"
            continue
        yield f".SS {_text(verb)}\n{_synopsis(f'{called} {verb}', one)}.PP\n{_prose(_paragraphs(one))}"
        yield from _options(one, heading="")
    yield f".SH EXIT STATUS\n{_text(_exit_codes())}\n"
    yield _see_also(f"{name}({section})")


def _exit_codes() -> str:
    """What `smarter --help` says of them, which holds for all three programs."""
    (words,) = (part for part in _paragraphs(smarter) if part.startswith("Exit codes: "))
    return " ".join(words.removeprefix("Exit codes: ").split())


def _paragraphs(command: click.Command) -> list[str]:
    """What a command says of itself; its first paragraph is the summary."""
    return [part for part in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "").replace("\f", "")) if part.strip()]


def _prose(paragraphs: list[str]) -> str:
    return ".PP\n".join(_paragraph(part) for part in paragraphs)


def _paragraph(part: str) -> str:
    if part.startswith(_PRINTED_AS_IS):
        lines = part.removeprefix(_PRINTED_AS_IS).strip("\n").split("\n")
        return ".nf\n" + "".join(f"{_text(line)}\n" for line in lines) + ".fi\n"
    return _text(" ".join(part.split())) + "\n"


def _synopsis(called: str, command: click.Command) -> str:
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    return f".B {_text(called)}\n{_text(usage)}\n"


def _options(command: click.Command, *, heading: str = ".SH OPTIONS\n") -> Iterator[str]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    records = [found for p in command.get_params(context) if (found := p.get_help_record(context)) is not None]
    if records and heading:
        yield heading
    for option, words in records:
        yield f".TP\n.B {_text(option)}\n{_text(words)}\n"


def _file_page(name: str, summary: str) -> Iterator[str]:
    """The comments before the first key are the description; the rest is shown as it is."""
    comment, _, rest = (CONFIGS / f"{name}.yaml").read_text().partition("\n\n")
    lines = [line.removeprefix("#").strip() for line in comment.splitlines() if not line.startswith("# yaml-language-server")]
    yield _head(f"{name}.yaml", 5)
    yield f".SH NAME\n{name}.yaml \\- {_text(summary)}\n"
    yield ".SH DESCRIPTION\n" + _prose("\n".join(lines).split("\n\n"))
    yield ".SH EXAMPLE\n.nf\n" + "".join(f"{_text(line)}\n" for line in rest.splitlines()) + ".fi\n"
    yield _see_also(f"{name}.yaml(5)")


def _head(name: str, section: int) -> str:
    return f'.TH "{_text(name.upper())}" "{section}" "" "Smarter {version("smarter")}" "Smarter"\n'


def _see_also(own: str) -> str:
    others = [name.partition("(") for name in SEE_ALSO if name != own]
    listed = [f".BR {_text(name)} ({rest}{',' if n < len(others) else ''}" for n, (name, _, rest) in enumerate(others, start=1)]
    return ".SH SEE ALSO\n" + "\n".join(listed) + "\n"


def _text(text: str) -> str:
    """Text that roff prints as it is: hyphens that can be typed, and no line that it takes for a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    escaped = escaped.replace("~", "\\(ti").replace("\t", "    ")
    return "\\&" + escaped if escaped.startswith(".") else escaped


def write(folder: Path) -> list[Path]:
    """Writes all pages into a folder, made if absent; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages():
        (folder / name).write_text(text)
        written.append(folder / name)
    return written


if __name__ == "__main__":
    for each in write(Path(sys.argv[1])):
        print(each)
