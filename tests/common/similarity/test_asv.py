"""The summary vector, its rivals, and the keys and bits that it is made of."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import durable
from common.errors import IntegrityError
from common.ids import digest_of
from common.similarity.affinity import BUCKET_CAP, AffinityIndex
from common.similarity.asv import FAMILY, N_LOOKUPS, N_PROBES, Asv, Glance, asked_keys, inserted_keys
from common.similarity.bits import BitFilter, FilterStack
from common.similarity.dihedral import N_FORMS
from common.similarity.keys import KeyFamily, scrambled
from common.similarity.summaries import PaperAsv
from common.similarity.vector import forms_of_vector
from tests.contracts.summary_contract import UNRELATED, SummaryContract, glance


class TestCompound(SummaryContract):
    """The contract for the one that is shipped."""

    name = "compound"


class TestPaper(SummaryContract):
    """The contract for the paper's rule."""

    name = "paper"


class TestBloom(SummaryContract):
    """The contract for a Bloom filter of digests."""

    name = "bloom"


def edited(seen: Glance, *, distance: float = 4.5, form: int = 0, seed: int = 0) -> Glance:
    """A copy whose layout vector lies `distance` away, turned or mirrored."""
    step = np.random.default_rng(seed).normal(0, 1, len(seen.vector))
    vector = forms_of_vector(seen.vector)[form] + distance * step / np.linalg.norm(step)
    return Glance(digest_of(b"edited " + seen.digest + bytes([form])), vector.astype(np.float32))


def test_an_edited_copy_is_recognised_in_every_form() -> None:
    """As far away as edits are, turned or mirrored in any of eight ways."""
    asv = Asv.sized(100)
    for seed in range(100):
        asv.insert(glance(seed))
    found = [asv.may_hold(edited(glance(seed), form=form, seed=seed)) for seed in range(100) for form in range(N_FORMS)]
    assert np.mean(found) >= 0.98


def test_strangers_are_called_new() -> None:
    """As rarely otherwise as it was sized for."""
    asv = Asv.sized(500, false_positive_rate=1e-2)
    for seed in range(500):
        asv.insert(glance(seed))
    assert np.mean([asv.may_hold(glance(seed)) for seed in range(10_000, 11_500)]) <= 0.015


def test_it_grows_by_itself_and_keeps_its_rate() -> None:
    """Ten times as many as expected: more layers, as many bits for each, no more false alarms."""
    asv = Asv.sized(50, false_positive_rate=1e-2)
    for seed in range(500):
        asv.insert(glance(seed))
    assert np.mean([asv.may_hold(glance(seed)) for seed in range(10_000, 11_000)]) <= 0.015
    assert asv.n_bits / 500 <= 2.5 * Asv.sized(500, false_positive_rate=1e-2).n_bits / 500


def test_the_paper_s_rule_fills_up_where_compound_keys_do_not() -> None:
    """At a thousand pictures single projections call most strangers known: the reason to depart from it."""
    paper = PaperAsv.sized(1000)
    for seed in range(1000):
        paper.insert(glance(seed))
    assert np.mean([paper.may_hold(glance(seed)) for seed in range(10_000, 10_200)]) >= 0.5


def test_one_press_of_the_shutter_is_recognised_whatever_became_of_the_picture() -> None:
    """Equal time and camera are enough; no time and no camera resemble nothing."""
    asv = Asv.sized(10)
    asv.insert(glance(1, moment=b"2026:11:21 22:30:00.12 Canon"))
    asv.insert(glance(2))
    assert asv.may_hold(glance(3, moment=b"2026:11:21 22:30:00.12 Canon"))
    assert not asv.may_hold(glance(3, moment=b"2026:11:21 22:30:00.13 Canon"))
    assert not asv.may_hold(glance(4))


def test_a_saved_vector_answers_as_before(tmp_path: Path) -> None:
    """Through a file, with all its layers, and it goes on growing."""
    asv = Asv.sized(20)
    for seed in range(100):
        asv.insert(glance(seed))
    asv.save(tmp_path / "asv")
    again = Asv.load(tmp_path / "asv")
    assert (again.n_pictures, again.n_bits, again.to_bytes()) == (100, asv.n_bits, asv.to_bytes())
    for both in (asv, again):
        both.insert(glance(1000))
    assert again.to_bytes() == asv.to_bytes()


