"""`python -m tests.bench [--photos DIR] [--only NAME]... [--json]`: runs the cases and prints a table and JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.bench.cases import CASES
from tests.bench.libraries import MB
from tests.bench.measured import Failed
from tests.bench.setting import Figures, Setting

AIMS = {
    ("first", "seconds_over_restic"): "<= 2",
    ("upload", "mb_per_s"): ">= 150",
    ("link_20ms", "use_while_due"): ">= 0.95",
    ("link_200ms", "use_while_due"): ">= 0.90",
    ("receipt", "p50_s"): "<= 2",
    ("receipt", "p95_s"): "<= 5",
    ("rescan", "seconds"): "<= 10",
    ("rescan", "peak_rss_mb"): "<= 400",
    ("identify", "format"): ">= 0.995",
    ("identify", "transformation"): ">= 0.985",
    ("identify", "least_operation"): ">= 0.93",
    ("identify", "pair_precision"): ">= 0.999",
    ("identify", "shots_grouped_scene_share"): ">= 0.85",
    ("novel", "near_share"): "<= 0.001",
    ("identify_cost", "originals_mb_per_s"): ">= 15",
    ("identify_cost", "settled_per_s_0.3mp"): ">= 60",
    ("growth", "recall_at_10_100000"): ">= 0.99",
    ("growth", "query_p99_ms_cpu_100000"): "<= 50",
    ("growth", "disk_bytes_100000"): "<= 12,000",
    ("growth", "rss_grown_100000"): "<= 2,000",
    ("growth", "peak_grown_100000"): "<= 2,000",
    ("growth", "inserts_per_s_100000"): ">= 200",
    ("approximations", "all_bytes"): "<= 300",
    ("approximations", "all_psnr"): ">= 32",
    ("deltas", "jpeg_bytes_ratio"): "<= 0.045",
    ("deltas", "jpeg_above_0.40_share"): "<= 0.015",
    ("deltas", "jpeg_above_lepton"): "0",
    ("deltas", "encode_s_per_larger_mp_median"): "<= 0.35",
    ("deltas", "encode_s_per_larger_mp_p90"): "<= 1.0",
    ("deltas", "decode_s_per_larger_mp_median"): "<= 0.10",
    ("deltas", "encode_peak_bytes_per_pixel_worst"): "<= 40",
    ("deltas", "decode_peak_bytes_per_pixel_worst"): "<= 40",
    ("whole_jpegs", "over_lepton"): "<= 1.0",
    ("whole_rasters", "png_ratio"): "<= 0.75",
    ("odd", "wrong"): "0",
    ("odd", "lost"): "0",
    ("page", "first_ms"): "<= 300",
    ("page", "middle_ms"): "<= 300",
    ("page", "last_ms"): "<= 300",
    ("page", "group_ms"): "<= 300",
}


@click.command()
@click.option(
    "--photos", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Your own library instead of a drawn one."
)
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="Only this case; may be repeated.")
@click.option(
    "--scratch",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to work; needs about 4 times --mb, and of the library.",
)
@click.option("--mb", default=1000, show_default=True, help="Incompressible data for `upload`.")
@click.option("--files", default=100_000, show_default=True, help="Files for `rescan`.")
@click.option("--rounds", default=20, show_default=True, help="Files for `receipt`.")
@click.option("--growth-pictures", "pictures", default=100_000, show_default=True, help="Pictures that `growth` ends at.")
@click.option("--targets", default=200, show_default=True, help="Edits that `deltas` encodes.")
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Edits with a truth.csv, for `hash_rivals`, `deltas` and `approximations`.",
)
@click.option("--json", "as_json", is_flag=True, help="Only JSON on stdout.")
def main(**options: object) -> None:
    """Measures the program on this machine. Ratios of one run can be compared; seconds of two machines cannot."""
    sys.exit(_bench(**options))  # type: ignore[arg-type] # click fills in what the options above declare


def _bench(*, only: tuple[str, ...], scratch: Path | None, as_json: bool, **options: Any) -> int:
    folder = Path(tempfile.mkdtemp(prefix="smarter-bench-", dir=scratch))
    setting = Setting(
        folder,
        photos=options["photos"] and options["photos"].absolute(),
        n_bytes=options["mb"] * MB,
        n_files=options["files"],
        n_rounds=options["rounds"],
        n_pictures=options["pictures"],
        n_targets=options["targets"],
        corpus=options["corpus"] and options["corpus"].absolute(),
    )
    figures: dict[str, Figures] = {}
    try:
        for name in only or CASES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                figures[name] = CASES[name](setting)
            except Failed as error:
                figures[name] = {"failed": str(error)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not as_json:
        Console().print(_table(figures))
    print(json.dumps({"cpus": len(os.sched_getaffinity(0)), **figures}))
    return int(any("failed" in found for found in figures.values()))


def _table(figures: dict[str, Figures]) -> Table:
    table = Table("case", "figure", "value", "aim")
    for case, found in figures.items():
        for figure, value in found.items():
            shown = (
                f"{value:,.3g}"
                if isinstance(value, float) and value < 1000
                else f"{value:,.0f}"
                if isinstance(value, float)
                else str(value)
            )
            table.add_row(case, figure, shown, AIMS.get((case, figure), ""))
        table.add_section()
    return table


if __name__ == "__main__":
    main()
