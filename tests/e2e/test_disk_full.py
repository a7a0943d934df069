"""A disk that fills up, at either site: said clearly, waited out, and nothing lost."""

from __future__ import annotations

import random

import pytest

from tests.fakes.compare import differences
from tests.fakes.disks import small_disk
from tests.fakes.sites import sites, until
from tests.fakes.trees import write_library

MIB = 1 << 20


@pytest.mark.slow
def test_a_destination_that_is_full_is_waited_for_until_it_has_room() -> None:
    """The status says that it takes nothing, the source says why it waits; freed, it goes on by itself."""
    with small_disk(24 * MIB) as disk:
        in_dest = {"store": {"path": str(disk.path / "objects")}, "limits": {"min_free_bytes": 64 * 1024}}
        with sites(in_dest=in_dest) as at:
            rng = random.Random(4)
            for n in range(6):
                (at.library / f"noise-{n}.bin").write_bytes(rng.randbytes(2 * MIB))
            at.dest(prefix=disk.enter)
            disk.fill(leave_bytes=5 * MIB)
            source = at.source()
            until(lambda: at.dest_status().get("refusals", {}).get("NO_SPACE"), "not all of it finds room")
            until(lambda: "free" in at.source_status()["link_error"] or "space" in at.source_status()["link_error"], "why")
            disk.fill()
            until(lambda: at.dest_status()["accepting"] is False, "the destination says that it is full")
            status = at.source_status()
            assert status["connected"], "a full disk is no reason to hang up"
            assert status["versions_by_state"]["queued"] >= 1
            assert status["versions_by_state"].get("quarantined", 0) == 0
            disk.free()
            until(at.caught_up, "the rest is delivered", seconds=60)
            assert at.dest_status()["accepting"] is True
            assert at.dest_status()["refusals"]["NO_SPACE"] >= 1
            assert source.stop() == 0
            assert at.verify()["problems"] == []
            assert differences(at.library, at.restore()) == []


@pytest.mark.slow
def test_a_destination_whose_catalogue_cannot_grow_is_waited_for() -> None:
    """No receipt is given for what SQLite could not write, and the destination lives on."""
    with small_disk(16 * MIB) as disk, sites(in_dest={"agent": {"state": str(disk.path / "state")}}) as at:
        write_library(at.library)
        dest = at.dest(prefix=disk.enter)
        disk.fill()
        once = at.once_started()
        until(lambda: at.dest_status().get("refusals", {}).get("NO_SPACE") or "full" in once.log.read_text(), "the disk is full")
        assert dest.is_alive
        disk.free()
        assert once.wait().code == 0
        assert dest.is_alive
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []


def test_a_source_whose_state_cannot_grow_says_so_and_loses_nothing() -> None:
    """One sentence that names the trouble; after room is made the next run delivers everything."""
    with small_disk(16 * MIB) as disk, sites(in_source={"agent": {"state": str(disk.path / "state")}}) as at:
        write_library(at.library)
        at.dest()
        disk.fill(leave_bytes=8 * 1024)
        ended = at.once_started(prefix=disk.enter).wait()
        assert ended.code in {1, 3}, ended
        assert not ended.blew_up, ended.stderr
        assert "full" in ended.stderr + ended.stdout or "space" in ended.stderr + ended.stdout
        disk.free()
        assert at.once_started(prefix=disk.enter).wait().code == 0
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []


@pytest.mark.parametrize("leave_bytes", [200 * 1024, 700 * 1024])
def test_a_source_whose_state_fills_up_on_the_way_says_so_and_loses_nothing(leave_bytes: int) -> None:
    """Little room for the journal, less for pins and coded files: some goes without, some goes later, and all is said."""
    with (
        small_disk(16 * MIB) as disk,
        sites(in_source={"agent": {"state": str(disk.path / "state")}}, policy={"pin": "copy"}) as at,
    ):
        rng = random.Random(5)
        for n in range(6):
            (at.library / f"text-{n}.txt").write_bytes(rng.randbytes(60_000).hex().encode())
        at.dest()
        disk.fill(leave_bytes=leave_bytes)
        ended = at.once_started(prefix=disk.enter).wait()
        assert not ended.blew_up, ended.stderr
        assert ended.code in {0, 1, 3}, ended
        assert "full" in ended.stderr + ended.stdout or "space" in ended.stderr + ended.stdout
        disk.free()
        assert at.once_started(prefix=disk.enter).wait().code == 0
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []
