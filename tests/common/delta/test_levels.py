"""Pictures that were blurred, sharpened, or had their colours changed: the numbers that a program was asked for are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search.blended import FILTERS, blended
from common.delta.search.found import judged
from common.delta.search.judges import JpegJudge
from common.delta.search.modulation import modulated
from common.delta.search.sharpness import Blur, filtered
from common.delta.steps import Deep, Modulate
from common.kernel.pixels import Samples
from tests.fakes import pictures

BASE = Opened(pictures.jpeg(1, (400, 300), quality=90))


def judge_of(picture: Samples) -> JpegJudge:
    """Of a JPEG of the picture."""
    return JpegJudge(Opened(pictures.jpeg_of(Image.fromarray(picture), quality=90)))


@pytest.mark.parametrize("values", [(1000, 1400, 1000), (1050, 1150, 1000), (900, 600, 1000), (1000, 1000, 1300)])
def test_what_modulated_a_picture_is_found(values: tuple[int, int, int]) -> None:
    """To the percent."""
    edit = Edit((Deep((Modulate(*values),)),))
    judge = judge_of(render(edit, BASE))
    found = modulated(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert found.edit == edit


@pytest.mark.parametrize(
    "blur",
    [
        Blur(1.5),
        Blur(0.7),
        Blur(3),
        Blur(1, is_fine=True),
        Blur(2, gain=1, threshold=0.02),
        Blur(1, gain=0.7, threshold=0.05),
        Blur(0.5, gain=1.5),
    ],
)
def test_what_blurred_or_sharpened_a_picture_is_found(blur: Blur) -> None:
    """Width, gain and threshold; what is left is next to nothing."""
    edit = Edit((Deep((blur.step,)),))
    judge = judge_of(render(edit, BASE))
    found = filtered(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert found.score < 0.002


def test_a_picture_as_it_was_is_neither_blurred_nor_sharpened() -> None:
    """Nothing to be told."""
    judge = judge_of(BASE.pixels())
    assert filtered(BASE, judge, judged(Edit(), BASE, judge)) is None


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.15, 1.4, 2.0])
@pytest.mark.parametrize("enhance", [ImageEnhance.Color, ImageEnhance.Sharpness])
def test_what_pillow_enhanced_is_found_exactly(enhance: Callable[[Image.Image], ImageEnhance.Color], factor: float) -> None:
    """Every sample of the picture, at its rim too."""
    changed = enhance(Image.fromarray(BASE.pixels())).enhance(factor)
    judge = judge_of(np.asarray(changed))
    found = blended(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert np.array_equal(render(found.edit, BASE), np.asarray(changed))


_HALVES = {"detail": 0.1, "smooth more": 0.1}
"""Filters whose sums are halves often."""


@pytest.mark.parametrize("name", FILTERS)
def test_what_pillow_filtered_is_found(name: str) -> None:
    """Every filter of its ImageFilter that has weights and nothing else; but for halves, which floats round to either side."""
    changed = Image.fromarray(BASE.pixels()).filter(getattr(ImageFilter, name.replace(" ", "_").upper()))
    judge = judge_of(np.asarray(changed))
    found = blended(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert (render(found.edit, BASE) != np.asarray(changed)).mean() < _HALVES.get(name, 0.01)
