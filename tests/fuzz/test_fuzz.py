"""The hunt itself: it finds what is planted, saves it so that it can be repeated, and finds nothing else in a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from common.errors import ContentError
from tests.fuzz.attacks import Attack, Wrong
from tests.fuzz.hunt import hunt, saved
from tests.fuzz.mutations import mended, spoilt
from tests.fuzz.seeds import rasters

SECONDS = 20


def planted(content: bytes) -> str:
    """Falls over in four ways, and mostly does not."""
    match content[:1]:
        case b"c":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"h":
            while True:
                pass
        case b"w":
            raise Wrong("other bytes")
        case b"d":
            return str(1 // 0)
        case b"m":
            return str(len(bytearray(1 << 40)))
        case b"r":
            raise ContentError("damaged", "as it should be")
        case _:
            return "well"
    return "after the end"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of later Pythons: a fork where there may be threads
def test_what_crashes_hangs_fails_or_comes_out_wrong_is_found_and_saved(tmp_path: Path) -> None:
    """What is refused, or needs more memory than there is, is no finding."""
    seeds = [(letter,) for letter in (b"a", b"c", b"h", b"w", b"d", b"m", b"r")]
    attack = Attack(planted, lambda: seeds, spoils=())
    bag = hunt({"planted": attack}, seconds=4, seed=1, findings=tmp_path, deadline_s=0.5)
    found = {saved(finding.folder)[1][0]: finding.outcome.word for finding in bag.findings}
    assert found == {
        b"c": "dies of SIGSEGV",
        b"h": "hangs",
        b"w": "Wrong in planted: other bytes",
        b"d": "ZeroDivisionError in planted: integer division or modulo by zero",
    }
    assert set(bag.words["planted"]) == {*found.values(), "well", "MemoryError", "ContentError damaged: as it should be"}


def test_spoiling_depends_on_the_seed_alone_and_pngs_are_mended() -> None:
    """A finding of one machine is found on another."""
    png = rasters()["png RGB"]
    assert spoilt(png, Random(5), [png]) == spoilt(png, Random(5), [png])
    assert mended(png) == png
    changed = bytearray(png)
    changed[-1] ^= 255
    assert mended(bytes(changed)) == png


@pytest.mark.slow
def test_nothing_is_found_in_a_little_while(tmp_path: Path) -> None:
    """`make fuzz` looks longer."""
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(SECONDS), "--findings", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stdout + ended.stderr
