"""Levels that were changed: the table that a program used is found to the level."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search.counted import counted
from common.delta.search.curves import Seen, tables
from common.delta.search.deepened import deepened
from common.delta.search.found import judged, promised
from common.delta.search.judges import JpegJudge
from common.delta.search.toned import looked_up
from common.delta.steps import Curve, Resize
from tests.fakes import pictures

BASE = pictures.jpeg(1, (320, 240), quality=90)
LEVELS = np.arange(256) / 255
EDITS = {
    "brightness": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.3),
    "gamma": lambda picture: picture.point([round(255 * (level / 255) ** 0.7) for level in range(256)] * 3),
    "autocontrast": lambda picture: ImageOps.autocontrast(picture, cutoff=1),
    "negative": ImageOps.invert,
}


@pytest.mark.parametrize("name", EDITS)
def test_what_pillow_does_to_levels_is_found_exactly(name: str) -> None:
    """Nothing is left for the pieces that are looked at."""
    with Image.open(io.BytesIO(BASE)) as picture:
        changed = EDITS[name](picture.convert("RGB"))
    coded = io.BytesIO()
    changed.save(coded, "JPEG", quality=88)
    base, judge = Opened(BASE), JpegJudge(Opened(coded.getvalue()))
    found = looked_up(base, judge, judged(Edit(), base, judge))
    assert found is not None
    assert found.score < 0.002
    wrong = render(found.edit, base) != np.asarray(changed)
    assert wrong.mean() < 0.01


def deep_intensity(picture: np.ndarray) -> np.ndarray:
    """As ImageMagick sees 16 bits of it."""
    return np.asarray(np.rint(257 * (picture @ [0.212656, 0.715158, 0.072186])), np.int64)


def evened(picture: np.ndarray) -> np.ndarray:
    """As ImageMagick's -equalize."""
    total = np.cumsum(np.bincount(deep_intensity(picture).ravel(), minlength=65536))
    even = np.rint(65535 * (total - total[0]) / (total[-1] - total[0]))
    return np.asarray((even[257 * picture.astype(int)] + 128) // 257, np.uint8)


def normalised(picture: np.ndarray) -> np.ndarray:
    """As its -normalize: what is darker than 0.15 % of the pixels, or lighter than 0.05 %, is cut off."""
    there = np.sort(deep_intensity(picture).ravel())
    black, white = there[int(0.0015 * len(there))], there[::-1][int(0.0005 * len(there))]
    levels = np.clip(np.rint(65535 * (257.0 * picture - black) / (white - black)), 0, 65535)
    return np.asarray((levels + 128) // 257, np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda picture: np.asarray(ImageOps.equalize(Image.fromarray(picture))), id="Pillow's equalize"),
        pytest.param(
            lambda picture: np.stack([cv2.equalizeHist(picture[:, :, k]) for k in range(3)], axis=2), id="OpenCV's equalizeHist"
        ),
        evened,
        normalised,
    ],
)
def test_a_table_that_follows_from_all_of_the_picture_is_found_exactly(change: Callable[[np.ndarray], np.ndarray]) -> None:
    """To the level, as far as levels are there."""
    base = Opened(BASE)
    changed = change(base.pixels())
    judge = JpegJudge(Opened(pictures.jpeg_of(Image.fromarray(changed), quality=88)))
    found = counted(base, judge, promised(Edit(), base, judge))
    assert found is not None
    assert (render(found.edit, base) != changed).mean() < 0.001  # of halves, which floats round either way


def test_a_picture_whose_levels_are_as_they_were_is_not_counted() -> None:
    """It takes all of the picture, and would find nothing."""
    base, judge = Opened(BASE), JpegJudge(Opened(BASE))
    assert counted(base, judge, promised(Edit(), base, judge)) is None


def test_a_line_is_found_between_the_levels_of_a_picture_of_16_bits() -> None:
    """Resized and its ends cut off before it was rounded, as ImageMagick does both at once."""
    base = Opened(BASE)
    line = tuple(np.rint(65535 * (LEVELS - 0.05) / 0.9).astype(int).tolist())
    resized = Edit((Resize(150, 200, "magick", "lanczos"),))
    brightened = deepened(resized, Curve((line,)))
    judge = JpegJudge(Opened(pictures.jpeg_of(Image.fromarray(render(brightened, base)), quality=88)))
    found = looked_up(base, judge, judged(resized, base, judge))
    assert found is not None
    assert found.score < 0.02


@pytest.mark.parametrize(
    "curve",
    [
        np.clip(np.tan(np.pi * 1.2 / 4) * LEVELS + 0.1 + 0.45 * (1 - np.tan(np.pi * 1.2 / 4)), 0, 1),
        LEVELS ** (1 / 1.8),
        np.clip((LEVELS - 0.1) / 0.85, 0, 1) ** (1 / 1.2),
        (np.tanh(2 * (LEVELS - 0.4)) - np.tanh(-0.8)) / (np.tanh(1.2) - np.tanh(-0.8)),
    ],
)
@pytest.mark.parametrize("half", [0.5, 1e-9])
def test_the_likeliest_table_is_the_one_that_was_used(curve: np.ndarray, half: float) -> None:
    """Of ImageMagick's curves, rounded and cut, with means as noisy as quantisation leaves them."""
    table = np.clip(np.floor(255 * curve + half), 0, 255)
    noisy = table / 255 + np.random.default_rng(2).normal(0, 0.0008, 256)
    likely = tables(Seen(noisy, np.full(256, 400)))
    assert tuple(table.astype(int)) in likely[:4]
