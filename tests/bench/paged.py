"""Case `page`: how long a page of the browser's takes where a source has 10,000 groups, from the request to its last byte.

The groups are in a real journal behind the real service; thumbnails are asked for apart from their page, and are not counted.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc.aio

from common.clock import SystemClock, monotonic_s
from common.ids import Digest, digest_of
from common.model import Attributes, Kind
from common.paths import RelPath
from common.similarity.places import Bond, Picture, Place, Rank
from common.wire.transport import SERVER_OPTIONS
from common.workers import Workers
from source_agent.deliveries import Observation
from source_agent.group_views import GroupViews
from source_agent.groups import Groups, Placing
from source_agent.groups_admin import GroupsAdmin
from source_agent.journal import Journal
from source_agent.pins import Pins
from source_agent.roots import Root
from source_agent.rules import Rules
from source_agent.selection import ChosenGroup
from source_agent.spool import Spool
from source_agent.thumbnails import Thumbnails
from tests.bench.setting import Figures, Setting
from tests.fakes.browsing import served

GROUPS = 10_000
PICTURES = 3
PAGES = {
    "first": "/groups",
    "middle": f"/groups?after={GROUPS // 2}",
    "last": f"/groups?before={GROUPS}",
    "large": "/groups?mib=1",
    "policy": "/groups?policy=photos",
    "rare_path": f"/groups?path=/*/{GROUPS - 7}-*.jpg",
    "group": f"/groups/{GROUPS // 2}",
    "next": f"/groups/{GROUPS // 2}/beside",
}


def page(setting: Setting) -> Figures:
    """Milliseconds of each kind of page: the median, and the slowest, of some tries."""
    folder = setting.scratch / "page"
    folder.mkdir()
    figures: Figures = {"groups": GROUPS, "pictures": GROUPS * PICTURES}
    with _service(folder) as address, served("--source", address) as pages:
        pages.log_in()
        for name, path in PAGES.items():
            times_ms = []
            for _ in range(setting.n_rounds):
                begun_s = monotonic_s()
                answer = pages.ask(path)
                times_ms.append(1000 * (monotonic_s() - begun_s))
                assert answer.code in {200, 303}, answer.text
            figures[f"{name}_ms"] = statistics.median(times_ms)
            figures[f"{name}_worst_ms"] = max(times_ms)
    return figures


@contextmanager
def _service(folder: Path) -> Iterator[str]:
    """The Groups service over a journal with many groups, in a thread of its own; its address."""
    journal = Journal(folder / "journal.sqlite", agent="lisbon-1")
    root = Root(key=journal.root("photos", "library"), folder=folder, rules=Rules())
    groups = _filled(journal, root)
    address, is_up, loop, ended = f"unix:{folder / 's'}", threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        workers = Workers(1)
        spool = Spool(folder / "spool", roots={root.id: root}, pins=Pins(folder / "pins"), workers=workers, keep_bytes=1 << 20)
        views = GroupViews(journal, [root])
        server = grpc.aio.server(options=SERVER_OPTIONS)
        thumbnails = Thumbnails(journal, spool, workers)
        GroupsAdmin(groups, views, SystemClock(), heard=lambda: None, thumbnails=thumbnails).serve_on(server)
        server.add_insecure_port(address)
        await server.start()
        is_up.set()
        await ended.wait()
        await server.stop(None)
        await workers.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        is_up.wait()
        yield address
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
        journal.close()


def _filled(journal: Journal, root: Root) -> Groups:
    clock, groups = SystemClock(), Groups(journal)
    places: dict[Digest, Place] = {}
    chosen, observed = [], []
    for n in range(GROUPS):
        digests = [digest_of(f"{n}-{k}".encode()) for k in range(PICTURES)]
        for k, digest in enumerate(digests):
            picture = Picture(digest, Rank(PICTURES - k, 12_000_000, 0, 100_000 + n))
            places[digest] = Place(picture, digests[0], Bond.NEAR) if k else Place(picture)
            path = RelPath(f"{n % 100}/{n}-{k}.jpg".encode())
            observed.append(Observation(root.id, path, Kind.FILE, Attributes(), 5, b"s", digest, 7, awaits_group=True))
        chosen.append(ChosenGroup(None, digests[0], frozenset(digests)))
    journal.record(observed)
    groups.keep(Placing(places, chosen, frozenset(places), clock.now_ns(), {}))
    return groups
