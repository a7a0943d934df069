"""Where a target is in its base: found by searches that look at small pictures and few pieces, whatever became of the tones."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from common import delta, jobs
from common.delta import edits
from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.search import best_found
from common.delta.search.aligned import Drift, fitted
from common.delta.search.flowing import best_flowing
from common.delta.search.found import promised
from common.delta.search.guessed import guesses
from common.delta.search.judges import JpegJudge
from common.delta.search.places import FORMS, after, laid, place_of, scaled, undone, unscaled
from common.delta.steps import Flow, Resize, Shape, Warp
from common.delta.steps.geometry import turned_to
from tests.fakes import pictures

SIZE = (640, 480)
BASE = pictures.jpeg(1, SIZE, quality=92)
PHOTO = Image.open(io.BytesIO(BASE)).convert("RGB")
LANCZOS = Image.Resampling.LANCZOS


def saved(picture: Image.Image, **options: object) -> bytes:
    """As a JPEG, by Pillow."""
    file = io.BytesIO()
    picture.save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def opencv_area(factor: float) -> Image.Image:
    """The photo by INTER_AREA."""
    return Image.fromarray(cv2.resize(np.asarray(PHOTO), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def box_in_base(target: bytes, hint: np.ndarray | None = None) -> tuple[int, tuple[float, ...]]:
    """Form and box of the first guess."""
    wanted, base = Opened(target, None if hint is None else hint.ravel().tolist()), Opened(BASE)
    judge = JpegJudge(wanted)
    found = laid(next(guesses(base, judge)).place, judge.shape, Shape(*base.shape()))
    return found.form, found.box_of(judge.shape)


@pytest.mark.parametrize("form", range(8))
def test_a_form_leads_from_a_turned_picture_to_the_picture(form: int) -> None:
    """Pixel by pixel, and back."""
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    turned = turned_to(form, picture)
    place = scaled(FORMS[form], turned.shape, picture.shape)
    for row in range(turned.shape[0]):
        for col in range(turned.shape[1]):
            x, y = place @ [col, row, 1]
            assert picture[round(y), round(x), 0] == turned[row, col, 0]
    assert np.allclose(after(FORMS[form], undone(FORMS[form])), np.eye(2, 3))
    assert np.allclose(unscaled(place, turned.shape, picture.shape), FORMS[form])


def test_a_place_in_pixels_is_its_form_and_its_box() -> None:
    """A quarter of the base, turned by a quarter."""
    place = after(FORMS[3], np.array([[0.5, 0, 0.25], [0, 0.5, 0.5]]))
    found = laid(place, Shape(320, 120, 3), Shape(480, 640, 3))
    assert found.form == 3
    assert found.turned == (640, 480, 3)
    assert found.box_of(Shape(320, 120, 3)) == pytest.approx((320, 120, 640, 360))
    assert found.skew(Shape(320, 120, 3)) == pytest.approx(0)
    assert np.allclose(place_of(found, Shape(320, 120, 3)), place)


def test_pieces_that_agree_tell_a_move_and_a_scale_and_others_are_left_out() -> None:
    """Of nine pieces two lie."""
    rng = np.random.default_rng(1)
    middles = [np.array([x, y], float) for x in (40, 200, 360) for y in (40, 150, 260)]
    found = [
        Drift(middle, middle * [0.01, -0.02] + [1.5, 2.5] + rng.normal(0, 0.005, 2), np.eye(2) * 4000.0) for middle in middles
    ]
    found[3] = Drift(middles[3], np.array([9.0, -7.0]), np.eye(2) * 4000.0)
    found[8] = Drift(middles[8], np.array([-9.0, 4.0]), np.eye(2) * 4000.0)
    by, agreement = fitted(found, is_upright=True)
    assert by == pytest.approx(np.array([[1.01, 0, 1.5], [0, 0.98, 2.5]]), abs=0.02)
    assert agreement == pytest.approx(7 / 9)
    assert fitted([], is_upright=True)[1] == 0


@pytest.mark.parametrize(
    ("picture", "most"),
    [
        pytest.param(PHOTO.crop((37, 51, 521, 402)), 0.05, id="cut"),
        pytest.param(PHOTO.crop((400, 300, 531, 402)), 0.2, id="a small piece"),
        pytest.param(PHOTO.crop((64, 48, 576, 432)).resize((400, 300), LANCZOS), 0.05, id="cut and made smaller"),
        pytest.param(PHOTO.crop((101, 33, 411, 343)).resize((150, 150), LANCZOS), 0.1, id="a square"),
        pytest.param(PHOTO.crop((33, 33, 233, 183)).resize((400, 300), LANCZOS), 0.1, id="cut and made larger"),
        pytest.param(PHOTO.resize((300, 300), LANCZOS), 0.05, id="squeezed"),
        pytest.param(PHOTO.rotate(90, expand=True).crop((20, 30, 420, 530)).resize((320, 400), LANCZOS), 0.05, id="turned too"),
        pytest.param(PHOTO.resize((401, 301), LANCZOS).crop((51, 1, 351, 301)), 0.05, id="made smaller and cut"),
        pytest.param(ImageOps.mirror(PHOTO).resize((320, 240), LANCZOS), 0.05, id="mirrored and made smaller"),
    ],
)
def test_a_piece_of_the_base_is_found_to_the_pixel(picture: Image.Image, most: float) -> None:
    """So that hardly more than the headers is told."""
    target = saved(picture)
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    assert delta.described(made)[0] == "jpeg-replay"
    assert len(made) <= most * len(target)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(PHOTO.resize((61, 46), Image.Resampling.BICUBIC, reducing_gap=2), id="by Pillow, means of boxes first"),
        pytest.param(PHOTO.resize((200, 150), LANCZOS).crop((25, 0, 175, 150)), id="by Pillow, a square cut out of it"),
        pytest.param(opencv_area(0.27), id="by OpenCV's factor"),
        pytest.param(opencv_area(1 / 7), id="by a whole factor that leaves a rest"),
        pytest.param(opencv_area(0.333), id="by one in thousandths"),
    ],
)
def test_all_of_the_base_in_small_is_taken_for_no_piece_of_it(picture: Image.Image) -> None:
    """However far off its edges seem: it is made again to the bit, or nearly."""
    target = saved(picture)
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    assert len(made) < 300
    found = best_found(Opened(BASE), JpegJudge(Opened(target)))
    assert found is not None
    assert isinstance(found.edit.steps[0], Resize)


def test_another_picture_is_nowhere_in_the_base() -> None:
    """Of the base's size, and of another."""
    for size in ((640, 480), (300, 200)):
        assert best_found(Opened(BASE), JpegJudge(Opened(pictures.jpeg(2, size)))) is None


