"""Disks that fail and bits that rot at the destination: retried where that helps, named where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.compare import differences
from tests.fakes.receipts import broken_recipes, false_receipts
from tests.fakes.sites import Sites, sites
from tests.fakes.trees import write_library

FAULTY = "tests.fakes.faulty"


def objects_of(at: Sites) -> list[Path]:
    """The files of the object store, the largest first."""
    return sorted((path for path in (at.objects / "objects").rglob("*") if path.is_file()), key=lambda p: -p.stat().st_size)


def rot(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.chmod(0o600)
    path.write_bytes(content)


def paths_of(at: Sites, digest: str) -> set[str]:
    """The paths that need a content."""
    return {entry["path"] for entry in at.ls() if entry.get("digest") == digest}


@pytest.mark.parametrize("fault", ["failing_publish", "failing_sync"])
def test_a_disk_that_fails_for_a_while_costs_time_and_no_file(fault: str) -> None:
    """What failed was not receipted; the source comes again until it goes."""
    with sites() as at:
        write_library(at.library)
        dest = at.dest(FAULTY, fault)
        at.once()
        assert dest.fired == f"{fault}, 0 left"
        assert dest.is_alive
        assert false_receipts(at) == []
        assert broken_recipes(at) == []
        assert at.verify()["problems"] == []
        assert differences(at.library, at.restore()) == []
        assert not any(path.is_file() for path in (at.objects / "staging").rglob("*"))


def test_an_object_that_cannot_be_read_is_named_and_holds_up_nothing_else() -> None:
    """`verify` and `restore` end with 30, name the path, and go on to the last content."""
    with sites() as at:
        write_library(at.library)
        dest = at.dest()
        at.once()
        assert dest.stop() == 0
        digest = objects_of(at)[0].name.partition(".")[0]
        dest = at.dest(FAULTY, "unreadable_objects")
        broken = paths_of(at, digest)
        assert broken
        found = at.verify(code=30)
        assert dest.fired
        assert [problem["digest"] for problem in found["problems"]] == [digest]
        assert all(any(path in named for named in found["problems"][0]["paths"]) for path in broken)
        restored = at.restore(code=30)
        missing = [line for line in differences(at.library, restored) if "only in" in line]
        assert len(missing) == len(broken)
        assert all(any(path in line for line in missing) for path in broken)


def test_a_bit_that_rots_is_found_and_no_wrong_byte_is_restored() -> None:
    """The path is named, no such file is left behind, and every other file is right."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        at.once()
        rotten = objects_of(at)[:3]
        for path in rotten:
            rot(path)
        digests = {path.name.partition(".")[0] for path in rotten}
        broken = set().union(*(paths_of(at, digest) for digest in digests))
        problems = at.verify(code=30)["problems"]
        assert {problem["digest"] for problem in problems} == digests
        assert at.dest_status()["last_verify_errors"] == len(digests)
        restored = at.restore(code=30)
        assert not any((restored / path).exists() for path in broken)
        lines = differences(at.library, restored)
        assert [line for line in lines if "sha256" in line or "size" in line] == []
        assert len([line for line in lines if "only in" in line]) == len(broken)


def test_an_object_that_is_gone_is_found() -> None:
    """As after a file-system check that moved files to lost+found."""
    with sites() as at:
        write_library(at.library)
        at.dest()
        at.once()
        gone = objects_of(at)[0]
        gone.unlink()
        digest = gone.name.partition(".")[0]
        assert [problem["digest"] for problem in at.verify(code=30)["problems"]] == [digest]
        restored = at.restore(code=30)
        assert not any((restored / path).exists() for path in paths_of(at, digest))
