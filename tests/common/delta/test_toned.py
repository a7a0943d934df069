"""Levels that were changed: the table that a program used is found to the level."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search.curves import Seen, tables
from common.delta.search.found import judged
from common.delta.search.judges import JpegJudge
from common.delta.search.toned import looked_up
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