def test_a_picture_turned_by_degrees_as_imagemagick_does_it_is_found_to_the_bit() -> None:
    """Its canvas is larger, its corners are white, and the angle is told by hardly more than itself."""
    angle = np.radians(3)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rows, cols = 514, 666  # as `convert -rotate 3` makes of 480 x 640
    corner = np.array([319.5, 239.5]) - turn @ [(cols - 1) / 2, (rows - 1) / 2]
    matrix = tuple(int(n) for n in np.rint(np.column_stack([turn, corner]) * 2.0**32).ravel())
    turned = edits.render(Edit((Warp(rows, cols, "ewa", matrix, (255,)),)), Opened(BASE))
    target = saved(Image.fromarray(turned))
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    assert len(made) <= 0.02 * len(target)


@pytest.mark.parametrize(
    ("picture", "most"),
    [
        pytest.param(PHOTO.rotate(-2, Image.Resampling.BICUBIC, expand=True), 0.15, id="by Pillow"),
        pytest.param(PHOTO.rotate(5.3, Image.Resampling.BILINEAR), 0.15, id="by Pillow, its canvas kept"),
        pytest.param(PHOTO.rotate(2.5, Image.Resampling.BICUBIC).crop((60, 50, 580, 430)), 0.15, id="and cut"),
        pytest.param(
            PHOTO.rotate(2, Image.Resampling.BICUBIC).crop((60, 50, 580, 430)).resize((260, 190), LANCZOS), 0.5, id="and smaller"
        ),
    ],
)
def test_a_picture_turned_by_degrees_is_found(picture: Image.Image, most: float) -> None:
    """To the hundredth of a degree, or as it is measured."""
    target = saved(picture)
    made = delta.encode_best(target, BASE)
    assert delta.decode(made, BASE) == target
    assert delta.described(made)[0] == "jpeg-replay"
    assert len(made) <= most * len(target)


