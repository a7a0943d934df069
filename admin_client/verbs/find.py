"""`smarter find`: versions of any time that the destination holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from admin_client.moments import rfc3339
from admin_client.options import Connection, connection_options, json_option
from admin_client.output import print_json_list
from admin_client.verbs.ls import line_of, listed, time_option
from common.ids import DIGEST_BYTES

if TYPE_CHECKING:
    from admin_client.results.held import Found
    from common.model import Entry

_MICROSECOND_NS = 1000
_DIGITS = frozenset("0123456789abcdef")


@click.command("find")
@connection_options
@click.option("--path", "glob", default="", metavar="GLOB", help="Paths that fit, as in a .gitignore: *.jpg, /2026, 2026/**/raw.")
@click.option("--digest", default="", metavar="HEX", help="Contents whose BLAKE3 digest begins so.")
@click.option("--at", metavar="TIME", help="What stood at this time: RFC 3339, '2026-11-20 14:00', '2h ago'.")
@click.option("--since", metavar="TIME", help="What was seen at this time or later.")
@click.option("--until", metavar="TIME", help="What was seen before this time.")
@click.option("--policy", default="", metavar="NAME", help="Only of this policy.")
@click.option("--from", "source_name", default="", metavar="SOURCE", help="Only what this source delivered.")
@json_option
def command(  # noqa: PLR0913 - one for each option
    connection: Connection,
    *,
    glob: str,
    digest: str,
    at: str | None,
    since: str | None,
    until: str | None,
    policy: str,
    source_name: str,
    as_json: bool,
) -> None:
    """Find versions, of any time, among all that the destination holds: deleted and replaced ones too.

    What is asked for must all fit; the history of the paths that do is read. `smarter restore --at` brings a version back.

    JSON: {"entries": [...]}, as of `smarter ls`, with "until": when the next version of the path was seen, null where it stands.
    """
    prefix = digest.lower()
    if not set(prefix) <= _DIGITS or len(prefix) > 2 * DIGEST_BYTES:
        raise click.UsageError(f"--digest: {digest[:80]!r} is no beginning of a digest in hexadecimal")
    at_ns, since_ns, until_ns = (
        time_option(text, name=name) for name, text in (("--at", at), ("--since", since), ("--until", until))
    )
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415
    from common.model import Selection  # noqa: PLC0415

    def fits(entry: Entry, replaced_ns: int) -> bool:
        # As exactly as times are printed: what is copied from a listing finds it again.
        seen, replaced = entry.version.observed_ns // _MICROSECOND_NS, replaced_ns // _MICROSECOND_NS
        stood = (
            entry.version.kind != "absent" and seen <= at_ns // _MICROSECOND_NS and not 0 < replaced <= at_ns // _MICROSECOND_NS
        )
        return (
            (not prefix or (entry.version.digest or b"").hex().startswith(prefix))
            and (not since or seen >= since_ns // _MICROSECOND_NS)
            and (not until or seen < until_ns // _MICROSECOND_NS)
            and (not at or stood)
        )

    selection = Selection(policy=policy, source=source_name, glob=glob, all_versions=True)
    with AgentClient(find_endpoints(connection).need_dest()) as client:
        fitting = _fitting(client.entries(selection), fits)
        if as_json:
            print_json_list("entries", (_as_json(*one) for one in fitting))
        else:
            for entry, _ in fitting:
                click.echo(line_of(entry))


def _fitting(entries: Iterator[Entry], fits: Callable[[Entry, int], bool]) -> Iterator[tuple[Entry, int]]:
    """The versions that fit, each with the time at which the next one of its path was seen, 0 for the last."""
    held: Entry | None = None
    for entry in entries:
        if held is not None:
            follows = _place(held) == _place(entry)
            replaced_ns = entry.version.observed_ns if follows else 0
            if fits(held, replaced_ns):
                yield held, replaced_ns
        held = entry
    if held is not None and fits(held, 0):
        yield held, 0


def _place(entry: Entry) -> tuple[str, str, str, bytes]:
    version = entry.version
    return version.id.agent, version.policy, version.root, version.path


def _as_json(entry: Entry, replaced_ns: int) -> Found:
    return {**listed(entry), "until": rfc3339(replaced_ns) if replaced_ns else None}
