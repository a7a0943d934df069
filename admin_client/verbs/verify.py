"""`smarter verify`: the destination reads back and proves what it holds."""

from __future__ import annotations

from typing import Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json, size_text
from common.errors import ExitCode, TransientError
from common.paths import printable


@click.command("verify")
@connection_options
@click.option("--policy", default="", metavar="NAME", help="Only what this policy needs.  [default: everything]")
@json_option
def command(connection: Connection, *, policy: str, as_json: bool) -> int:
    """Have the destination read every content back and prove it against its digest.

    Exit code 30 where something is damaged; each is named with paths that need it. JSON: {"contents", "bytes",
    "problems": [{"digest", "reason", "paths"}], "orphans"}.
    """
    from admin_client.client import AgentClient, VerifyDone, VerifyProblem, VerifyProgress  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415
    from admin_client.progress import open_progress  # noqa: PLC0415

    problems: list[dict[str, Any]] = []
    done: VerifyDone | None = None
    with AgentClient(find_endpoints(connection).need_dest()) as client, open_progress() as progress:
        seen_bytes: int | None = None
        for event in client.verify(policy):
            match event:
                case VerifyProgress(n_bytes=n_bytes, total_bytes=total_bytes):
                    if seen_bytes is None:
                        progress.stage("Verifying", total_bytes=total_bytes)
                    progress.advance(n_bytes - (seen_bytes or 0))
                    seen_bytes = n_bytes
                case VerifyProblem(digest, reason, paths):
                    problems.append({"digest": digest.hex(), "reason": reason, "paths": list(paths)})
                    needed_by = ", ".join(paths) or "nothing listed"
                    progress.say(printable(f"smarter: {digest.hex()}: {reason}; needed by {needed_by}"))
                case VerifyDone():
                    done = event
    if done is None:
        raise TransientError("the destination stopped before the verification was complete")
    if as_json:
        print_json({"contents": done.n_contents, "bytes": done.n_bytes, "problems": problems, "orphans": done.n_orphans})
    else:
        orphans = f"; {done.n_orphans} objects that nothing needs" if done.n_orphans else ""
        click.echo(f"{done.n_contents} contents ({size_text(done.n_bytes)}) read back, {done.n_problems} damaged{orphans}")
    return ExitCode.INTEGRITY if done.n_problems or problems else ExitCode.OK
