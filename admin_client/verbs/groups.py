"""`smarter groups`: the near-duplicates among a source's pictures, and the user's word on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from admin_client.options import Connection, connection_options, json_option
from admin_client.output import duration_text, print_json, print_json_list, size_text
from common.errors import RefusedError, SmarterError
from common.ids import DIGEST_BYTES
from common.paths import printable

if TYPE_CHECKING:
    from admin_client.client import AgentClient, PictureName

_CANDIDATES = 5
_LISTED = 50
_MEGA = 1_000_000


@click.group("groups")
def command() -> None:
    """Show the near-duplicates among a source's pictures, and decide on them.

    A PATH is a file below one of the source's roots, or what the listings print: ROOT/PATH, POLICY/ROOT/PATH where two
    policies have roots of one name, or PATH alone where only one root has it. A digest in hexadecimal does too.
    """


@command.command("list")
@connection_options
@click.option("--review", is_flag=True, help="Only groups that wait for your word, each with its richest pictures.")
@click.option("--policy", default="", metavar="NAME", help="Only groups with a picture in this policy.")
@click.option("--path", "glob", default="", metavar="GLOB", help="Only groups with a path that fits, as in a .gitignore.")
@click.option("--single", "singles", is_flag=True, help="Pictures that are like no other too.")
@click.option(
    "--candidates",
    type=click.IntRange(1, 100),
    metavar="N",
    help=f"Pictures told of each group.  [default: 1, {_CANDIDATES} in review]",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Stop after so many.  [default: {_LISTED}; with --json all]")
@json_option
def list_command(  # noqa: PLR0913 - one for each option
    connection: Connection,
    *,
    review: bool,
    policy: str,
    glob: str,
    singles: bool,
    candidates: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the groups, the largest first.

    JSON: {"groups": [...]}, each as `show` prints it, with as many members as --candidates leaves room for, and no scenes.
    """
    from admin_client.client import GroupFilter  # noqa: PLC0415 - keeps --help quick

    n_told = candidates or (_CANDIDATES if review else 1)
    which = GroupFilter(in_review=review, singles=singles, policy=policy, glob=glob, candidates=n_told)
    with _asking(connection) as client:
        found = client.groups(which)
        if as_json:
            print_json_list("groups", islice(found, limit))
            return
        most = limit or _LISTED
        groups = list(islice(found, most))
        if n_told == 1:
            _print_table(groups)
        else:
            for group in groups:
                _print_candidates(group)
        if not groups:
            click.echo("nothing waits for your word" if review else "no groups")
        elif next(found, None) is not None:
            click.echo(f"... and more: --limit N lists more than {most}")


@command.command("show")
@connection_options
@click.argument("which", metavar="GROUP|PATH")
@json_option
def show_command(connection: Connection, which: str, *, as_json: bool) -> None:
    """Show one group, by its number or by one of its pictures: who stands for it, how the others hang on it.

    \b
    JSON: {"group", "pictures", "bytes", "pinned", "confirmed", "review_until": RFC 3339 or null, "review_left_s",
    "representative": PICTURE, "members": [PICTURE], "scenes": [PICTURE]}
    PICTURE: {"digest", "group", "relation": null|"near"|"scene", "role", "state", "bytes", "pixels", "features",
    "paths": [PLACE], "n_paths", "last_path": PLACE or null, "sd", "inliers",
    "base": {"digest", "path": PLACE, "ncc", "mirrored", "transform", "transform_from_base"} or null,
    "matches": [{"digest", "bytes", "sd", "inliers"}],
    "delta": {"state", "method", "bytes", "announced"} or null}
    PLACE: {"policy", "root", "path"}

    A picture is one content: exact copies are further paths. "state" is that of its newest version's delivery; "sd", "inliers"
    and what follows are missing where no features were compared. "matches" are what the destination holds like it.
    "transform" are the six numbers, row by row, that take a point of the base to the picture (the other way round where
    "transform_from_base" is false), in shares of width and height.
    """  # noqa: D301 - click's mark for lines that stay as they are
    _answer(connection, lambda client: client.group(int(which) if _is_number(which) else _named(which)), as_json=as_json)


@command.command("pin")
@connection_options
@click.argument("path", metavar="PATH")
@json_option
def pin_command(connection: Connection, path: str, *, as_json: bool) -> None:
    """Have this picture stand for its group, for good. Ends the group's review. JSON: the group, as `show` has it."""
    _answer(connection, lambda client: client.pin(_named(path)), as_json=as_json)


@command.command("split")
@connection_options
@click.argument("path", metavar="PATH")
@json_option
def split_command(connection: Connection, path: str, *, as_json: bool) -> None:
    """Take this picture out of its group, into one of its own. JSON: its new group, as `show` has it."""
    _answer(connection, lambda client: client.split(_named(path)), as_json=as_json)


@command.command("confirm")
@connection_options
@click.argument("number", metavar="GROUP", type=click.IntRange(1, (1 << 63) - 1))
@json_option
def confirm_command(connection: Connection, number: int, *, as_json: bool) -> None:
    """Say that a group is right: nothing takes it apart any more. Ends its review. JSON: the group, as `show` has it."""
    _answer(connection, lambda client: client.confirm(number), as_json=as_json)


