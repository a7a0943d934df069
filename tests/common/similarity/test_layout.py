"""What is told from a picture's layout: PDQ, the layout vector, their eight forms, and the hashes that are their rivals."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from common.similarity import pdq
from common.similarity.dihedral import N_FORMS, cosines, forms_of, turned
from common.similarity.hashes import RIVALS, dhash
from common.similarity.lbph import lbph, patterns_of
from common.similarity.vector import DIMENSIONS, forms_of_vector, vector_of
from tests.fakes import pictures

Grey = NDArray[np.uint8]

REFERENCE = "5d36bee9a2c9a2c9aae9aae9a2c9a2c9a2c9a2c9aae9a2c9a2c9a2c95d365d36"
EDITS = ("smaller", "recoded", "brighter", "softer")


def drawn(seed: int, size: tuple[int, int] = (512, 384)) -> Grey:
    """The luma of a drawn photo."""
    return np.asarray(pictures.photo(seed, size).convert("L"))


def edited(grey: Grey, edit: str) -> Grey:
    """A rendition that shows the same."""
    match edit:
        case "smaller":
            return np.asarray(cv2.resize(grey, (200, 150), interpolation=cv2.INTER_AREA), np.uint8)
        case "recoded":
            return np.asarray(cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0), np.uint8)
        case "brighter":
            return np.asarray(np.clip(grey.astype(np.float32) * 1.1 + 12, 0, 255), np.uint8)
        case _:
            return np.asarray(cv2.GaussianBlur(grey, (0, 0), 2), np.uint8)


def apart(a: Grey, b: Grey) -> int:
    """PDQ's distance in bits."""
    return int(pdq.distances(pdq.hashes(a)[:1], pdq.hashes(b)[:1])[0, 0])


def test_forms_of_coefficients_are_those_of_the_turned_picture() -> None:
    """The group of eight, without computing anything anew."""
    square = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    dct = cosines(8, range(8))
    forms = forms_of(dct @ square.astype(np.float32) @ dct.T, first=0)
    for form in range(N_FORMS):
        np.testing.assert_allclose(forms[form], dct @ turned(square, form).astype(np.float32) @ dct.T, atol=1e-3)


def test_cosines_are_orthonormal() -> None:
    """So that distances of coefficients are those of the samples."""
    np.testing.assert_allclose(cosines(16, range(16)) @ cosines(16, range(16)).T, np.eye(16), atol=1e-6)


class TestPdq:
    """The early word."""

    def test_its_bits_are_those_of_the_reference(self) -> None:
        """Of a ramp with a bright corner; computed with Facebook's implementation."""
        y, x = np.mgrid[0:300, 0:400]
        grey = ((x * 255 // 399 + y * 255 // 299) // 2).astype(np.uint8)
        grey[20:120, 250:380] = 255
        assert pdq.hashes(grey)[0].tobytes().hex() == REFERENCE

    @pytest.mark.parametrize("edit", EDITS)
    def test_an_edited_copy_is_near_and_other_pictures_are_far(self, edit: str) -> None:
        """On the right sides of the early word."""
        for seed in range(4):
            assert apart(drawn(seed), edited(drawn(seed), edit)) <= pdq.EARLY_ACCEPT_BITS
            assert apart(drawn(seed), edited(drawn(seed + 100), edit)) > 2 * pdq.EARLY_ACCEPT_BITS

    def test_every_form_of_a_picture_is_told(self) -> None:
        """By a few bits, because an even window has no middle."""
        forms = pdq.hashes(drawn(1))
        for form in range(N_FORMS):
            bits, found = pdq.closest(forms, pdq.hashes(turned(drawn(1), form))[0])
            assert (found, bits <= pdq.EARLY_ACCEPT_BITS) == (form, True)

    def test_a_flat_picture_has_no_quality_and_a_photo_has(self) -> None:
        """What hashes of noise would say must not be heard."""
        assert pdq.quality(np.full((100, 100), 77, np.uint8)) == 0
        assert pdq.quality(drawn(1)) >= pdq.LEAST_QUALITY

    @pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (63, 65), (129, 2000)])
    def test_any_size_has_a_hash(self, shape: tuple[int, int]) -> None:
        """Down to one pixel."""
        grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        assert pdq.hashes(grey).shape == (N_FORMS, pdq.HASH_BYTES)

    def test_distances_are_counted_for_each_pair(self) -> None:
        """Bits that differ, 0 to 256."""
        hashes = np.array([[0] * 32, [255] * 32, [1] * 32], np.uint8)
        assert pdq.distances(hashes, hashes).tolist() == [[0, 256, 32], [256, 0, 224], [32, 224, 0]]


class TestVector:
    """The layout vector."""

    @pytest.mark.parametrize("edit", EDITS)
    def test_an_edited_copy_lies_much_nearer_than_other_pictures(self, edit: str) -> None:
        """A fifth of the way to the nearest of them at most."""
        others = [vector_of(drawn(seed)) for seed in range(10, 40)]
        for seed in range(4):
            own = vector_of(drawn(seed))
            nearest = min(float(np.linalg.norm(own - other)) for other in others)
            assert np.linalg.norm(own - vector_of(edited(drawn(seed), edit))) < nearest / 3

    def test_forms_of_a_vector_are_the_vectors_of_the_forms(self) -> None:
        """So that a query for all eight needs one picture."""
        forms = forms_of_vector(vector_of(drawn(2)))
        assert forms.shape == (N_FORMS, DIMENSIONS)
        for form in range(N_FORMS):
            np.testing.assert_allclose(forms[form], vector_of(turned(drawn(2), form)), atol=0.05)

    def test_flat_and_tiny_pictures_have_vectors_too(self) -> None:
        """Near zero: nothing about them is known."""
        for shape in ((1, 1), (1, 900), (300, 200)):
            assert np.abs(vector_of(np.full(shape, 200, np.uint8))).max() < 1


class TestRivals:
    """Perceptual hashes by name."""

    @pytest.mark.parametrize("name", RIVALS)
    def test_a_recoded_copy_is_nearer_than_any_other_picture(self, name: str) -> None:
        """What each of them was made for."""
        rival = RIVALS[name]
        stored = np.concatenate([rival.of(drawn(seed))[:1] for seed in range(8)])
        assert stored.shape == (8, rival.n_bits // 8)
        for seed in range(8):
            asked = rival.of(edited(drawn(seed), "recoded"))
            bits = np.unpackbits(asked[:, None] ^ stored[None], axis=2).sum(axis=2).min(axis=0)
            assert bits.argmin() == seed

    def test_local_binary_patterns_are_as_the_paper_says(self) -> None:
        """Neighbours not darker, from the right one counter-clockwise, points between pixels interpolated [L eq. 2]."""
        picture = np.array([[0, 0, 9], [0, 5, 9], [0, 0, 9]], np.float32)
        assert patterns_of(picture)[1, 1] == 0b10000001 | 0b10
        assert (patterns_of(np.full((4, 4), 7)) == 255).all()

    def test_lbph_has_64_or_256_bits(self) -> None:
        """The low 8x8 or 16x16 frequencies, each against their mean."""
        assert [len(lbph(drawn(1), n_bits=n)) for n in (64, 256)] == [8, 32]
        assert np.unpackbits(lbph(drawn(1)))[0] == 1

    def test_dhash_says_where_it_gets_brighter(self) -> None:
        """A ramp to the right is all ones."""
        ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None], 90, axis=0)
        assert dhash(ramp).tolist() == [255] * 8
        assert dhash(ramp[:, ::-1]).tolist() == [0] * 8
