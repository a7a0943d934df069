"""Files coded and decoded in worker processes, for `smarter delta` and `smarter code`.

1. A worker codes; another one, fresh, decodes what it made. Only what came back as it was is written.
2. A decoding is written when its digest is the one in the delta.

The output file is there whole or not at all: it is written under another name, synced and renamed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.clock import monotonic_s
from common.durable import write_file
from common.errors import ContentError, IntegrityError
from common.workers import WALL_PER_CPU, Workers, delta_cpu_s

_PUBLIC = 0o644


async def encode(base: Path | None, target: Path, out: Path) -> dict[str, Any]:
    """Codes a file, over a base where there is one, into `out`. The report of CLI.md.

    Errors: IntegrityError where it does not come back as it was; ContentError; OSError naming the file.
    """
    begun_s = monotonic_s()
    bases = [base] if base else []
    coded, values, peak_bytes = await _asked("delta_encode", [*bases, target])
    decoded, _, _ = await _asked("delta_decode", [*bases, coded])
    if decoded != await asyncio.to_thread(target.read_bytes):
        raise IntegrityError(f"{target}: it does not come back as it was, or changed meanwhile")
    write_file(out, coded, mode=_PUBLIC)
    return {
        "method": str(values["method"]),
        "target_bytes": len(decoded),
        "delta_bytes": len(coded),
        "seconds": round(monotonic_s() - begun_s, 3),
        "peak_rss_bytes": peak_bytes,
    }


async def decode(base: Path | None, coded: Path, out: Path) -> dict[str, Any]:
    """Decodes a file, over a base where it needs one, into `out`.

    Errors: IntegrityError wherever what would come out is not proved; OSError naming the file.
    """
    begun_s = monotonic_s()
    try:
        target, _, peak_bytes = await _asked("delta_decode", [*([base] if base else []), coded])
    except ContentError as error:
        raise IntegrityError(f"{coded}: {error}") from error
    write_file(out, target, mode=_PUBLIC)
    return {"target_bytes": len(target), "seconds": round(monotonic_s() - begun_s, 3), "peak_rss_bytes": peak_bytes}


async def _asked(job: str, inputs: Sequence[Path | bytes]) -> tuple[bytes, Mapping[str, Any], int]:
    """What a new worker makes of files and bytes, what it says, and the most memory that it had."""
    workers = Workers(1)
    with ExitStack() as closing:
        fds = [_opened(one) for one in (*inputs, b"")]
        for fd in fds:
            closing.callback(os.close, fd)
        cpu_s = delta_cpu_s(*fds)
        try:
            values = await workers.run(job, {}, fds=fds, cpu_s=cpu_s, wall_s=WALL_PER_CPU * cpu_s)
        finally:
            await workers.close()
        return os.pread(fds[-1], os.fstat(fds[-1]).st_size, 0), values, workers.peak_rss_bytes


def _opened(one: Path | bytes) -> int:
    if isinstance(one, Path):
        return os.open(one, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("bytes", os.MFD_CLOEXEC)
    os.write(fd, one)
    return fd
