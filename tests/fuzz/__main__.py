"""`python -m tests.fuzz [--seconds N] [--seed N] [--only ATTACK]... [--repeat FOLDER]`: ends with 1 where it found something."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tests.fuzz.attacks import ATTACKS
from tests.fuzz.hunt import DEADLINE_S, Bag, hunt, saved
from tests.fuzz.prey import Prey


@click.command()
@click.option("--seconds", default=1800.0, show_default=True, help="How long.")
@click.option("--seed", default=1, show_default=True, help="Another one goes other ways.")
@click.option("--only", multiple=True, type=click.Choice(list(ATTACKS)), help="Only this attack; may be repeated.")
@click.option("--findings", default=Path("fuzz-findings"), show_default=True, type=click.Path(path_type=Path), help="Where to.")
@click.option("--repeat", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A finding's folder: once more.")
@click.option("--words", is_flag=True, help="Print what came of the cases, by attack.")
def main(seconds: float, seed: int, only: tuple[str, ...], findings: Path, repeat: Path | None, words: bool) -> None:
    """Reads spoilt files, deltas and edits, and looks whether anything crashes, hangs, or comes out wrong."""
    if repeat:
        sys.exit(_repeated(repeat))
    attacks = {name: attack for name, attack in ATTACKS.items() if not only or name in only}
    bag = hunt(attacks, seconds=seconds, seed=seed, findings=findings)
    _print(bag, is_with_words=words)
    sys.exit(bool(bag.findings))


def _print(bag: Bag, *, is_with_words: bool) -> None:
    for name, met in bag.words.items():
        click.echo(f"{name:16} {sum(met.values()):8} cases, {len(met):4} outcomes")
        if is_with_words:
            for word, n in met.most_common():
                click.echo(f"    {n:8}  {word}")
    click.echo(f"{bag.n_cases} cases reached {len(bag.lines)} lines; {len(bag.findings)} findings")
    for finding in bag.findings:
        click.echo(f"\n{finding.attack}: {finding.outcome.word}\n  {sys.executable} -m tests.fuzz --repeat {finding.folder}")
        click.echo(finding.outcome.told)


def _repeated(folder: Path) -> int:
    name, inputs = saved(folder)
    with Prey(ATTACKS[name], (), DEADLINE_S) as prey:
        outcome = prey.meet(inputs)
    click.echo(f"{name}: {outcome.word}\n{outcome.told}")
    return int(outcome.is_finding)


if __name__ == "__main__":
    main()
