"""The index of features on disk and the one that looks at everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import IntegrityError
from common.ids import Digest
from common.similarity import lsh, segment
from common.similarity.brute import BruteIndex
from common.similarity.feature_index import FeatureIndex
from common.similarity.lsh import LshIndex
from common.similarity.segment import opened
from common.similarity.voting import BUCKET_CAP
from tests.contracts.feature_index_contract import FeatureIndexContract, altered, drawn, named, nothing


class TestBrute(FeatureIndexContract):
    """The contract for the oracle."""

    @pytest.fixture
    def index(self) -> FeatureIndex:
        """Empty."""
        return BruteIndex()


class TestLsh(FeatureIndexContract):
    """The contract for pictures still in memory."""

    @pytest.fixture
    def index(self, tmp_path: Path) -> FeatureIndex:
        """Empty, in a folder that is made for it."""
        return LshIndex(tmp_path / "features/index")


class TestLshInSegments(FeatureIndexContract):
    """The contract for pictures in many small segments that merge all the time."""

    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureIndex:
        """Empty, sealing every third picture."""
        monkeypatch.setattr(lsh, "FRESH_PICTURES", 3)
        return LshIndex(tmp_path)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LshIndex:
    """An index that seals every fourth picture."""
    monkeypatch.setattr(lsh, "FRESH_PICTURES", 4)
    return LshIndex(tmp_path / "index")


def top(index: FeatureIndex, n: int) -> Digest:
    """What an edited copy of the n-th picture finds first."""
    return index.query(altered(drawn(n), seed=n), 5)[0].picture


def test_an_opened_index_answers_as_before(small: LshIndex, tmp_path: Path) -> None:
    """Pictures, removals and what came back."""
    for n in range(11):
        small.insert(named(n), drawn(n))
    small.remove(named(2))
    small.remove(named(9))
    small.insert(named(9), drawn(9))
    small.flush()
    again = LshIndex(tmp_path / "index")
    assert len(again) == len(small) == 10
    assert named(2) not in again
    for n in (0, 1, 5, 9, 10):
        assert again.query(altered(drawn(n)), 5) == small.query(altered(drawn(n)), 5)
        assert top(again, n) == named(n)
    assert named(2) not in {match.picture for match in again.query(drawn(2), 10)}


def test_what_came_after_the_last_flush_is_lost_and_can_be_told(small: LshIndex, tmp_path: Path) -> None:
    """The index is derived: it says what it does not hold, and takes it again."""
    for n in range(6):
        small.insert(named(n), drawn(n))
    again = LshIndex(tmp_path / "index")
    missing = [n for n in range(6) if named(n) not in again]
    assert missing == [4, 5]
    for n in missing:
        again.insert(named(n), drawn(n))
    assert [top(again, n) for n in range(6)] == [named(n) for n in range(6)]


def test_segments_merge_as_they_grow(small: LshIndex, tmp_path: Path) -> None:
    """Few files whatever the number of pictures, and none that is not named."""
    for n in range(64):
        small.insert(named(n), drawn(n, 20))
    files = sorted(path.name for path in (tmp_path / "index").iterdir())
    assert len(files) <= 5
    sizes = [len(opened(tmp_path / "index" / name)) for name in files if name.endswith(".seg")]
    assert (sum(sizes), max(sizes)) == (64, 60)


def test_no_segment_outgrows_its_slots(small: LshIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot has 16 bits: full segments stay as they are."""
    monkeypatch.setattr(lsh, "MAX_PICTURES", 10)
    for n in range(40):
        small.insert(named(n), drawn(n, 20))
    sizes = [len(opened(path)) for path in (tmp_path / "index").glob("*.seg")]
    assert (sum(sizes), max(sizes)) == (40, 8)


def test_merging_forgets_the_removed(small: LshIndex, tmp_path: Path) -> None:
    """Their bytes go with the next merge."""
    for n in range(4):
        small.insert(named(n), drawn(n))
    for n in range(3):
        small.remove(named(n))
    for n in range(4, 8):
        small.insert(named(n), drawn(n))
    (path,) = (tmp_path / "index").glob("*.seg")
    assert len(opened(path)) == 5
    assert (top(small, 3), top(small, 7)) == (named(3), named(7))


def test_a_segment_keeps_its_pictures_in_the_order_of_their_digests(small: LshIndex, tmp_path: Path) -> None:
    """So that a picture is found where it lies, and no list of all has to be held."""
    for n in range(16):
        small.insert(named(n), drawn(n, 20))
    small.remove(named(3))
    (path,) = (tmp_path / "index").glob("*.seg")
    part = opened(path)
    found = [part.digest(slot) for slot in range(len(part))]
    assert found == sorted(named(n) for n in range(16))
    assert [part.slot(digest) for digest in found] == list(range(16))
    assert part.slot(named(16)) is None
    assert [named(n) in small for n in (2, 3, 16)] == [True, False, False]


