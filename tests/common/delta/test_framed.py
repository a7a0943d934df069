"""Targets with a rim: what is inside of it is found as if it were not there."""

from __future__ import annotations

import pytest
from PIL import Image, ImageOps

from common.delta.edits import Edit, render
from common.delta.opened import Opened
from common.delta.search import best_found
from common.delta.search.framed import insides
from common.delta.search.judges import JpegJudge
from common.delta.steps import Border, Deep, Modulate, Resize, Step, Turn
from tests.fakes import pictures

BASE = Opened(pictures.jpeg(1, (320, 240), quality=90))


@pytest.mark.parametrize(
    "steps",
    [
        (Border(12, 9, 12, 9, (255, 255, 255)),),
        (Border(31, 31, 31, 31, (10, 40, 90)),),
        (Border(16, 16, 70, 16, (250, 250, 245)),),
        (Turn(6), Border(8, 8, 8, 8, (0, 0, 0))),
        (Deep((Modulate(1050, 1200),)), Border(20, 20, 20, 20, (255, 255, 255))),
        (Resize(180, 240, "pillow", "lanczos"), Border(10, 10, 10, 10, (255, 255, 255))),
    ],
)
def test_what_is_inside_of_a_rim_is_found(steps: tuple[Step, ...]) -> None:
    """With rims of one colour, as wide on each side or not, around pictures that were changed too."""
    target = pictures.jpeg_of(Image.fromarray(render(Edit(steps), BASE)), quality=90)
    found = best_found(BASE, JpegJudge(Opened(target)))
    assert found is not None
    assert found.score < 0.002
    assert isinstance(found.edit.steps[-1], Border)


def test_the_rim_of_a_base_is_no_frame() -> None:
    """It is made smaller with the picture inside of it."""
    base = Opened(pictures.jpeg_of(ImageOps.expand(pictures.photo(1, (320, 240)), 12, "black"), quality=90))
    resized = Edit((Resize(132, 172, "pillow", "lanczos"),))
    target = pictures.jpeg_of(Image.fromarray(render(resized, base)), quality=90)
    found = best_found(base, JpegJudge(Opened(target)))
    assert found is not None
    assert found.edit == resized


def test_a_picture_without_a_rim_has_no_inside() -> None:
    """One that is flat at the top alone neither."""
    picture = pictures.photo(1, (320, 240))
    assert not list(insides(BASE, JpegJudge(Opened(pictures.jpeg_of(picture)))))
    shaded = ImageOps.expand(picture, (0, 40, 0, 0), "white")
    assert not list(insides(BASE, JpegJudge(Opened(pictures.jpeg_of(shaded)))))
