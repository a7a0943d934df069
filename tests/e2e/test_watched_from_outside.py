"""What Prometheus and a watcher of pings see of two sites that work, and of work that fails."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from urllib.request import urlopen

from tests.e2e.test_bad_disks import objects_of, rot
from tests.fakes.http import Heard, listening
from tests.fakes.sites import DEST, SOURCE, sites, until
from tests.fakes.trees import write_library


def free_address() -> str:
    """HOST:PORT where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def scraped(address: str) -> dict[str, float]:
    """Every sample at an address, by its name and labels."""
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def pings(at: Heard, who: str) -> Mapping[str, str]:
    """Three addresses of one server."""
    return {event: at.url(f"{who}/{event}") for event in ("start", "success", "fail")}


def test_daemons_that_work_say_so_and_tell_their_figures() -> None:
    """Everything exact, nothing waiting, connected, the disk not full, the last verification just now."""
    source_at, dest_at = free_address(), free_address()
    with (
        listening() as watcher,
        sites(
            policy={"settle": "0.1s"},
            in_source={"metrics": {"listen": source_at}, "health_ping": pings(watcher, "source")},
            in_dest={"metrics": {"listen": dest_at}, "health_ping": pings(watcher, "dest")},
        ) as at,
    ):
        write_library(at.library)
        dest = at.dest()
        source = at.source()
        until(at.caught_up, "the library is delivered")
        there = scraped(source_at)
        n_files = sum(entry.version.kind == "file" for entry in at.entries())
        assert there['smarter_protected_files{how="exact"}'] == n_files > 0
        assert there['smarter_protected_files{how="not_yet"}'] == there['smarter_protected_files{how="approximate"}'] == 0
        for name in ("representatives", "deferred", "chunks"):
            for figure in ("backlog_bytes", "backlog_versions", "lag_seconds"):
                assert there[f'smarter_{figure}{{class="{name}"}}'] == 0
        assert there["smarter_connected"] == 1
        assert there["smarter_delivered_bytes_total"] > 0
        assert there["smarter_last_rescan_timestamp_seconds"] > 0
        assert there["smarter_unavailable_roots"] == there["smarter_quarantined_versions"] == 0
        (build,) = (name for name in there if name.startswith("smarter_build_info"))
        assert re.search(rf'agent="{SOURCE}",role="source",version="', build)
        here = scraped(dest_at)
        assert here["smarter_accepting"] == 1
        assert here["smarter_last_verified_timestamp_seconds"] == 0
        at.verify()
        here = scraped(dest_at)
        assert here["smarter_last_verified_timestamp_seconds"] > there["smarter_last_rescan_timestamp_seconds"]
        assert here["smarter_broken_contents"] == 0
        assert here[f'smarter_last_received_timestamp_seconds{{source="{SOURCE}"}}'] > 0
        assert any(name.startswith("smarter_build_info") and f'agent="{DEST}",role="destination"' in name for name in here)
        assert not any(name in here for name in ("smarter_connected", "smarter_dirty_paths"))
        until(lambda: len(watcher.paths) == 4, "both daemons have said how they are")
        assert sorted(watcher.paths) == ["dest/start", "dest/success", "source/start", "source/success"]
        assert (source.stop(), dest.stop()) == (0, 0)


def test_what_goes_wrong_is_told_within_seconds() -> None:
    """A disk that loses a bit, a folder that is not there any more, a destination that does not come back."""
    told = {"every": "1s"}
    with listening() as watcher:

        def source_said() -> str:
            return [path for path in watcher.paths if path.startswith("source/")][-1].removeprefix("source/")

        in_source = {"health_ping": {**pings(watcher, "source"), **told, "late": "2s"}}
        in_dest = {"health_ping": {**pings(watcher, "dest"), **told}}
        with sites(policy={"settle": "0.1s", "rescan": "1s"}, in_source=in_source, in_dest=in_dest) as at:
            write_library(at.library)
            dest = at.dest()
            at.source()
            until(at.caught_up, "the library is delivered")
            rot(objects_of(at)[0])
            at.verify(code=30)
            until(lambda: "dest/fail" in watcher.paths, "the destination says that a content is broken")
            until(lambda: source_said() == "success", "the source has nothing to say against it")
            at.library.rename(at.folder / "unmounted")
            until(lambda: source_said() == "fail", "the source says that its root is gone")
            (at.folder / "unmounted").rename(at.library)
            until(lambda: source_said() == "success", "the source says that it is back")
            dest.kill()
            until(lambda: source_said() == "fail", "the source says that nobody answers")


def test_one_scan_tells_how_it_went() -> None:
    """Well; in part, where a file was refused; and not at all, where nobody answers."""
    with listening() as watcher:
        policy = {"settle": "0.1s", "max_file_bytes": "64KiB"}
        with sites(policy=policy, in_source={"health_ping": pings(watcher, "once"), "patience": "2s"}) as at:
            dest = at.dest()
            (at.library / "small").write_bytes(b"x" * 1000)
            at.once()
            assert watcher.paths == ["once/start", "once/success"]
            (at.library / "large").write_bytes(b"x" * (1 << 20))
            at.once(code=3)
            assert watcher.paths[2:] == ["once/start", "once/fail"]
            dest.kill()
            at.once(code=20)
            assert watcher.paths[4:] == ["once/start", "once/fail"]