def test_another_shot_is_laid_so_that_near_and_far_things_come_to_their_places() -> None:
    """Everything by another amount, as from a step to the side."""
    rows, cols = np.indices((480, 640), np.float32)
    picture = np.asarray(PHOTO)
    far = 6 + 5 * np.sin(rows / 60) + 4 * np.cos(cols / 80)
    shot = Image.fromarray(cv2.remap(picture, cols + far, rows + far / 3, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    target = saved(shot)
    judge, base = JpegJudge(Opened(target)), Opened(BASE)
    laid_whole = promised(Edit(), base, judge)
    flowing = best_flowing([FORMS[0]], base, judge)
    assert flowing is not None
    assert isinstance(flowing.edit.steps[-1], Flow)
    assert flowing.promise < 0.7 * laid_whole.promise
    assert delta.decode(delta.encode_best(target, BASE), BASE) == target


@pytest.mark.parametrize("change", [lambda p: ImageEnhance.Brightness(p).enhance(1.4), ImageOps.grayscale, ImageOps.equalize])
def test_a_place_does_not_hide_behind_other_tones(change: object) -> None:
    """Brighter, grey, and with all levels moved about."""
    form, box = box_in_base(saved(change(PHOTO.crop((64, 48, 576, 432)).resize((400, 300), LANCZOS))))  # type: ignore[operator]
    assert form == 0
    assert box == pytest.approx((48, 64, 432, 576), abs=2)


def test_a_hint_leads_where_little_can_be_seen_in_small() -> None:
    """Pictures compared after EXIF had turned them: the hint is of those, the place of these."""
    piece = Opened(saved(PHOTO.crop((90, 70, 170, 130)).rotate(90, expand=True)), [80 / 640, 0, 90 / 640, 0, 60 / 480, 70 / 480])
    judge, base = JpegJudge(piece), Opened(BASE)
    place = next(guesses(base, judge)).place
    assert laid(place, judge.shape, Shape(*base.shape())).form == 6 - 1
    assert place @ [0.5, 0.5, 1] == pytest.approx((130 / 640, 100 / 480), abs=0.002)


def test_a_wrong_hint_costs_nothing_but_time() -> None:
    """Another place, no area, no numbers at all."""
    target = saved(PHOTO.crop((37, 51, 521, 402)))
    for hint in ([0.1, 0, 0.5, 0, 0.1, 0.5], [0.0] * 6, [float("nan")] * 6):
        made = delta.encode_best(target, BASE, hint)
        assert delta.decode(made, BASE) == target
        assert len(made) < 0.05 * len(target)
    with pytest.raises(ValueError, match="reshape"):
        delta.encode_best(target, BASE, [1.0])


def test_a_hint_travels_to_a_job_in_words() -> None:
    """Six numbers, to the last bit."""
    transform = np.random.default_rng(1).normal(size=(2, 3))
    assert jobs._hint({"hint": jobs.hint_of(transform.tolist())}) == transform.ravel().tolist()
    assert jobs._hint({}) is None
