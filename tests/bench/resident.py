"""What an opened index costs a process that only asks it: `python -m tests.bench.resident INDEX QUERIES`, JSON on stdout."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from common.similarity import features
from common.similarity.features import Features
from common.similarity.lsh import LshIndex
from tests.bench.measured import Run, run

K = 10


def measured(index: Path, queries: list[Features], scratch: Path) -> dict[str, int]:
    """Bytes that a fresh process grew by when it opened the index and answered the queries. Errors: measured.Failed."""
    asked = scratch / "queries"
    stored = [features.to_bytes(query) for query in queries]
    asked.write_bytes(b"".join(len(one).to_bytes(4, "little") + one for one in stored))
    ended: Run = run([sys.executable, "-m", "tests.bench.resident", index, asked], Path.cwd())
    grown: dict[str, int] = ended.result()
    return grown


def _main(index: Path, asked: Path) -> None:
    queries = list(_read(asked.read_bytes()))
    with tempfile.TemporaryDirectory() as folder:
        warm = LshIndex(Path(folder) / "warm")  # what every process pays once is not the index's
        warm.insert(b"\0" * 32, queries[0])  # type: ignore[arg-type] # any 32 bytes are a digest
        warm.query(queries[0], K)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _now()
    opened = LshIndex(index)
    after_opening = _now()
    for query in queries:
        opened.query(query, K)
    after = _now()
    grown = {f"{name}_grown": after[name] - before[name] for name in after}
    print(json.dumps({"opened_rss_grown": after_opening["rss"] - before["rss"], **grown}))


def _read(raw: bytes) -> list[Features]:
    found, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        found.append(features.from_bytes(raw[at + 4 : end]))
        at = end
    return found


def _now() -> dict[str, int]:
    """Bytes of this process: resident, at its peak, and the part that no file backs."""
    lines = Path("/proc/self/status").read_text() + Path("/proc/self/smaps_rollup").read_text()
    kb = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines.splitlines()) if "kB" in rest}
    return {"rss": 1024 * kb["VmRSS"], "peak": 1024 * kb["VmHWM"], "anonymous": 1024 * kb["Anonymous"]}


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
