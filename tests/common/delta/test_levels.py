"""Pictures that were blurred, sharpened, or had their colours changed: the numbers that a program was asked for are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search.blended import FILTERS, blended
from common.delta.search.boxed import box, gaussian
from common.delta.search.deepened import deepened
from common.delta.search.found import judged
from common.delta.search.judges import JpegJudge
from common.delta.search.modulation import modulated
from common.delta.search.sharpness import Blur
from common.delta.search.softened import softened
from common.delta.steps import BoxBlur, Deep, Modulate, Resize, Shape, whole
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
@pytest.mark.parametrize("is_cut", [False, True])
def test_what_blurred_or_sharpened_a_picture_is_found(blur: Blur, *, is_cut: bool) -> None:
    """Width, gain and threshold, rounded or cut; what is left is next to nothing."""
    edit = Edit((Deep((blur.step,), is_cut=is_cut),))
    judge = judge_of(render(edit, BASE))
    found = softened(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert found.score < 0.002


FILTERED = [
    ImageFilter.GaussianBlur(0.8),
    ImageFilter.GaussianBlur(2),
    ImageFilter.BoxBlur(1),
    ImageFilter.BoxBlur(2.5),
    ImageFilter.UnsharpMask(),
    ImageFilter.UnsharpMask(1.2, 90, 0),
]


@pytest.mark.parametrize("by", FILTERED)
def test_what_pillow_blurred_or_sharpened_is_found_exactly(by: ImageFilter.Filter) -> None:
    """Every sample of the picture, at its rim too."""
    changed = Image.fromarray(BASE.pixels()).filter(by)
    judge = judge_of(np.asarray(changed))
    found = softened(BASE, judge, judged(Edit(), BASE, judge))
    assert found is not None
    assert np.array_equal(render(found.edit, BASE), np.asarray(changed))


@pytest.mark.parametrize("radius", [0.2, 0.5, 1, 1.7, 3, 8.25])
def test_boxes_are_pillows(radius: float) -> None:
    """Wider than the picture, too."""
    picture = np.random.default_rng(1).integers(0, 256, (12, 90, 3), dtype=np.uint8)
    shape, image = Shape(*picture.shape), Image.fromarray(picture)
    for step, by in (
        (box(radius), ImageFilter.BoxBlur(radius)),
        (gaussian(radius), ImageFilter.GaussianBlur(radius)),
        (gaussian(radius, (180, 4)), ImageFilter.UnsharpMask(radius, 180, 4)),
    ):
        assert np.array_equal(step.apply(picture, whole(shape), whole(shape), shape), np.asarray(image.filter(by)))


SHARP = Deep((Blur(1, gain=1, threshold=0.02).step,))


@pytest.mark.parametrize(
    ("resize", "sharpened"),
    [
        (Resize(150, 200, "magick", "lanczos"), SHARP),
        (Resize(450, 600, "graphics", "mitchell"), Deep((Blur(1, gain=1).step,))),
        (Resize(150, 200, "pillow", "lanczos"), gaussian(1, (80, 2))),
    ],
)
def test_what_was_sharpened_after_it_was_resized_is_found_with_its_resizer(resize: Resize, sharpened: Deep | BoxBlur) -> None:
    """Though a sharper one, or the same of another program, seemed to come nearer."""
    resized = Edit((resize,))
    edit = deepened(resized, *sharpened.steps) if isinstance(sharpened, Deep) else resized.then(sharpened)
    judge = judge_of(render(edit, BASE))
    seems = Edit((Resize(resize.rows, resize.cols, "opencv", "lanczos4"),))
    found = softened(BASE, judge, judged(seems, BASE, judge))
    assert found is not None
    assert found.score < 0.002


def test_a_picture_as_it_was_is_neither_blurred_nor_sharpened() -> None:
    """Nothing to be told."""
    judge = judge_of(BASE.pixels())
    assert softened(BASE, judge, judged(Edit(), BASE, judge)) is None


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
