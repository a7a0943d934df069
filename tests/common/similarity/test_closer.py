"""The closer look: pieces cut out without loss are found by their pixels, small and reduced crops by more of their features."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from common.errors import ContentError
from common.images.decode import luma
from common.similarity import alignment, closer, cutting
from common.similarity.closer import Look
from common.similarity.interest import Bytes
from common.similarity.registration import Indices, Kind, Relation
from tests.fakes.pictures import exif_block
from tests.fakes.scenes import encoded, scene

WHOLE = luma(encoded(scene(61, (1600, 1200))))
"""Of a JPEG: its pixels as its coefficients give them."""
NIGHT = np.zeros((900, 1200), np.uint8)
"""Black, with some pixels that are not."""
NIGHT[np.random.default_rng(5).integers(0, 900, 400), np.random.default_rng(6).integers(0, 1200, 400)] = 1


def lies_at(found: Relation, piece: Bytes, whole: Bytes) -> list[float]:
    """The corner of the piece in pixels of the whole, where the relation takes it."""
    return [float(at) for at in alignment.in_pixels(found.transform, piece.shape[:2], whole.shape[:2])[:, 2]]


@pytest.mark.parametrize(("left", "top"), [(0, 0), (64, 64), (1400, 1040), (37, 511), (700, 508)])
def test_a_piece_is_found_at_the_pixel_it_was_cut_at(left: int, top: int) -> None:
    """Corners and edges too, and places at which no block begins; 508 is cut by the strips in which the whole is searched."""
    assert cutting.find(WHOLE[top : top + 160, left : left + 200], WHOLE) == (left, top)


def test_what_a_jpeg_smooths_at_a_new_border_does_not_matter() -> None:
    """Chroma that is stored at half size is enlarged with neighbours which a piece no longer has."""
    piece = WHOLE[320:640, 160:480].copy()
    piece[:2] ^= 1
    piece[:, -2:] ^= 1
    assert cutting.find(piece, WHOLE) == (160, 320)
    piece[2, 100] ^= 1
    assert cutting.find(piece, WHOLE) is None


def test_blocks_that_are_not_whole_may_be_lost() -> None:
    """`jpegtran` lays a picture smaller than its crop on grey, and keeps of it what is in whole blocks."""
    icon, canvas = WHOLE[300:360, 500:560], np.full((480, 640), 128, np.uint8)
    canvas[64:112, 64:112] = icon[:48, :48]
    assert cutting.find(icon, canvas) == (64, 64)


def test_a_black_night_is_found_by_a_few_pixels_of_noise() -> None:
    """There is nothing to recognise in it, and still it stands at one place only."""
    assert cutting.find(NIGHT[200:680, 300:940], NIGHT) == (300, 200)


@pytest.mark.parametrize(
    "draw",
    [
        lambda y, x: 0 * x + 0 * y + 255,
        lambda y, x: x % 256 + 0 * y,
        lambda y, x: np.where((x > 100) & (y > 80), 255, 0),
        lambda y, x: np.where(x % 8 < 4, 10, 200) + 0 * y,
    ],
    ids=["plain", "a gradient", "a frame", "bars"],
)
def test_what_says_nothing_was_cut_out_of_nothing_unless_a_preview_speaks_for_it(
    draw: Callable[[Indices, Indices], Indices],
) -> None:
    """A piece of plain white lies in every page; of one that the camera took in the same second, and drew alike, it was cut."""
    whole = draw(np.arange(600)[:, None], np.arange(800)[None]).astype(np.uint8)
    piece = whole[40:440, :500]
    assert cutting.find(piece, whole) is not None
    for preview, other, kind in ((b"", b"", Kind.NONE), (b"a", b"b", Kind.NONE), (b"a", b"a", Kind.NEAR)):
        assert closer.compare(Look(piece, preview), Look(whole, other)).kind is kind


def test_a_pattern_that_stands_everywhere_ends_the_search() -> None:
    """As in a weave made by a program: what the piece sums to stands at ten thousand places."""
    tile = np.random.default_rng(7).integers(0, 256, (8, 8)).astype(np.uint8)
    whole = np.tile(tile, (100, 100))
    assert cutting.find(whole[:320, :320], whole) == (0, 0)
    piece = whole[:320, :320].copy()
    piece[300, 301], piece[300, 300] = piece[300, 300], piece[300, 301]
    assert cutting.find(piece, whole) is None


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 300), (15, 15), (1200, 1600), (1300, 100)])
def test_pieces_too_small_or_too_large_are_none(height: int, width: int) -> None:
    """A picture is no piece of itself, and what is longer than the whole was not cut out of it."""
    assert cutting.find(np.resize(WHOLE, (height, width)), WHOLE) is None


def test_a_cut_piece_is_near_whichever_comes_first() -> None:
    """The transform leads from the first to the second, in shares of their sides."""
    piece = WHOLE[400:880, 320:960]
    forth, back = closer.compare(Look(piece), Look(WHOLE)), closer.compare(Look(WHOLE), Look(piece))
    assert (forth.kind, forth.ncc, back.kind) == (Kind.NEAR, 1.0, Kind.NEAR)
    assert forth.inliers == 40 * 30, "of whole blocks"
    assert lies_at(forth, piece, WHOLE) == pytest.approx([320, 400])
    assert lies_at(back, WHOLE, piece) == pytest.approx([-320, -400])


@pytest.mark.parametrize(("size", "quality"), [((480, 360), 85), ((240, 180), 80), ((160, 120), 90)])
def test_a_small_crop_is_recognised_in_whatever_size_it_was_saved(size: tuple[int, int], quality: int) -> None:
    """Nothing is exact any more once it was encoded anew, so features tell."""
    crop = Image.fromarray(WHOLE).crop((500, 300, 980, 660)).resize(size)
    found = closer.compare(closer.look(encoded(crop, quality=quality)), Look(WHOLE))
    assert found.kind is Kind.NEAR
    assert np.abs(found.transform - [[0.3, 0, 500 / 1600], [0, 0.3, 300 / 1200]]).max() < 0.01


def test_strangers_stay_strangers() -> None:
    """However closely one looks."""
    assert closer.compare(closer.look(encoded(scene(62, (1500, 1000)))), Look(WHOLE)).kind is Kind.NONE


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("WEBP", "RGBA"), ("TIFF", "CMYK")],
)
def test_a_picture_is_looked_at_as_large_as_it_is(kind: str, mode: str) -> None:
    """In every format and mode, and close to what it shows."""
    image = scene(63, (300, 200)).filter(ImageFilter.GaussianBlur(2)).convert("L")
    match mode:
        case "I;16":
            stored = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        case "CMYK":
            stored = image.convert("RGB").convert(mode)
        case _:
            stored = image.convert(mode)
    seen = luma(encoded(stored, kind))
    assert seen.shape == (200, 300)
    assert np.abs(seen.astype(int) - np.asarray(image)).mean() < 4


def test_a_picture_is_looked_at_upright() -> None:
    """As its EXIF orientation says: a piece keeps it, and a converter applies it."""
    image = scene(64, (300, 200))
    lying, standing = io.BytesIO(), np.asarray(image.convert("L").rotate(-90, expand=True))
    image.save(lying, "JPEG", quality=95, exif=exif_block(orientation=6))
    assert np.abs(luma(lying.getvalue()).astype(int) - standing).mean() < 4


def test_what_is_too_large_or_no_picture_is_refused() -> None:
    """Before memory is spent."""
    for content, reason in (
        (encoded(scene(65)), "too_large"),
        (b"no picture", "unsupported"),
        (encoded(scene(65))[:9000], "damaged"),
    ):
        with pytest.raises(ContentError) as caught:
            luma(content, max_pixels=1000 if reason == "too_large" else 10**6)
        assert caught.value.reason == reason
