"""`smarter code`: a file by itself in the smallest form that the daemons know, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from admin_client.options import json_option
from admin_client.verbs.delta import tell_decoded, tell_encoded

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.group("code")
def command() -> None:
    """Code a file by itself as the daemons do, and decode it: bit for bit, or not at all."""


@command.command("encode")
@click.argument("file", type=_FILE)
@click.option("--out", required=True, type=_OUT, help="The coded form; written when a fresh process has decoded it.")
@json_option
def encode(file: Path, out: Path, *, as_json: bool) -> None:
    """Write the smallest form of FILE.

    JSON: {"method", "target_bytes", "delta_bytes", "seconds", "peak_rss_bytes"}, as of `smarter delta encode`.
    """
    from admin_client import deltas  # noqa: PLC0415 - keeps --help quick

    tell_encoded(asyncio.run(deltas.encode(None, file, out)), out, as_json=as_json)


@command.command("decode")
@click.argument("coded", type=_FILE, metavar="OBJECT")
@click.option("--out", required=True, type=_OUT, help="The file as it was.")
@json_option
def decode(coded: Path, out: Path, *, as_json: bool) -> None:
    """Write what OBJECT holds. Exit code 30, and no file, where that cannot be proved.

    JSON: {"target_bytes", "seconds", "peak_rss_bytes"}.
    """
    from admin_client import deltas  # noqa: PLC0415

    tell_decoded(asyncio.run(deltas.decode(None, coded, out)), out, as_json=as_json)