def test_a_crash_while_saving_leaves_the_old_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced as a whole or not at all."""
    asv = Asv.sized(20)
    asv.save(tmp_path / "asv")
    before = asv.to_bytes()
    asv.insert(glance(1))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(durable, "publish", dies)
    with pytest.raises(KeyboardInterrupt):
        asv.save(tmp_path / "asv")
    assert Asv.load(tmp_path / "asv").to_bytes() == before


def test_a_damaged_vector_is_refused() -> None:
    """Cut, flipped, empty or of another kind: rebuild it, do not guess."""
    asv = Asv.sized(2)
    asv.insert(glance(1))
    good = asv.to_bytes()
    for bad in (b"", good[:-1], good[1:], good[:40] + bytes([good[40] ^ 1]) + good[41:], b"x" * 100):
        with pytest.raises(IntegrityError):
            Asv.from_bytes(bad)


@given(st.binary(max_size=200))
def test_no_bytes_make_a_filter_of_absurd_size(stored: bytes) -> None:
    """What a file claims is checked against what it holds before memory is spent."""
    with contextlib.suppress(ValueError, struct.error):
        assert FilterStack.from_bytes(memoryview(stored)).n_bits <= 8 * len(stored)


def test_a_query_asks_for_no_more_keys_than_the_rate_was_divided_by() -> None:
    """Else the false positive rate would not be what was promised."""
    seen = glance(1, moment=b"now")
    assert len(asked_keys(seen)) <= N_LOOKUPS == N_FORMS * FAMILY.tables * (1 + N_PROBES) + 1
    assert set(inserted_keys(seen).tolist()) <= set(asked_keys(seen).tolist())


GOLDEN_KEYS = ["22838e474caa682b", "4ef8f8fda11f6c74"]


class TestKeys:
    """Compound keys."""

    family = KeyFamily("test", 20, projections=8, tables=4, width=100.0)

    def test_they_are_the_same_on_every_machine(self) -> None:
        """Frozen: keys are on disks."""
        keys = self.family.keys(np.arange(40, dtype=np.float32).reshape(2, 20))
        assert [f"{key:016x}" for key in keys[:, 0].tolist()] == GOLDEN_KEYS

    def test_near_vectors_share_keys_more_often_than_far_ones(self) -> None:
        """What makes them locality-sensitive [S §III-C1, definition 1]."""
        rng = np.random.default_rng(0)
        base = rng.normal(0, UNRELATED, (500, 20))
        shared = []
        for distance in (0.0, 10.0, 40.0, 160.0):
            step = rng.normal(0, 1, base.shape)
            moved = base + distance * step / np.linalg.norm(step, axis=1, keepdims=True)
            shared.append(float((self.family.keys(base) == self.family.keys(moved)).mean()))
        assert shared[0] == 1
        assert shared[0] > shared[1] > shared[2] > shared[3]
        assert (shared[1] > 0.4, shared[3] < 0.02) == (True, True)

    def test_probes_are_the_keys_of_the_nearest_neighbouring_buckets(self) -> None:
        """A vector moved over a border has the probed key as its own."""
        rng = np.random.default_rng(1)
        base = rng.normal(0, UNRELATED, (200, 20))
        probes = self.family.probes(base, 3)
        assert probes.shape == (200, 4, 4)
        np.testing.assert_array_equal(probes[:, :, 0], self.family.keys(base))
        moved = self.family.keys(base + rng.normal(0, 1.5, base.shape))
        missed = moved != probes[:, :, 0]
        assert (probes[:, :, 1:] == moved[:, :, None]).any(axis=2)[missed].mean() > 0.7

    def test_no_probe_means_the_keys_alone(self) -> None:
        """One column."""
        base = np.ones((3, 20))
        np.testing.assert_array_equal(self.family.probes(base, 0)[:, :, 0], self.family.keys(base))

    def test_two_names_are_two_families(self) -> None:
        """Nothing but the name is random."""
        other = dataclasses.replace(self.family, name="other")
        assert not (other.keys(np.ones((1, 20))) == self.family.keys(np.ones((1, 20)))).any()


class TestFilters:
    """Bit vectors."""

    def test_a_full_filter_keeps_its_rate(self) -> None:
        """One in a hundred, when it holds what it was sized for."""
        one = BitFilter.sized(2000, 1e-2)
        one.add(scrambled(np.arange(2000, dtype=np.uint64)))
        assert one.holds(scrambled(np.arange(2000, dtype=np.uint64))).all()
        assert one.holds(scrambled(np.arange(10_000, 30_000, dtype=np.uint64))).mean() < 0.013
        assert one.n_bits < 2000 * 10

    def test_a_key_known_already_takes_no_room(self) -> None:
        """Copies of one picture do not fill the vector."""
        stack = FilterStack.sized(10, 1e-3)
        for _ in range(100):
            stack.add(np.arange(8, dtype=np.uint64))
        assert stack.n_bits == FilterStack.sized(10, 1e-3).n_bits

    def test_absurd_sizes_are_refused(self) -> None:
        """Rather than met with all memory."""
        for n_bits, n_hashes, capacity in ((0, 1, 1), (1 << 40, 1, 1), (8, 0, 1), (8, 65, 1), (8, 1, 0)):
            with pytest.raises(ValueError, match="cannot be"):
                BitFilter(n_bits, n_hashes=n_hashes, capacity=capacity)


class TestAffinityIndex:
    """Pictures by affinity keys."""

    def test_an_edited_copy_leads_to_its_original(self) -> None:
        """First of all candidates, in any form, among thousands."""
        index = AffinityIndex()
        for seed in range(2000):
            index.insert(glance(seed))
        for seed in (0, 700, 1999):
            assert index.candidates(edited(glance(seed), form=seed % 8))[:1] == [glance(seed).digest]
        assert sum(bool(index.candidates(glance(seed))) for seed in range(10_000, 10_200)) <= 2

    def test_a_picture_is_not_its_own_candidate(self) -> None:
        """Whether it was inserted before it asks or not."""
        index = AffinityIndex()
        index.insert(glance(1))
        index.insert(glance(1))
        assert (len(index), index.candidates(glance(1))) == (1, [])

    def test_a_removed_picture_is_no_candidate(self) -> None:
        """Removing what is not there is no error."""
        index = AffinityIndex()
        index.insert(glance(1))
        assert glance(1).digest in index
        index.remove(glance(1).digest)
        index.remove(glance(2).digest)
        assert (glance(1).digest in index, index.candidates(edited(glance(1)))) == (False, [])
        index.insert(glance(1))
        assert index.candidates(edited(glance(1))) == [glance(1).digest]

    def test_a_camera_without_a_clock_says_nothing(self) -> None:
        """A moment that more pictures share than a bucket may hold is no lead."""
        index = AffinityIndex()
        asked = glance(10_000, moment=b"2000:01:01 00:00:00 Toy")
        for seed in range(BUCKET_CAP):
            index.insert(glance(seed, moment=asked.moment))
        assert len(index.candidates(asked)) == BUCKET_CAP
        for seed in range(1000, 1500):
            index.insert(glance(seed))
        index.insert(glance(2000, moment=asked.moment))
        assert index.candidates(asked) == []