def test_a_query_of_a_large_segment_leaves_half_of_it_in_memory_at_most(
    small: LshIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a million pictures hold resident has its bound, whatever questions were ever asked."""
    for n in range(64):
        small.insert(named(n), drawn(n))
    path = max((tmp_path / "index").glob("*.seg"), key=lambda path: path.stat().st_size)
    kept = [small.query(drawn(n), 5) for n in range(64)]
    (*_, before) = _resident_kb(path)
    monkeypatch.setattr(segment, "_SHORT_TABLE_BYTES", 0)
    assert [small.query(drawn(n), 5) for n in range(64)] == kept
    (*_, after) = _resident_kb(path)
    assert after < before


def _resident_kb(path: Path) -> list[int]:
    """Of each mapping of a file, how much of it this process holds."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return [next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) for line in lines if line.endswith(str(path))]


@pytest.mark.parametrize("survivor", ["segment", "manifest", "leftovers"])
def test_a_crash_while_flushing_leaves_the_index_before_or_after(
    small: LshIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survivor: str
) -> None:
    """After the segment, after the manifest, or before the merged files are gone: each can be opened, with no file too many."""
    for n in range(4):
        small.insert(named(n), drawn(n))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    target = {"segment": "common.similarity.segment.publish", "manifest": "common.similarity.lsh.write_file"}
    monkeypatch.setattr(target.get(survivor, "common.similarity.lsh.remove"), dies)
    for n in range(4, 7):
        small.insert(named(n), drawn(n))
    with pytest.raises(KeyboardInterrupt):
        small.insert(named(7), drawn(7))
    monkeypatch.undo()
    again = LshIndex(tmp_path / "index")
    assert len(again) == (8 if survivor == "leftovers" else 4)
    assert len(list((tmp_path / "index").iterdir())) == 2
    assert [top(again, n) for n in range(4)] == [named(n) for n in range(4)]


def test_a_damaged_index_says_so(small: LshIndex, tmp_path: Path) -> None:
    """It is removed and built again, never guessed at."""
    for n in range(4):
        small.insert(named(n), drawn(n))
    (path,) = (tmp_path / "index").glob("*.seg")
    good = path.read_bytes()
    for bad in (good[:-1], b"x" + good[1:], b""):
        path.write_bytes(bad)
        with pytest.raises(IntegrityError):
            LshIndex(tmp_path / "index")
    path.unlink()
    with pytest.raises(IntegrityError):
        LshIndex(tmp_path / "index")
    (tmp_path / "index/index").write_bytes(b"nonsense")
    with pytest.raises(IntegrityError):
        LshIndex(tmp_path / "index")


def test_rotten_postings_lead_to_wrong_candidates_at_worst(small: LshIndex, tmp_path: Path) -> None:
    """A slot that is not there is passed over."""
    for n in range(4):
        small.insert(named(n), drawn(n))
    (path,) = (tmp_path / "index").glob("*.seg")
    raw = bytearray(path.read_bytes())
    for start in (1000, len(raw) - 3000):
        rotten = raw.copy()
        rotten[start::7] = b"\xff" * len(rotten[start::7])
        path.write_bytes(rotten)
        assert {match.picture for match in LshIndex(tmp_path / "index").query(drawn(1), 5)} <= {named(n) for n in range(4)}


def test_rotten_segments_are_not_merged_into_sound_ones(small: LshIndex, tmp_path: Path) -> None:
    """A merge reads every byte: what cannot be is told then, and the old files stay."""
    for n in range(4):
        small.insert(named(n), drawn(n))
    (path,) = (tmp_path / "index").glob("*.seg")
    raw = path.read_bytes()
    for rotten in (raw[:-40] + b"\xff" * 40, raw[:5000] + b"\xff" * 40 + raw[5040:], raw[:300] + bytes(len(raw) - 300)):
        path.write_bytes(rotten)
        again = LshIndex(tmp_path / "index")
        for n in range(4, 7):
            again.insert(named(n), drawn(n))
        with pytest.raises(IntegrityError):
            again.insert(named(7), drawn(7))
        assert path.exists()


def test_a_bucket_that_everything_falls_into_says_nothing(small: LshIndex) -> None:
    """A million black frames must not slow down, nor outvote, what can be recognised."""
    flat = altered(drawn(1), share=1, noise=0)
    for n in range(BUCKET_CAP + 3):
        small.insert(named(n), flat)
    assert small.query(flat, 5) == []


def test_a_picture_without_points_takes_a_slot_and_is_never_found(small: LshIndex, tmp_path: Path) -> None:
    """A whole segment of them can be written and read."""
    for n in range(4):
        small.insert(named(n), nothing())
    assert (len(LshIndex(tmp_path / "index")), small.query(drawn(1), 5)) == (4, [])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["insert", "remove", "flush", "open"]), st.integers(0, 9)), max_size=25))
def test_the_index_holds_what_was_inserted_and_not_removed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever the order of inserts, removals, flushes and openings."""
    folder = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lsh, "FRESH_PICTURES", 3)
        index, model = LshIndex(folder), set[int]()
        for step, n in steps:
            match step:
                case "insert":
                    index.insert(named(n), drawn(n, 40))
                    model.add(n)
                case "remove":
                    index.remove(named(n))
                    model.discard(n)
                case "flush":
                    index.flush()
                case _:
                    index.flush()
                    index = LshIndex(folder)
        assert {n for n in range(10) if named(n) in index} == model
        for n in range(10):
            found = {match.picture for match in index.query(drawn(n, 40), 1)}
            assert found == {named(n)} if n in model else named(n) not in found


def test_what_the_index_finds_the_oracle_finds(tmp_path: Path) -> None:
    """Of forty pictures and copies of each kind, the first answer is the oracle's first."""
    index, oracle = LshIndex(tmp_path), BruteIndex()
    for n in range(40):
        index.insert(named(n), drawn(n))
        oracle.insert(named(n), drawn(n))
    rng = np.random.default_rng(5)
    asked = [altered(drawn(n), share=rng.uniform(0.15, 1), noise=rng.uniform(0, 0.15), seed=n) for n in range(40)]
    agree = [index.query(one, 10)[0].picture == oracle.query(one, 10)[0].picture for one in asked]
    assert np.mean(agree) >= 0.99
