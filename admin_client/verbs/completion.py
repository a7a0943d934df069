"""`smarter completion`: the three commands completed in a shell."""

from __future__ import annotations

import click

PROGRAMS = ("smarter", "smarter-source", "smarter-dest")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--program", type=click.Choice(PROGRAMS), help="Only this one, for a file of its own.  [default: all three]")
def command(shell: str, *, program: str | None) -> None:
    """Print what has SHELL complete the verbs and options of smarter, smarter-source and smarter-dest.

    \b
    bash: eval "$(smarter completion bash)"       in ~/.bashrc
    zsh:  source <(smarter completion zsh)        in ~/.zshrc, behind compinit
    fish: smarter completion fish | source        in ~/.config/fish/config.fish
    """  # noqa: D301 - click's mark for lines that stay as they are
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only this verb needs it

    completing = get_completion_class(shell)
    assert completing is not None, "click knows the three shells"  # noqa: S101 - the choice above
    for name in [program] if program else PROGRAMS:
        variable = f"_{name.replace('-', '_')}_COMPLETE".upper()
        # Asking for the text needs no command: what is completed is asked of the program itself, later.
        click.echo(completing(click.Command(name), {}, name, variable).source())
