"""The cases: what is measured, and against what."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from types import MappingProxyType

from common.clock import SystemClock, monotonic_s
from tests.bench.approximations import approximations
from tests.bench.burst import burst
from tests.bench.deltas import deltas
from tests.bench.growth import growth
from tests.bench.hash_rivals import hash_rivals
from tests.bench.libraries import GB, MB, incompressible, many_files
from tests.bench.looks_cost import identify_cost, looks_cost
from tests.bench.measured import Failed, session_cpu_s, tree_bytes
from tests.bench.odd import odd
from tests.bench.paged import page
from tests.bench.rivals import borg, restic
from tests.bench.seeing import identify, novel
from tests.bench.setting import Figures, Setting
from tests.bench.site import pause, receipt_ns, site
from tests.bench.whole import whole_jpegs, whole_rasters
from tests.fakes.relay import Pipe, Relay, Shape

LINK_RATE_BYTES_S = 12.5e6
RECEIPT_S = 60.0


def first(setting: Setting) -> Figures:
    """A first backup of the library, by Smarter over loopback with TLS, and by others to a local repository."""
    library = setting.library()
    n_bytes = tree_bytes(library)
    folder = setting.scratch / "first"
    with site(folder / "smarter") as here:
        here.configure_source(library)
        dest_cpu_s = session_cpu_s(here.dest.pid)
        ours = here.once()
        dest_cpu_s = session_cpu_s(here.dest.pid) - dest_cpu_s
        sent = sum(ours.result()["sent_bytes"].values())
        stored = tree_bytes(here.folder / "objects")
        back = here.restore(here.folder / "restored")
    figures: Figures = {
        "logical_mb": n_bytes / MB,
        "seconds": ours.seconds,
        "cpu_s": ours.cpu_s + dest_cpu_s,
        "sent_ratio": sent / n_bytes,
        "stored_ratio": stored / n_bytes,
        "restore_mb_per_s": n_bytes / MB / back.seconds,
    }
    for name, backup in (("restic", restic), ("borg", borg)):
        rival = backup(library, folder / name)
        if rival is None:
            figures[name] = "not installed"
            continue
        figures[f"{name}_seconds"] = rival.first.seconds
        figures[f"{name}_stored_ratio"] = rival.stored_bytes / n_bytes
        figures[f"seconds_over_{name}"] = ours.seconds / rival.first.seconds
        figures[f"stored_over_{name}"] = stored / rival.stored_bytes
    return figures


def rescan(setting: Setting) -> Figures:
    """A second `once` over many files of which none has changed."""
    library = many_files(setting.scratch / "many", n_files=setting.n_files)
    with site(setting.scratch / "rescan") as here:
        here.configure_source(library)
        whole = here.once()
        again = here.once()
    return {
        "files": setting.n_files,
        "first_seconds": whole.seconds,
        "seconds": again.seconds,
        "files_per_s": setting.n_files / again.seconds,
        "peak_rss_mb": again.peak_rss_bytes / MB,
        "first_peak_rss_mb": whole.peak_rss_bytes / MB,
    }


def upload(setting: Setting) -> Figures:
    """Bytes that nothing can shrink, through both agents over loopback, and back."""
    library = incompressible(setting.scratch / "upload-library", n_bytes=setting.n_bytes)
    n_bytes = tree_bytes(library)
    with site(setting.scratch / "upload") as here:
        here.configure_source(library)
        before_s = session_cpu_s(here.dest.pid)
        sent = here.once()
        dest_cpu_s = session_cpu_s(here.dest.pid) - before_s
        back = here.restore(here.folder / "restored")
    return {
        "mb": n_bytes / MB,
        "mb_per_s": n_bytes / MB / sent.seconds,
        "source_cpu_s_per_gb": sent.cpu_s / n_bytes * GB,
        "dest_cpu_s_per_gb": dest_cpu_s / n_bytes * GB,
        "restore_mb_per_s": n_bytes / MB / back.seconds,
    }


def link_20ms(setting: Setting) -> Figures:
    """The share of a slow link that is used, with a near destination."""
    return _link(setting, rtt_s=0.02)


def link_200ms(setting: Setting) -> Figures:
    """The share of a slow link that is used, with a destination on another continent."""
    return _link(setting, rtt_s=0.2)


def _link(setting: Setting, *, rtt_s: float) -> Figures:
    name = f"link-{round(rtt_s * 1000)}"
    n_bytes = min(setting.n_bytes, round(LINK_RATE_BYTES_S * 12))
    library = incompressible(setting.scratch / f"{name}-library", n_bytes=n_bytes, file_bytes=4 * MB)
    with site(setting.scratch / name) as here, Relay(("127.0.0.1", here.listen_port), Shape(LINK_RATE_BYTES_S, rtt_s)) as relay:
        here.configure_source(library, port=relay.port)
        start_s = monotonic_s()
        once = here.once()
    due_bytes = tree_bytes(library)
    begin_s, use = _use(relay.up, due_bytes)
    return {
        "mb": due_bytes / MB,
        "seconds": once.seconds,
        "seconds_until_bytes": begin_s - start_s,
        "use_while_due": use,
        "use_of_whole_run": due_bytes / LINK_RATE_BYTES_S / once.seconds,
        "sent_over_content": relay.up.n_bytes / due_bytes,
    }


def _use(pipe: Pipe, due_bytes: int) -> tuple[float, float]:
    """When the first hundredth of the bytes had passed, and the share of the rate that was used from then to the last byte."""
    during = [(at_s, n_bytes) for at_s, n_bytes in pipe.passed if due_bytes * 0.01 <= n_bytes <= due_bytes]
    (start_s, start_bytes), (end_s, end_bytes) = during[0], during[-1]
    return start_s, (end_bytes - start_bytes) / LINK_RATE_BYTES_S / (end_s - start_s)


def receipt(setting: Setting) -> Figures:
    """From the close of a 4 MB file to its receipt, with both daemons running."""
    library = setting.scratch / "receipt-library"
    library.mkdir()
    clock = SystemClock()
    rng = random.Random(3)
    waits_s = []
    with site(setting.scratch / "receipt") as here:
        here.configure_source(library)
        with here.source_running() as client:
            pause(2)
            for n in range(setting.n_rounds):
                (library / f"{n}.bin").write_bytes(rng.randbytes(4 * MB))
                closed_ns, start_s = clock.now_ns(), monotonic_s()
                while (got_ns := receipt_ns(client)) <= closed_ns or not _all_delivered(client.status()):
                    if monotonic_s() - start_s > RECEIPT_S:
                        raise Failed(f"no receipt after {RECEIPT_S} s: {client.status()}")
                    pause(0.02)
                waits_s.append((got_ns - closed_ns) / 1e9)
                pause(rng.uniform(0.1, 0.5))
    return {
        "rounds": len(waits_s),
        "p50_s": statistics.median(waits_s),
        "p95_s": statistics.quantiles(waits_s, n=20, method="inclusive")[-1],
        "worst_s": max(waits_s),
    }


def _all_delivered(status: Mapping[str, object]) -> bool:
    return not status["dirty"] and not status["backlog_bytes"]


CASES: Mapping[str, Callable[[Setting], Figures]] = MappingProxyType(
    {
        "first": first,
        "upload": upload,
        "link_20ms": link_20ms,
        "link_200ms": link_200ms,
        "receipt": receipt,
        "burst": burst,
        "rescan": rescan,
        "identify": identify,
        "novel": novel,
        "looks_cost": looks_cost,
        "identify_cost": identify_cost,
        "growth": growth,
        "hash_rivals": hash_rivals,
        "approximations": approximations,
        "deltas": deltas,
        "whole_jpegs": whole_jpegs,
        "whole_rasters": whole_rasters,
        "odd": odd,
        "page": page,
    }
)
