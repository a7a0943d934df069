"""`smarter`, the operator's command: finds the verb, and turns every error into one sentence and an exit code.

A verb's module is imported when it is called, so that `smarter --help` and a mistyped option cost nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from admin_client.options import Connection, connection_options
from common.errors import ExitCode, SmarterError

_VERBS = {
    "audit": ("admin_client.verbs.audit", "List who asked the agents for which change."),
    "backlog": ("admin_client.verbs.backlog", "Show what waits at the source, and when all will be exact."),
    "code": ("admin_client.verbs.code", "Code a file as the daemons do, and decode it."),
    "completion": ("admin_client.verbs.completion", "Print what completes the commands in a shell."),
    "delta": ("admin_client.verbs.delta", "Code a file as what it has more than another one, and decode it."),
    "demo": ("admin_client.verbs.demo", "Replicate a sample library between two agents on this machine."),
    "drill": ("admin_client.verbs.drill", "Restore a sample drawn at random, and compare it."),
    "find": ("admin_client.verbs.find", "Find versions, of any time, that the destination holds."),
    "groups": ("admin_client.verbs.groups", "Show the near-duplicates among a source's pictures, and decide on them."),
    "identify": ("admin_client.verbs.identify", "Group the near-duplicate pictures below a directory."),
    "log-level": ("admin_client.verbs.log_level", "Have agents log more, or less, for a while."),
    "ls": ("admin_client.verbs.ls", "List what the destination holds."),
    "metrics": ("admin_client.verbs.metrics", "Print an agent's metrics."),
    "pause": ("admin_client.verbs.pause", "Stop what a source sends, or a class of it."),
    "pki": ("admin_client.verbs.pki", "Make certificates for mutual TLS."),
    "quarantine": ("admin_client.verbs.quarantine", "List what goes no further by itself at a source."),
    "reload": ("admin_client.verbs.reload", "Have agents read their configuration again."),
    "restore": ("admin_client.verbs.restore", "Bring files back from the destination."),
    "resume": ("admin_client.verbs.resume", "Go on with what was paused."),
    "retry": ("admin_client.verbs.retry", "Have a source try again what it had set aside."),
    "status": ("admin_client.verbs.status", "Show both sites at a glance."),
    "top": ("admin_client.verbs.top", "Watch both sites."),
    "verify": ("admin_client.verbs.verify", "Have the destination prove every content."),
    "versions": ("admin_client.verbs.versions", "List a source's versions and how far each is."),
    "windows": ("admin_client.verbs.windows", "Show and override when how much may go."),
    "web": ("admin_client.verbs.web", "Show groups and progress in a browser."),
}


class _Verbs(click.Group):
    """Loads a verb's module only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(_VERBS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, summary) for verb, (_, summary) in sorted(_VERBS.items())])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@connection_options
@click.version_option(package_name="smarter", message="%(prog)s %(version)s")
@click.pass_context
def smarter(ctx: click.Context, connection: Connection) -> None:
    """Ask the agents of both sites, restore from the far one, and try it all on this machine.

    Exit codes: 0 ok, 1 error, 2 usage, 3 done in part, 20 peer or TLS, 30 integrity, 78 configuration, 130 interrupted.
    """
    ctx.obj = connection


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and gives its exit code. stdout has the result alone, stderr everything else."""
    try:
        code = smarter.main(list(arguments), prog_name="smarter", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("smarter: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except SmarterError as error:
        click.echo(f"smarter: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except OSError as error:
        click.echo(f"smarter: {error.filename or 'system'}: {error.strerror or error}", err=True)
        return ExitCode.ERROR
    return code if isinstance(code, int) else ExitCode.OK


def main() -> None:
    """The entry point of the console command."""
    sys.exit(run(sys.argv[1:]))
