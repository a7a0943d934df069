"""`smarter completion`: the three commands completed in a shell."""

from __future__ import annotations

import click

_PROGRAMS = ("smarter", "smarter-source", "smarter-dest")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what has SHELL complete the verbs and options of smarter, smarter-source and smarter-dest.

    \b
    bash: smarter completion bash > ~/.local/share/bash-completion/completions/smarter
    zsh:  smarter completion zsh > ~/.zfunc/_smarter
    fish: smarter completion fish > ~/.config/fish/completions/smarter.fish
    """  # noqa: D301 - click's mark for lines that stay as they are
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only this verb needs it

    completing = get_completion_class(shell)
    assert completing is not None, "click knows the three shells"  # noqa: S101 - the choice above
    for program in _PROGRAMS:
        variable = f"_{program.replace('-', '_')}_COMPLETE".upper()
        # Asking for the text needs no command: what is completed is asked of the program itself, later.
        click.echo(completing(click.Command(program), {}, program, variable).source())
