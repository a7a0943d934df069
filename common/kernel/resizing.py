"""How programs resize: in what passes, in which order, with what tables, how finely in between, and how they round at the end.

An engine plans the passes from one size to another; a plan can be done to a whole picture, or for a window of the outcome to the
part of the picture that the window needs, so that many can be tried on a few small places. Sizes are (rows, cols), windows (top,
left, rows, cols), in pixels. All in integers: an encoder names engine and kernel, and a decoder does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from common.errors import ContentError
from common.kernel.curves import KERNELS
from common.kernel.masks import MASK_BITS, REACHES, ROUGH_BITS, enlarged, masked
from common.kernel.opencv import N_TAPS, pairs, pairs_across, tapped
from common.kernel.resample import across, blend_down, down, finely
from common.kernel.taps import FINE_BITS, PLACES, WEIGHT_BITS, Samples, Taps, picked, reduce_boxes, taps

Size = tuple[int, int]
Window = tuple[int, int, int, int]
Area = tuple[Fraction, Fraction, Fraction, Fraction]
"""What of the input is resized: top, left, bottom, right. By a factor it ends where that leads, perhaps just outside."""
Levels = npt.NDArray[np.int32]

SIXTEEN_BITS = 257
"""A level of 8 bits in levels of 16."""
_NEARLY_FLOAT = 1 << 14
_OPENCV_UNIT = 1 << 11
_FINEST = 1 << 16
_MOST_IN_BOX = 1 << 12
_FEWEST_SAMPLES = 128
"""To a side, that ImageMagick makes a thumbnail of."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """Weighted sums along one dimension."""

    table: Taps
    is_down: bool

    def needs(self, window: Window) -> Window:
        """What the taps reach."""
        top, left, rows, cols = window
        if self.is_down:
            start, stop = self.table.reach(top, rows)
            return start, left, stop - start, cols
        start, stop = self.table.reach(left, cols)
        return top, start, rows, stop - start

    def apply(self, part: Samples, at: Window, window: Window) -> Samples:
        """The sums, rounded to 8 bits."""
        table = self._cut(at, window)
        return (down if self.is_down else across)(np.ascontiguousarray(part), table.bounds, table.weights)

    def apply_finely(self, part: Samples | Levels, at: Window, window: Window, unit: int, *, is_open: bool) -> Levels:
        """The sums of levels in 1/unit, rounded to such; open ones may overshoot."""
        table = self._cut(at, window)
        return finely(part, table.bounds, table.weights, unit, self.is_down, is_open)

    def _cut(self, at: Window, window: Window) -> Taps:
        """The table of the window over a part of the input."""
        return self.table.cut(window[0], window[2], at[0]) if self.is_down else self.table.cut(window[1], window[3], at[1])


@dataclass(frozen=True, slots=True)
class Blended:
    """Pairs of rows, as OpenCV's vector code blends them; a last pass, from levels in 1/2**11."""

    first: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]
    n_rows: int

    def needs(self, window: Window) -> Window:
        """The rows from the first to the last, as far as the picture reaches."""
        top, left, rows, cols = window
        first = self.first[top : top + rows]
        start, stop = max(int(first.min()), 0), min(int(first.max()) + 2, self.n_rows)
        return start, left, stop - start, cols

    def apply_finely(self, part: Levels, at: Window, window: Window, unit: int) -> Levels:
        """Whole levels, in 1/unit."""
        chosen = slice(window[0], window[0] + window[2])
        first = self.first[chosen] - np.int32(at[0])
        return blend_down(part, first, np.ascontiguousarray(self.weights[chosen])).astype(np.int32) * unit


@dataclass(frozen=True, slots=True)
class Boxed:
    """Means of boxes by a rule of `taps.MEANS`; at the far edges of what is left over, or with the edges repeated."""

    size: Size
    tall: int
    wide: int
    rule: str
    is_repeated: bool = False

    def __post_init__(self) -> None:
        """Errors: ContentError `damaged` of boxes that nobody makes."""
        if self.tall * self.wide > _MOST_IN_BOX:
            raise ContentError("damaged", "a box of too many samples")

    def needs(self, window: Window) -> Window:
        """The boxes, as far as the picture reaches."""
        top, left, rows, cols = window
        bottom, right = min((top + rows) * self.tall, self.size[0]), min((left + cols) * self.wide, self.size[1])
        return top * self.tall, left * self.wide, bottom - top * self.tall, right - left * self.wide

    def apply(self, part: Samples, at: Window, window: Window) -> Samples:
        """The means."""
        rows, cols = window[2:]
        if self.is_repeated:
            missing = (rows * self.tall - at[2], cols * self.wide - at[3])
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
            return reduce_boxes(np.ascontiguousarray(part), self.wide, self.tall, self.rule)
        tall, wide = at[2] // self.tall, at[3] // self.wide  # whole boxes
        means = np.empty((rows, cols, part.shape[2]), np.uint8)
        for down_to, high in ((slice(0, tall), self.tall), (slice(tall, rows), at[2] % self.tall)):
            for right_to, broad in ((slice(0, wide), self.wide), (slice(wide, cols), at[3] % self.wide)):
                if (down_to.stop - down_to.start) * (right_to.stop - right_to.start) == 0:
                    continue
                boxes = part[down_to.start * self.tall :, right_to.start * self.wide :]
                boxes = boxes[: (down_to.stop - down_to.start) * high, : (right_to.stop - right_to.start) * broad]
                means[down_to, right_to] = reduce_boxes(np.ascontiguousarray(boxes), broad, high, self.rule)
        return means


