"""`python -m tests.common.delta.golden [--anew]`: adds samples of methods and steps that have none."""

from __future__ import annotations

import csv
import shutil

import click

from common.delta import METHODS, edits
from common.delta.container import Container, to_bytes
from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.steps import STEPS
from common.ids import digest_of
from tests.common.delta.golden import SAMPLES, TABLE, Sample, picture_digest, samples
from tests.common.delta.test_edits import EXAMPLES
from tests.fuzz.seeds import BASE, Body, bodies

MOST_BYTES = 4096


@click.command()
@click.option("--anew", is_flag=True, help="Throw away what is there: only before a release.")
def main(anew: bool) -> None:
    """Writes samples."""
    if anew:
        shutil.rmtree(SAMPLES, ignore_errors=True)
    SAMPLES.mkdir(exist_ok=True)
    known = {sample.name: sample for sample in samples()} if TABLE.exists() else {}
    for method in METHODS:
        for n, body in enumerate(_chosen(method)):
            if f"{method}-{n}.delta" not in known:
                known[f"{method}-{n}.delta"] = _delta(f"{method}-{n}.delta", body)
    for step in STEPS.values():
        for n, edit in enumerate(EXAMPLES[step]):
            if f"{step.__name__}-{n}.edit" not in known:
                known[f"{step.__name__}-{n}.edit"] = _edit(f"{step.__name__}-{n}.edit", edit)
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["sample", "base", "digest"])
        table.writerows([one.name, one.base, one.digest] for _, one in sorted(known.items()))
    click.echo(f"{len(known)} samples, {sum(path.stat().st_size for path in SAMPLES.iterdir())} bytes")


def _chosen(method: str) -> list[Body]:
    """Of what a method makes of all pairs of files: that which suits it best, and the longest that is still small."""
    made = [body for body in bodies() if body.method == method]
    best = min(made, key=lambda one: len(one.body) / len(one.target))
    return [best, max((one for one in made if len(one.body) <= MOST_BYTES), key=lambda one: len(one.body), default=best)]


def _delta(name: str, chosen: Body) -> Sample:
    method = METHODS[chosen.method]
    known = Opened(chosen.base if method.needs_base else b"")
    body = method.encode(Opened(chosen.target), known)
    needed = known.digest if method.needs_base else None
    made = Container(chosen.method, digest_of(chosen.target), len(chosen.target), needed, body)
    (SAMPLES / name).write_bytes(to_bytes(made))
    return Sample(name, _base(known.content) if method.needs_base else "", made.target.hex())


def _edit(name: str, edit: Edit) -> Sample:
    (SAMPLES / name).write_bytes(edits.to_bytes(edit))
    return Sample(name, _base(BASE), picture_digest(render(edit, Opened(BASE))).hex())


def _base(content: bytes) -> str:
    """The name of the base's file, which is there from now on."""
    name = f"{digest_of(content).hex()[:8]}.base"
    (SAMPLES / name).write_bytes(content)
    return name


if __name__ == "__main__":
    main()
