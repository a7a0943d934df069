"""Many fortnights: `make sim`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import structlog

from common.clock import cpu_s, monotonic_s
from common.config import available_cpus
from tests.sim.fortnight import Report, fortnight

TOLD_EVERY = 100


def quietly(seed: int) -> Report:
    """The run of a seed, without its log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return fortnight(seed)


def main() -> int:
    """Runs the seeds, twice where asked to; prints what was seen, and 1 is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--twice", type=int, default=20, help="so many seeds are run again and compared")
    given = parser.parse_args()
    start_s, seeds = monotonic_s(), range(given.first, given.first + given.seeds)
    total, n_faults, reports = Counter[str](), 0, dict[int, Report]()
    with ProcessPoolExecutor(available_cpus()) as pool:
        for seed, report in zip(seeds, pool.map(quietly, seeds, chunksize=4), strict=True):
            reports[seed] = report
            for fault in report.faults[:3]:
                print(f"seed {seed}: {fault}")
            n_faults += bool(report.faults)
            total.update(frames=report.n_frames, contents=report.n_contents, exempt_bytes=report.exempt_bytes, left=report.n_left)
            if len(reports) % TOLD_EVERY == 0:
                print(f"{len(reports)} seeds, {monotonic_s() - start_s:.0f} s, {n_faults} with faults", file=sys.stderr)
        again = list(seeds)[: given.twice]
        for seed, report in zip(again, pool.map(quietly, again), strict=True):
            if report != reports[seed]:
                n_faults += 1
                print(f"seed {seed}: another run than before")
    figures = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in total.items())
    print(f"{given.seeds} fortnights, {n_faults} with faults: {figures}; {monotonic_s() - start_s:.0f} s, {cpu_s():.0f} CPU s")
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
