"""Which program has resized what an edit shows, and at what part of its size it had opened a JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from common.delta.edits import Edit, shapes_of
from common.delta.opened import EIGHTHS, Opened
from common.delta.search.found import DONE, Found, promised
from common.delta.search.judges import Judge
from common.delta.steps import Crop, Resize, Shape, Step, Turn
from common.delta.steps.resize import AREA_PARTS

LIKELY = (
    ("pillow", "lanczos"),
    ("magick", "lanczos"),
    ("pillow", "bicubic"),
    ("vips", "lanczos"),
    ("graphics", "lanczos"),
    ("magick_thumbnail", "bilinear"),
    ("magick_thumbnail", "lanczos"),
    ("pillow_reduced", "bicubic"),
    ("pillow", "bilinear"),
    ("vips_shorter", "lanczos"),
    ("vips_15", "lanczos"),
    ("vips_15_shorter", "lanczos"),
    ("pillow_reduced", "lanczos"),
    ("opencv", "area"),
    ("fine", "area"),
    ("opencv", "bilinear"),
    ("opencv", "sharp_bicubic"),
    ("opencv", "lanczos4"),
    ("magick", "mitchell"),
    ("graphics", "mitchell"),
    ("graphics_thumbnail", "box"),
    ("pillow", "box"),
    ("magick", "bilinear"),
    ("pillow", "hamming"),
    ("magick", "bicubic"),
    ("magick", "quadratic"),
    ("magick", "box"),
    ("graphics", "box"),
    ("graphics", "bilinear"),
    ("vips_each", "lanczos"),
    ("fine", "lanczos"),
    ("fine", "bicubic"),
    ("picked", "middle"),
    ("picked", "first"),
    ("picked", "centre"),
)
"""Engines and kernels, those first that are more used."""
_OPENING_SMALL = ("pillow", "pillow_reduced", "magick", "vips", "vips_shorter", "vips_each", "vips_15", "vips_15_shorter", "fine")
"""Engines of programs that open a JPEG at a part of its size, to make it smaller."""
_FROM_OPENED = ("pillow", "pillow_reduced")
"""Engines of which it is told to the part of a pixel what they resize of what was opened small."""
_BY_FACTORS = (("vips", "lanczos"), ("vips_15", "lanczos"), ("fine", "area"), ("opencv", "area"))
"""Those that keep to a factor that they are asked for, whatever size it leads to."""
_PARTS = (3, 6, 7, 9, 100, 1000)
"""In which factors are told."""
_MOST_FACTORS = 4
_FEW = 3
"""Pieces that sort out what does not come near."""
_MOST_WAYS = 4
"""To resize, that are looked at closely."""
_AS_GOOD = 1.02
"""How much more may be promised by what is as good."""


def best_resized(edit: Edit, base: Opened, judge: Judge) -> Found | None:
    """The edit by the resizer that serves best: by one piece, the best of those by a few."""
    likeliest: list[Found] = []
    for way in _resizes(edit, base):
        one = promised(way, base, judge, 1)
        if one.score < DONE and (found := promised(way, base, judge)).score < DONE:
            return found
        likeliest.append(one)
    limit = sorted(one.promise for one in likeliest)[:_MOST_WAYS][-1]
    few = [promised(one.edit, base, judge, _FEW) for one in likeliest if one.promise <= limit]
    near = _AS_GOOD * min(one.promise for one in few)
    return promised(next(one.edit for one in few if one.promise <= near), base, judge)  # of equals what is more used


def _resizes(edit: Edit, base: Opened) -> Iterator[Edit]:
    """The edit by each resizer; a JPEG that is not cut may have been opened at a part of its size."""
    at, wanted = next((n, step) for n, step in enumerate(edit.steps) if isinstance(step, Resize))
    scale = max(n / m for n, m in zip((wanted.rows, wanted.cols), shapes_of(edit, base)[at][:2], strict=True))
    is_openable = base.is_jpeg and not any(isinstance(step, Crop) for step in edit.steps[:at])
    for factor in _factors(shapes_of(edit, base)[at], wanted):
        for engine, kernel in _BY_FACTORS:
            resize = replace(wanted, engine=engine, kernel=kernel, factor=factor)
            yield replace(edit, steps=(*edit.steps[:at], resize, *edit.steps[at + 1 :]))
    for eighths in EIGHTHS:
        if eighths < max(EIGHTHS) and (not is_openable or scale > eighths / 8):
            continue
        for engine, kernel in LIKELY:
            if eighths == max(EIGHTHS) or engine in _OPENING_SMALL:
                area = _opened_area(base, eighths) if engine in _FROM_OPENED and at == 0 else ()
                resize = replace(wanted, engine=engine, kernel=kernel, area=area)
                steps = (*edit.steps[:at], resize, *edit.steps[at + 1 :])
                yield replace(edit, eighths=eighths, steps=_turned_last(steps) if engine.startswith("vips") else steps)


def _factors(before: Shape, wanted: Resize) -> list[tuple[int, int]]:
    """Those that lead to no whole numbers of pixels, and are rounded to the size."""
    sides = list(zip((wanted.rows, wanted.cols), before[:2], strict=True))
    found: dict[Fraction, tuple[int, int]] = {}
    for parts in _PARTS:
        least = max(ceil(Fraction((2 * n - 1) * parts, 2 * m)) for n, m in sides)
        most = min(floor(Fraction((2 * n + 1) * parts, 2 * m)) for n, m in sides)
        for factor in range(max(least, 1), most + 1):
            if any(n * parts != factor * m for n, m in sides):
                found.setdefault(Fraction(factor, parts), (factor, parts))
    return list(found.values())[:_MOST_FACTORS]


def _opened_area(base: Opened, eighths: int) -> tuple[int, ...]:
    """What Pillow resizes of a picture that it has opened small: without what is in no whole pixel. Nothing where that is all."""
    if eighths == max(EIGHTHS):
        return ()
    sides = [n * eighths * AREA_PARTS // max(EIGHTHS) for n in (base.parsed.frame.height, base.parsed.frame.width)]
    return (0, 0, *sides) if any(side % AREA_PARTS for side in sides) else ()


def _turned_last(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with the turn after the resize, as libvips does it."""
    match steps:
        case (Turn() as turn, Resize() as resize, *rest):
            size = replace(resize, rows=resize.cols, cols=resize.rows) if turn.form & 1 else resize
            return (size, turn, *rest)
        case _:
            return tuple(steps)
