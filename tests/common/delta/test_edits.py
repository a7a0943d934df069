"""Edits: told in bytes and read again, rendered whole and in windows, and refused where they make no sense."""

from __future__ import annotations

import numpy as np
import pytest

from common.delta import edits
from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.steps import (
    STEPS,
    Blend,
    Border,
    BoxBlur,
    Crop,
    Curve,
    Deep,
    Flow,
    Grey,
    LookUp,
    Mix,
    Modulate,
    Resize,
    Step,
    Turn,
    Unsharp,
    Warp,
    Window,
)
from common.delta.steps.warp import ONE
from common.errors import ContentError
from tests.fakes import pictures

BASE = Opened(pictures.jpeg(1, (161, 120), quality=90))
LEANING = Warp(140, 190, "ewa", (ONE, ONE // 20, -9 * ONE, -ONE // 20, ONE, ONE), (255, 0, 9))
FLOWING = Flow(
    Warp(100, 90, "bilinear", (ONE, ONE // 30, 5 * ONE, 0, ONE, ONE // 2)),
    5,
    tuple(int(move) for move in np.random.default_rng(1).integers(-70, 90, 5 * 4 * 2)),
)
DARKER = tuple(level * 3 // 4 for level in range(256))
BRIGHTER = tuple(level * 300 - 2000 for level in range(256))
SWAPPED = Mix(((0, 1 << 24, 0, 0), (1 << 24, 0, 0, 0), (0, 0, 1 << 24, 0)))

EXAMPLES: dict[type[Step], list[Edit]] = {
    Turn: [Edit((Turn(form),)) for form in range(8)],
    Crop: [Edit((Crop(5, 7, 80, 90),))],
    Blend: [
        Edit((Blend(23_488_102),)),
        Edit((Blend(1 << 25, (5041, 5041, 5041, 5041, 25208, 5041, 5041, 5041, 5041)),)),
        Edit((Blend(0, (0, 0, 4096, 0, 0) * 2 + (0, 4096, 40960, 4096, 0) + (0, 0, 4096, 0, 0) * 2),)),
    ],
    BoxBlur: [Edit((BoxBlur(1, 4_473_924, 1_677_722, 3),)), Edit((BoxBlur(2, 3_000_000, 888_608, 1, (150, 3)),))],
    Border: [Edit((Border(4, 5, 6, 7, (255,)),)), Edit((Border(0, 0, 0, 9, (1, 2, 3)),))],
    Resize: [
        Edit((Resize(50, 71, "pillow", "lanczos"),)),
        Edit((Resize(150, 200, "magick", "mitchell"),), 4),
        Edit((Resize(44, 60, "vips", "lanczos", factor=(37, 100)),)),
    ],
    LookUp: [Edit((LookUp((DARKER,)),)), Edit((LookUp((DARKER, DARKER[::-1], DARKER)),))],
    Mix: [Edit((SWAPPED,))],
    Deep: [
        Edit((Deep((Modulate(1050, 1400, 900),)),)),
        Edit((Deep((Unsharp((600_000_000, 200_000_000, 36_870_912)),)),)),
        Edit((Deep((Unsharp((600_000_000, 236_870_912), 1 << 24, 1311, is_fine=True), Modulate(900, 700)), is_cut=True),)),
        Edit((Deep((Unsharp((1 << 30,)),), Resize(50, 71, "magick", "lanczos")),)),
        Edit((Deep((Curve((BRIGHTER, BRIGHTER[::-1], BRIGHTER)), Curve((BRIGHTER,))), Resize(50, 71, "magick", "lanczos")),)),
    ],
    Warp: [Edit((LEANING,)), Edit((Warp(100, 90, "pillow", (ONE, 0, ONE // 3, 0, ONE, -ONE // 5)),))],
    Flow: [Edit((FLOWING,))],
    Grey: [Edit((Grey((19595, 38470, 7471)),)), Edit((Grey((19595, 38470, 7471)), Grey(())))],
}
TOGETHER = Edit(
    (Turn(3), Crop(10, 10, 100, 80), Resize(60, 47, "graphics", "lanczos"), LookUp((DARKER,)), Border(2, 2, 2, 2, (9,)))
)


def test_there_is_an_example_of_every_step() -> None:
    """So that a new one is tested too."""
    assert set(EXAMPLES) == set(STEPS.values())


@pytest.mark.parametrize("edit", [edit for examples in EXAMPLES.values() for edit in examples] + [TOGETHER])
def test_an_edit_is_read_as_it_was_told_and_its_windows_are_those_of_the_whole(edit: Edit) -> None:
    """A few windows, at the rims too."""
    assert edits.from_bytes(edits.to_bytes(edit)) == edit
    picture = edits.render(edit, BASE)
    assert picture.shape == edits.shapes_of(edit, BASE)[-1]
    rows, cols = picture.shape[:2]
    for window in (Window(0, 0, 16, 16), Window(rows - 16, cols - 24, 16, 24), Window(rows // 3, cols // 3, 9, 11)):
        assert np.array_equal(edits.render(edit, BASE, window), window.of(picture))


def test_a_turned_picture_is_what_numpy_makes_of_it() -> None:
    """Each form against its meaning."""
    picture = BASE.pixels()
    assert np.array_equal(edits.render(Edit((Turn(1),)), BASE), picture.transpose(1, 0, 2))
    assert np.array_equal(edits.render(Edit((Turn(2),)), BASE), picture[:, ::-1])
    assert np.array_equal(edits.render(Edit((Turn(4),)), BASE), picture[::-1])
    assert np.array_equal(edits.render(Edit((Turn(3),)), BASE), np.rot90(picture, -1))


@pytest.mark.parametrize(
    "edit",
    [
        Edit((Crop(0, 0, 121, 10),)),
        Edit((LookUp((DARKER, DARKER)),)),
        Edit((Grey((1, 2, 3)), Mix(SWAPPED.weights))),
        Edit((Grey(()),)),
        Edit((Border(0, 0, 1, 1, (1, 2, 3, 4)),)),
        Edit((Resize(65000, 65000, "pillow", "box"),)),
        Edit((Grey((1, 2, 3)), Deep((Modulate(900, 900),)))),
        Edit((Deep((Unsharp((1 << 30, 1 << 30, 1 << 30) * 20),)),)),
        Edit((Deep((Modulate(900, 20000),)),)),
        Edit((Deep((), Resize(50, 71, "pillow", "lanczos")),)),
    ],
)
def test_what_cannot_be_done_to_a_base_is_refused_before_anything_is_computed(edit: Edit) -> None:
    """By the shapes alone; the last would be four billion pixels."""
    with pytest.raises(ContentError):
        edits.render(edit, BASE)


def test_damaged_edits_are_errors_or_other_edits_never_a_crash() -> None:
    """Every byte of one spoilt, and every length."""
    told = edits.to_bytes(TOGETHER)
    for at in range(len(told)):
        for change in (1, 128, 255):
            spoilt = bytearray(told)
            spoilt[at] ^= change
            for raw in (bytes(spoilt), told[:at]):
                try:
                    edits.render(edits.from_bytes(raw), BASE, Window(0, 0, 1, 1))
                except ContentError:
                    continue
