"""`smarter ls`: what the destination holds, as a long listing or JSON."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import click

from admin_client.moments import moment_ns, rfc3339
from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json_list
from common.clock import SystemClock
from common.paths import printable, show

if TYPE_CHECKING:
    from admin_client.results.held import Listed
    from common.model import Entry

_TYPE_BITS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO}


@click.command("ls")
@connection_options
@click.option("--policy", default="", metavar="NAME", help="Only this policy.")
@click.option("--from", "source_name", default="", metavar="SOURCE", help="Only what this source delivered.")
@click.option(
    "--path", "glob", default="", metavar="GLOB", help="Only paths that fit, as in a .gitignore: *.jpg, /2026, 2026/**/raw."
)
@click.option("--at", metavar="TIME", help="The state at this time: RFC 3339, '2026-11-20 14:00', '2h ago'.  [default: now]")
@click.option("--all-versions", is_flag=True, help="Every version instead of the state at one time, deletions too.")
@json_option
def command(  # noqa: PLR0913 - one for each option
    connection: Connection, *, policy: str, source_name: str, glob: str, at: str | None, all_versions: bool, as_json: bool
) -> None:
    """List what the destination holds. JSON: {"entries": [...]}."""
    at_ns = time_option(at)
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415
    from common.model import Selection  # noqa: PLC0415

    selection = Selection(policy=policy, source=source_name, glob=glob, at_ns=at_ns, all_versions=all_versions)
    with AgentClient(find_endpoints(connection).need_dest()) as client:
        entries = client.entries(selection)
        if as_json:
            print_json_list("entries", map(listed, entries))
        else:
            for entry in entries:
                click.echo(line_of(entry))


def time_option(text: str | None, *, name: str = "--at") -> int:
    """The value of `--at`, or another option, in nanoseconds, 0 where it is not given. Errors: click.UsageError."""
    if text is None:
        return 0
    try:
        return moment_ns(text, now_ns=SystemClock().now_ns())
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None


def listed(entry: Entry) -> Listed:
    """A version as `--json` has it."""
    from common.model import DELTA, DeltaOver, Whole  # noqa: PLC0415 - likewise

    version, attributes = entry.version, entry.version.attributes
    found: Listed = {
        "source": version.id.agent,
        "seq": version.id.seq,
        "policy": version.policy,
        "root": version.root,
        "path": show(version.path),
        "kind": version.kind.value,
        "mode": f"{attributes.mode:04o}",
        "uid": attributes.uid,
        "gid": attributes.gid,
        "user": attributes.user,
        "group": attributes.group,
        "mtime": rfc3339(attributes.mtime_ns),
        "observed": rfc3339(version.observed_ns),
        "received": rfc3339(entry.received_ns),
    }
    if version.digest is not None:
        found |= {"size": version.size, "digest": version.digest.hex()}
        match entry.recipe:
            case Whole(coding, stored_bytes):
                found |= {"coding": coding, "stored_bytes": stored_bytes}
            case DeltaOver(base, method, stored_bytes):
                found |= {"coding": DELTA, "method": method, "base": base.hex(), "stored_bytes": stored_bytes}
    if attributes.target:
        found["target"] = show(attributes.target)
    if not _is_utf8(version.path):
        found["path_base64"] = base64.b64encode(version.path).decode()
    return found


def line_of(entry: Entry) -> str:
    """A version as a line of a long listing."""
    version, attributes = entry.version, entry.version.attributes
    mode = stat.filemode(_TYPE_BITS[version.kind] | attributes.mode) if version.kind in _TYPE_BITS else "deleted   "
    owner = f"{attributes.user or attributes.uid}:{attributes.group or attributes.gid}"
    time = rfc3339(attributes.mtime_ns or version.observed_ns)[:19]
    where = f"{version.id.agent}:{version.policy}/{version.root}/{show(version.path)}"
    arrow = f" -> {show(attributes.target)}" if attributes.target else ""
    return f"{mode} {printable(owner):<17} {version.size:>12} {time} {printable(where + arrow)}"


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
