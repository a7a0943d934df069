"""Case `burst`: photos that land together before a slow link, and single ones that land while members travel."""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image

from admin_client.client import AgentClient
from admin_client.endpoints import Endpoint
from common.clock import SystemClock, monotonic_s
from common.model import DeltaOver, Entry, Role, Selection, Whole
from common.paths import RelPath
from common.tls import PeerRole
from tests.bench.libraries import MB
from tests.bench.measured import Failed
from tests.bench.setting import Figures, Setting
from tests.bench.site import Site, pause, site
from tests.fakes.relay import Relay, Shape

RATE_BYTES_S = 2.5e6
RTT_S = 0.04
N_PHOTOS = 200
PATIENCE_S = 1500.0


@dataclass(slots=True)
class Seen:
    """What the destination had at a moment."""

    at_s: float
    whole: list[Entry]
    deltas: list[Entry]
    announced: set[RelPath] = field(default_factory=set)


def burst(setting: Setting) -> Figures:
    """200 photos at once over 2.5 MB/s; then one after another while the members of the first travel."""
    folder = setting.scratch / "burst"
    library = folder / "library"
    library.mkdir(parents=True)
    photos = list(_photos(setting))
    n = len(photos)
    with site(folder / "site") as here, Relay(("127.0.0.1", here.listen_port), Shape(RATE_BYTES_S, RTT_S)) as relay:
        here.configure_source(library, port=relay.port)
        with here.source_running(), _asking(here) as dest:
            pause(2)
            landed_ns, start_s = SystemClock().now_ns(), monotonic_s()
            for name, content in photos:
                (library / name).write_bytes(content)
            first, singles_s = _until_announced(dest, n), list[float]()
            restored = here.restore(folder / "restored", "--approximate").result()
            for k in range(setting.n_rounds):
                singles_s.append(_single(dest, library / f"single-{k}.jpg", _stranger(10_000 + k)))
            end = _until(dest, lambda seen: len(seen.whole) + len(seen.deltas) == n + len(singles_s))
    behind = _behind(first.whole, landed_ns)
    return {
        "photos": n,
        "representatives": len(first.whole),
        "members": len(first.announced) + len(first.deltas),
        "representatives_mb": sum(e.recipe.stored_bytes for e in first.whole if isinstance(e.recipe, Whole)) / MB,
        "receipt_beyond_transfer_p50_s": statistics.median(behind),
        "receipt_beyond_transfer_worst_s": max(behind),
        "seconds_until_all_announced": first.at_s - start_s,
        "deltas_before_all_were_announced": len(first.deltas),
        **{f"restored_{what}": count for what, count in restored["counts"].items()},
        "single_beyond_transfer_p50_s": statistics.median(singles_s),
        "single_beyond_transfer_worst_s": max(singles_s),
        "seconds_until_all_exact": end.at_s - start_s,
    }


def _photos(setting: Setting) -> Iterator[tuple[str, bytes]]:
    """Some of the library, with renditions of them where it has too few."""
    found = sorted(path for path in setting.library().rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    chosen = random.Random(7).sample(found, min(N_PHOTOS, len(found)))
    for n, path in enumerate(chosen):
        yield f"{n:03}-{path.name}", path.read_bytes()
    for n in range(N_PHOTOS - len(chosen)):
        with Image.open(chosen[n % len(chosen)]) as picture:
            smaller = picture.convert("RGB").reduce(2 + n // len(chosen))
        encoded = BytesIO()
        smaller.save(encoded, "JPEG", quality=80)
        yield f"rendition-{n:03}.jpg", encoded.getvalue()


def _stranger(seed: int) -> bytes:
    """A picture of noise, of about a megabyte, like no other."""
    picture = Image.frombytes("RGB", (900, 600), random.Random(seed).randbytes(900 * 600 * 3))
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _asking(here: Site) -> AgentClient:
    return AgentClient(Endpoint(PeerRole.DESTINATION, f"unix:{here.folder / 'dest.sock'}"))


def _look(dest: AgentClient) -> Seen:
    entries = [e for e in dest.entries(Selection()) if e.recipe is not None]
    deltas = [e for e in entries if isinstance(e.recipe, DeltaOver)]
    announced = {one.version.path for one in dest.announced(Selection())}
    return Seen(monotonic_s(), [e for e in entries if isinstance(e.recipe, Whole)], deltas, announced)


def _until(dest: AgentClient, is_so: Callable[[Seen], bool]) -> Seen:
    start_s = monotonic_s()
    while not is_so(seen := _look(dest)):
        if monotonic_s() - start_s > PATIENCE_S:
            raise Failed(
                f"after {PATIENCE_S:.0f} s: {len(seen.whole)} whole, {len(seen.deltas)} deltas, {len(seen.announced)} announced"
            )
        pause(0.3)
    return seen


def _until_announced(dest: AgentClient, n: int) -> Seen:
    """The moment from which everything can be shown, exactly or roughly."""
    return _until(dest, lambda seen: len(seen.whole) + len(seen.deltas) + len(seen.announced) >= n)


def _behind(entries: list[Entry], landed_ns: int) -> list[float]:
    """How much later than the link alone would have it each representative came, in seconds."""
    behind, n_bytes = [], 0
    for entry in sorted(entries, key=lambda e: e.received_ns):
        if entry.version.role is Role.REPRESENTATIVE and isinstance(entry.recipe, Whole):
            n_bytes += entry.recipe.stored_bytes
            behind.append((entry.received_ns - landed_ns) / 1e9 - n_bytes / RATE_BYTES_S)
    return behind


def _single(dest: AgentClient, path: Path, content: bytes) -> float:
    """How much later than the link alone would have it a single photo came."""
    temporary = path.parent.parent / path.name
    temporary.write_bytes(content)
    shutil.move(temporary, path)
    landed_ns, name = SystemClock().now_ns(), path.name.encode()
    seen = _until(dest, lambda seen: any(e.version.path == name for e in seen.whole))
    (entry,) = (e for e in seen.whole if e.version.path == name)
    n_bytes = entry.recipe.stored_bytes if isinstance(entry.recipe, Whole) else 0
    return (entry.received_ns - landed_ns) / 1e9 - n_bytes / RATE_BYTES_S
