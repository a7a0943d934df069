"""Approximations: few bytes, and a picture that is much like the target's."""

from __future__ import annotations

import io
import os
import tempfile

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from common import delta, jobs
from common.delta import approximate, edits
from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.search import best_edit
from common.delta.search.found import EXACT, judged
from common.delta.search.judges import JpegJudge
from common.delta.steps import LookUp, Turn
from common.errors import ContentError
from tests.bench.approximations import psnr, ssim
from tests.common.delta.test_places import BASE, PHOTO, saved
from tests.fakes import pictures

CHANGED = {
    "another quality": saved(PHOTO, quality=40),
    "smaller": saved(PHOTO.resize((320, 240), Image.Resampling.LANCZOS)),
    "cut": saved(PHOTO.crop((37, 51, 521, 402))),
    "brighter": saved(ImageEnhance.Brightness(PHOTO).enhance(1.2)),
    "cut, smaller and more colourful": saved(ImageEnhance.Color(PHOTO.crop((64, 48, 576, 432)).resize((400, 300))).enhance(1.3)),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_few_hundred_bytes_show_what_was_changed(change: str) -> None:
    """At the target's size."""
    told = approximate.recipe(CHANGED[change], BASE)
    assert len(told) <= 300
    shown = approximate.render(told, BASE)
    wanted = np.asarray(Image.open(io.BytesIO(CHANGED[change])).convert("RGB"))
    assert shown.shape == wanted.shape
    assert psnr(shown, wanted) >= 30
    assert ssim(shown, wanted) >= 0.8


def test_of_another_picture_there_is_none() -> None:
    """Nor of what has no pixels here."""
    for target in (pictures.jpeg(2, (640, 480)), b"no picture"):
        with pytest.raises(ContentError):
            approximate.recipe(target, BASE)


@pytest.mark.parametrize("change", ["smaller", "brighter"])
def test_what_an_approximation_has_found_is_in_the_delta_too(change: str) -> None:
    """The delta is the same as without it."""
    told = approximate.recipe(CHANGED[change], BASE)
    assert delta.encode_best(CHANGED[change], BASE, approximation=told) == delta.encode_best(CHANGED[change], BASE)


def test_an_exact_edit_that_is_believed_is_taken_and_another_is_not() -> None:
    """One that no search would come to: mirrored twice. Another picture, or one of another size, does no harm."""
    judge, base = JpegJudge(Opened(CHANGED["another quality"])), Opened(BASE)
    for believed, is_taken in ((Edit((Turn(2), Turn(2))), True), (Edit((Turn(2),)), False), (Edit((Turn(1),)), False)):
        assert (best_edit(base, judge, believed) == believed) is is_taken
        assert judged(best_edit(base, judge, believed), base, judge).score < EXACT


def test_what_takes_too_many_bytes_is_told_in_fewer() -> None:
    """Three tables of no order: a matrix does, if less well."""
    rng = np.random.default_rng(1)
    tables = tuple(tuple(int(level) for level in np.sort(rng.integers(0, 256, 256))) for _ in range(3))
    picture = np.stack(
        [np.array(table, np.uint8)[channel] for table, channel in zip(tables, np.moveaxis(np.asarray(PHOTO), 2, 0), strict=True)],
        axis=2,
    )
    told = approximate.recipe(saved(Image.fromarray(picture), quality=95), BASE)
    assert len(told) <= approximate.MAX_BYTES


def test_bytes_that_are_none_are_refused() -> None:
    """Too many of them, too."""
    long = edits.to_bytes(Edit((LookUp(tuple(map(tuple, np.random.default_rng(1).integers(0, 256, (3, 256)).tolist()))),)))
    for damaged in (b"", b"\xff" * 20, long):
        with pytest.raises(ContentError):
            approximate.render(damaged, BASE)


def test_a_worker_writes_one() -> None:
    """With a hint in its arguments."""
    with tempfile.TemporaryFile() as base, tempfile.TemporaryFile() as target, tempfile.TemporaryFile() as told:
        base.write(BASE)
        target.write(CHANGED["cut"])
        base.flush()
        target.flush()
        hint = jobs.hint_of([[484 / 640, 0, 37 / 640], [0, 351 / 480, 51 / 480]])
        values = jobs.JOBS["approximate"]({"hint": hint}, [base.fileno(), target.fileno(), told.fileno()])
        assert values == {"bytes": os.fstat(told.fileno()).st_size}
        told.seek(0)
        assert approximate.render(told.read(), BASE).shape == (351, 484, 3)
