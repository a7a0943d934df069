"""`smarter delta`: a file as what it has more than another one, bit for bit, with no agent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from admin_client.options import json_option
from admin_client.output import print_json

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.group("delta")
def command() -> None:
    """Code a file as what it has more than another one, and decode it: bit for bit, or not at all."""


@command.command("encode")
@click.option("--base", required=True, type=_FILE, help="What the other side has.")
@click.option("--target", required=True, type=_FILE, help="What it is to get.")
@click.option("--out", required=True, type=_OUT, help="The delta; written when a fresh process has decoded it.")
@json_option
def encode(base: Path, target: Path, out: Path, *, as_json: bool) -> None:
    """Write the smallest delta that makes TARGET of BASE.

    JSON: {"method", "target_bytes", "delta_bytes", "seconds", "peak_rss_bytes"}. A delta is never longer than its target and
    64 bytes; where no method finds anything in the base, it is a whole coding of the target.
    """
    from admin_client import deltas  # noqa: PLC0415 - keeps --help quick

    tell_encoded(asyncio.run(deltas.encode(base, target, out)), out, as_json=as_json)


@command.command("decode")
@click.option("--base", required=True, type=_FILE, help="What the delta was made over.")
@click.option("--delta", "coded", required=True, type=_FILE, help="What `encode` wrote.")
@click.option("--out", required=True, type=_OUT, help="The target.")
@json_option
def decode(base: Path, coded: Path, out: Path, *, as_json: bool) -> None:
    """Write the target of a delta.

    Exit code 30, and no file, where the base is another one, or what comes out is not the target to the last bit.
    JSON: {"target_bytes", "seconds", "peak_rss_bytes"}.
    """
    from admin_client import deltas  # noqa: PLC0415

    tell_decoded(asyncio.run(deltas.decode(base, coded, out)), out, as_json=as_json)


def tell_encoded(report: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Prints what a coding came to."""
    if as_json:
        print_json(dict(report))
        return
    share = report["delta_bytes"] / max(1, report["target_bytes"])
    click.echo(f"{out}: {report['delta_bytes']:,} of {report['target_bytes']:,} bytes ({share:.2%}) by {report['method']}")


def tell_decoded(report: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Prints what a decoding came to."""
    if as_json:
        print_json(dict(report))
    else:
        click.echo(f"{out}: {report['target_bytes']:,} bytes")