@contextmanager
def _asking(connection: Connection) -> Iterator[AgentClient]:
    """A client of the source. What it refuses is a plain error: nothing was done, in part or whole."""
    from admin_client.client import AgentClient  # noqa: PLC0415 - keeps --help quick
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415

    try:
        with AgentClient(find_endpoints(connection).need_source()) as client:
            yield client
    except RefusedError as error:
        raise SmarterError(str(error)) from None


def _answer(connection: Connection, ask: Callable[[AgentClient], dict[str, Any]], *, as_json: bool) -> None:
    with _asking(connection) as client:
        group = ask(client)
    if as_json:
        print_json(group)
    else:
        _print_group(group)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len(str(1 << 63))


def _named(text: str) -> PictureName:
    """What the operator wrote as the source is asked for it. Links are followed up to the file's folder, for it may be one."""
    from admin_client.client import PictureName  # noqa: PLC0415

    try:
        if os.path.lexists(text):
            folder, name = os.path.split(os.path.abspath(text))
            return PictureName(path=os.fsencode(text), file=os.fsencode(os.path.join(os.path.realpath(folder), name)))
        if len(text) == 2 * DIGEST_BYTES:
            return PictureName(digest=bytes.fromhex(text))
    except ValueError:
        pass  # a NUL, or no digest after all
    return PictureName(path=os.fsencode(text))


def _print_table(groups: list[dict[str, Any]]) -> None:
    if not groups:
        return
    click.echo(f"{'group':>7} {'pictures':>8} {'size':>10}  representative")
    for group in groups:
        notes = _notes(group)
        click.echo(
            f"{group['group']:>7} {group['pictures']:>8} {size_text(group['bytes']):>10}  {_path_text(group['representative'])}"
            + (f"  ({notes})" if notes else "")
        )


def _print_candidates(group: dict[str, Any]) -> None:
    click.echo(_title(group))
    told = [group["representative"], *group["members"]]
    for picture in filter(None, told):
        mark = "*" if picture["relation"] is None else " "
        click.echo(f"  {mark} {_facts(picture)}  {_path_text(picture)}")
    if group["pictures"] > len(told):
        click.echo(f"    and {group['pictures'] - len(told)} more: smarter groups show {group['group']}")


def _print_group(group: dict[str, Any]) -> None:
    click.echo(_title(group))
    for picture in filter(None, [group["representative"], *group["members"], *group["scenes"]]):
        click.echo(f"  {'* stands for it' if picture['relation'] is None else _hangs(picture)}")
        for text in _path_texts(picture):
            click.echo(f"      {text}")
        click.echo(f"      {_facts(picture).strip()}, {picture['state'] or 'no version'}")
        for match in picture["matches"]:
            click.echo(f"      the destination holds one like it: {match['digest'][:16]}, {size_text(match['bytes'])}")


def _title(group: dict[str, Any]) -> str:
    pictures = "1 picture" if group["pictures"] == 1 else f"{group['pictures']} pictures"
    return ", ".join(filter(None, [f"group {group['group']}: {pictures}", size_text(group["bytes"]), _notes(group)]))


def _notes(group: dict[str, Any]) -> str:
    waits = group["review_until"] is not None
    notes = {
        "pinned": group["pinned"],
        "confirmed": group["confirmed"],
        f"waits for your word, {duration_text(group['review_left_s'] or 0.0)} left": waits,
    }
    return ", ".join(note for note, is_so in notes.items() if is_so)


def _hangs(picture: dict[str, Any]) -> str:
    base = picture["base"]
    to = "of" if picture["relation"] == "scene" else "to"
    on = f" {to} {_place_text(base['path'])}" if base is not None and base["path"] is not None else ""
    seen = "" if picture["sd"] is None else f"  (similarity {picture['sd']:.2f}, {picture['inliers']} points agree)"
    group = f" [group {picture['group']}]" if picture["relation"] == "scene" else ""
    return f"{picture['relation']}{on}{seen}{group}"


def _facts(picture: dict[str, Any]) -> str:
    seen = f"{picture['features']} features" if picture["features"] else "at a glance"
    return f"{picture['pixels'] / _MEGA:>6.1f} MP {size_text(picture['bytes']):>10} {seen:>13}"


def _path_text(picture: dict[str, Any] | None) -> str:
    """One path to call a picture by, and how many more there are."""
    if picture is None:
        return ""
    first, *rest = _path_texts(picture) or [picture["digest"]]
    copies = "1 exact copy" if picture["n_paths"] == 1 + 1 else f"{picture['n_paths'] - 1} exact copies"
    return first + (f"  (and {copies})" if rest else "")


def _path_texts(picture: dict[str, Any]) -> list[str]:
    told = [_place_text(place) for place in picture["paths"]]
    if picture["n_paths"] > len(told):
        told.append(f"and {picture['n_paths'] - len(told)} more")
    if not told and picture["last_path"] is not None:
        told.append(f"{_place_text(picture['last_path'])}  (gone from there)")
    return told


def _place_text(place: dict[str, Any]) -> str:
    return printable(f"{place['root']}/{place['path']}")