@dataclass(frozen=True, slots=True)
class Plan:
    """Passes in their order; between them levels are in 1/unit of 8 bits, and at the end they are rounded, or cut."""

    outputs: Size
    passes: tuple[Weighted | Boxed | Blended, ...]
    unit: int = 1
    is_cut: bool = False
    is_open: bool = False
    """Whether what overshoots black and white is kept between the passes."""

    def needs(self, window: Window) -> Window:
        """The part of the input that a window of the outcome is made of."""
        return self._windows(window)[0]

    def apply(self, part: Samples, window: Window) -> Samples:
        """A window of the outcome from what it needs, uint8 (rows, cols, channels)."""
        if self.unit == 1 and not self.is_open:
            for step, at, wanted in self._steps(part, window):
                if not isinstance(step, Blended):
                    part = step.apply(part, at, wanted)
            return part
        levels = self._finely(part, window)
        return ((levels + (0 if self.is_cut else self.unit // 2)) // self.unit).astype(np.uint8)

    def deepen(self, part: Samples, window: Window) -> npt.NDArray[np.uint16]:
        """As `apply`, but not yet brought back from 16 bits. Errors: ContentError `damaged` of an engine that has no such."""
        if self.unit != SIXTEEN_BITS:
            raise ContentError("damaged", "an engine that has no 16 bits")
        return self._finely(part, window).astype(np.uint16)

    def _steps(self, part: Samples, window: Window) -> Sequence[tuple[Weighted | Boxed | Blended, Window, Window]]:
        """Each pass with the window of its input and that of its outcome."""
        windows = self._windows(window)
        if part.shape[:2] != windows[0][2:]:
            raise ValueError("the part of the input that the window needs")
        return list(zip(self.passes, windows, windows[1:], strict=False))

    def _finely(self, part: Samples, window: Window) -> Levels:
        """Levels of 1/unit."""
        levels: Samples | Levels = np.ascontiguousarray(part)
        for step, at, wanted in self._steps(part, window):
            if isinstance(step, Weighted):
                levels = step.apply_finely(levels, at, wanted, self.unit, is_open=self.is_open and step is not self.passes[-1])
            elif isinstance(step, Blended):
                levels = step.apply_finely(levels.astype(np.int32, copy=False), at, wanted, self.unit)
        return levels.astype(np.int32, copy=False)

    def of(self, picture: Samples, window: Window | None = None) -> Samples:
        """What it makes of a picture, or a window of that."""
        wanted = window or (0, 0, *self.outputs)
        top, left, rows, cols = self.needs(wanted)
        return self.apply(picture[top : top + rows, left : left + cols], wanted)

    def _windows(self, window: Window) -> list[Window]:
        """What the first pass takes in, what the second does, ..., and the window."""
        windows = [window]
        for step in reversed(self.passes):
            windows.append(step.needs(windows[-1]))
        return windows[::-1]


def _crossed(inputs: Size, outputs: Size, kernel: str, area: Area | None, bits: int = WEIGHT_BITS) -> tuple[Weighted, Weighted]:
    """Down, and across, with plain tables."""
    top, left, bottom, right = area or (Fraction(0), Fraction(0), Fraction(inputs[0]), Fraction(inputs[1]))
    return (
        Weighted(_table(inputs[0], outputs[0], kernel, top, bottom, bits), is_down=True),
        Weighted(_table(inputs[1], outputs[1], kernel, left, right, bits), is_down=False),
    )


@lru_cache(maxsize=32)
def _table(inputs: int, outputs: int, kernel: str, start: Fraction, stop: Fraction, bits: int) -> Taps:
    """Engines have tables in common, and so do both sides of a square."""
    if kernel not in KERNELS and kernel != "area":
        raise ContentError("damaged", "an engine resizes by a curve, or by area")
    return taps(inputs, outputs, kernel, start=start, stop=stop, bits=bits)


def _pillow(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """Across first, rounded to 8 bits; what keeps its size is left."""
    by_rows, by_cols = _crossed(inputs, outputs, kernel, area)
    changed = [area is not None or inputs[k] != outputs[k] for k in (0, 1)]
    return Plan(outputs, (by_cols,) * changed[1] + (by_rows,) * changed[0])


def _pillow_reduced(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """With `reducing_gap=2`, as of `thumbnail`: means of boxes first, so large that twice the size is left."""
    top, left, bottom, right = area or (Fraction(0), Fraction(0), Fraction(inputs[0]), Fraction(inputs[1]))
    tall, wide = (max(int(span / (2 * outputs[k])), 1) for k, span in enumerate((bottom - top, right - left)))
    reduced = (-(-inputs[0] // tall), -(-inputs[1] // wide))
    rest = (top / tall, left / wide, bottom / tall, right / wide)
    return Plan(outputs, (Boxed(inputs, tall, wide, "pillow"), *_pillow(reduced, outputs, kernel, rest).passes))


def _magick(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """ImageMagick 6: the dimension that shrinks more first, 16 bits between, rounded to 8."""
    by_rows, by_cols = _crossed(inputs, outputs, kernel, area, FINE_BITS)
    is_across_first = outputs[1] * inputs[0] > outputs[0] * inputs[1]
    return Plan(outputs, (by_cols, by_rows) if is_across_first else (by_rows, by_cols), SIXTEEN_BITS)


def _graphics(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """GraphicsMagick: as ImageMagick, but cut to 8 bits."""
    return Plan(outputs, _magick(inputs, outputs, kernel, area).passes, SIXTEEN_BITS, is_cut=True)


def _magick_thumbnail(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """ImageMagick's `-thumbnail`: of a picture that has more than ten times the pixels, samples to five times the size first."""
    few = (5 * outputs[0], 5 * outputs[1])
    if not _is_far(inputs, outputs) or min(few) < _FEWEST_SAMPLES or area is not None:
        return _magick(inputs, outputs, kernel, area)
    samples = _picking(inputs, few, "middle", FINE_BITS)
    return Plan(outputs, samples + _magick(few, outputs, kernel, None).passes, SIXTEEN_BITS)


def _graphics_thumbnail(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """GraphicsMagick's `-thumbnail`, by boxes: likewise, however small."""
    if not _is_far(inputs, outputs) or area is not None:
        return _graphics(inputs, outputs, kernel, area)
    few = (5 * outputs[0], 5 * outputs[1])
    samples = _picking(inputs, few, "first", FINE_BITS)
    return Plan(outputs, samples + _magick(few, outputs, kernel, None).passes, SIXTEEN_BITS, is_cut=True)


def _is_far(inputs: Size, outputs: Size) -> bool:
    """Whether less than a tenth of the pixels is left."""
    return 10 * outputs[0] * outputs[1] <= inputs[0] * inputs[1]


def _picked(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """One input for each output; the kernel is one of PLACES."""
    if area is not None or kernel not in PLACES:
        raise ContentError("damaged", "samples are picked from a whole picture")
    return Plan(outputs, _picking(inputs, outputs, kernel, WEIGHT_BITS))


def _picking(inputs: Size, outputs: Size, place: str, bits: int) -> tuple[Weighted, Weighted]:
    down_to, across_to = (picked(inputs[k], outputs[k], place, bits=bits) for k in (0, 1))
    return Weighted(down_to, is_down=True), Weighted(across_to, is_down=False)


def _fine(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """About as with floats between the passes: OpenCV's INTER_AREA."""
    by_rows, by_cols = _crossed(inputs, outputs, kernel, area, FINE_BITS)
    return Plan(outputs, (by_cols, by_rows), _NEARLY_FLOAT)


def _opencv(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
    """OpenCV's INTER_LINEAR, INTER_CUBIC and INTER_LANCZOS4: across first, with sums of 1/2**11 or as fine as floats.

    And INTER_AREA by whole numbers: means of boxes.
    """
    if kernel == "area":
        return _opencv_boxes(inputs, outputs, area)
    if area is not None or kernel not in N_TAPS:
        raise ContentError("damaged", "OpenCV resizes a whole picture, by its kernels")
    if kernel == "bilinear":
        across_first = Weighted(pairs_across(inputs[1], outputs[1]), is_down=False)
        return Plan(outputs, (across_first, Blended(*pairs(inputs[0], outputs[0]), inputs[0])), _OPENCV_UNIT)
    by_rows, by_cols = (Weighted(tapped(inputs[k], outputs[k], kernel), is_down=k == 0) for k in (0, 1))
    return Plan(outputs, (by_cols, by_rows), _FINEST, is_open=True)


def _opencv_boxes(inputs: Size, outputs: Size, area: Area | None) -> Plan:
    spans = _spans(inputs, outputs, area)
    if any(span % n for span, n in zip(spans, outputs, strict=True)):
        raise ContentError("damaged", "OpenCV makes means of whole boxes")
    tall, wide = (int(span) // n for span, n in zip(spans, outputs, strict=True))
    return Plan(outputs, (Boxed(inputs, tall, wide, "opencv"),))


def _spans(inputs: Size, outputs: Size, area: Area | None) -> tuple[Fraction, Fraction]:
    """Rows and columns that all of the output shows, from the first on. Errors: ContentError `damaged` of another area."""
    if area is None:
        return Fraction(inputs[0]), Fraction(inputs[1])
    if any(area[:2]) or any(abs(end - n) * m >= end for end, n, m in zip(area[2:], inputs, outputs, strict=True)):
        raise ContentError("damaged", "a factor is that of a whole picture")
    return area[2:]


def _vips(leading: int | None, down_bits: int, rule: str) -> Callable[[Size, Size, str, Area | None], Plan]:
    """libvips: means of boxes down to twice the size, masks for the rest; first all of it down, then across.

    Both shrink by one factor, that of the outcome's longer side (`leading` 0) or its shorter one (1), or each by its own; a
    factor that was asked for is that of an area.
    """

    def plan(inputs: Size, outputs: Size, kernel: str, area: Area | None) -> Plan:
        if kernel not in REACHES:
            raise ContentError("damaged", "libvips resizes by its kernels")
        spans = _spans(inputs, outputs, area)
        if outputs[0] > inputs[0] and outputs[1] > inputs[1] and kernel in {"lanczos", "bicubic"}:
            return Plan(outputs, _enlarging(inputs, outputs, spans, leading), is_open=True)
        passes: list[Weighted | Boxed] = []
        size = list(inputs)
        longer = 0 if outputs[0] > outputs[1] else 1
        for k, bits in ((0, down_bits), (1, MASK_BITS)):
            led = k if leading is None else longer ^ leading
            shrink = spans[led] / outputs[led]
            extra = outputs[k] * shrink - inputs[k]
            whole = max(1, inputs[k] // (2 * outputs[k]))
            if whole > 1:
                passes.append(Boxed((size[0], size[1]), *((whole, 1) if k == 0 else (1, whole)), rule, is_repeated=True))
                size[k] = -(-size[k] // whole)
            if shrink != whole:
                table = masked(size[k], outputs[k], kernel, shrink / whole, extra=extra / whole, bits=bits)
                passes.append(Weighted(table, is_down=k == 0))
            elif size[k] != outputs[k]:
                raise ContentError("damaged", "a factor that does not lead to the size")
            size[k] = outputs[k]
        return Plan(outputs, tuple(passes))

    return plan


def _enlarging(inputs: Size, outputs: Size, spans: tuple[Fraction, Fraction], leading: int | None) -> tuple[Weighted, Weighted]:
    """To a larger size: bicubic, across first, rounded in between but not cut off."""
    longer = 0 if outputs[0] > outputs[1] else 1
    led = (0, 1) if leading is None else (longer ^ leading,) * 2
    by_rows, by_cols = (enlarged(inputs[k], outputs[k], outputs[led[k]] / spans[led[k]]) for k in (0, 1))
    return Weighted(by_cols, is_down=False), Weighted(by_rows, is_down=True)


ENGINES: Mapping[str, Callable[[Size, Size, str, Area | None], Plan]] = MappingProxyType(
    {
        "pillow": _pillow,
        "pillow_reduced": _pillow_reduced,
        "magick": _magick,
        "magick_thumbnail": _magick_thumbnail,
        "graphics": _graphics,
        "graphics_thumbnail": _graphics_thumbnail,
        "picked": _picked,
        "fine": _fine,
        "opencv": _opencv,
        "vips": _vips(0, ROUGH_BITS, "half_up"),
        "vips_shorter": _vips(1, ROUGH_BITS, "half_up"),
        "vips_each": _vips(None, ROUGH_BITS, "half_up"),
        "vips_15": _vips(0, MASK_BITS, "pillow"),
        "vips_15_shorter": _vips(1, MASK_BITS, "pillow"),
    }
)


@lru_cache(maxsize=32)
def plan(inputs: Size, outputs: Size, engine: str, kernel: str, area: Area | None = None) -> Plan:
    """The passes by which an engine of ENGINES resizes (an area of) a picture.

    Errors: ContentError: `damaged` of what an engine does not do.
    """
    return ENGINES[engine](inputs, outputs, kernel, area)


def resize(picture: Samples, width: int, height: int, engine: str, kernel: str, window: Window | None = None) -> Samples:
    """The picture (rows, cols, channels) in another size, or a window (top, left, rows, cols) of that."""
    rows, cols = picture.shape[:2]
    return plan((rows, cols), (height, width), engine, kernel).of(picture, window)
