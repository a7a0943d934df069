"""What was done to a base's picture to make the target's: a few steps, told in a few bytes, done again by whoever has the base.

    source     u8: the eighths of its size at which a JPEG is opened: 8, 4, 2, 1
    steps      deflated; of each: u8 its number in STEPS, how many numbers, and these, varints with the sign in the lowest bit

A delta says besides what is still wrong; an approximation leaves that out. An edit that came from elsewhere cannot ask for more
than its limits: so many steps, so many numbers, pictures of so many pixels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from common.delta.opened import EIGHTHS, Opened
from common.delta.steps import STEPS, Shape, Step, Window, whole
from common.delta.steps.step import NOTHING
from common.errors import ContentError
from common.kernel.pixels import Samples
from common.varints import read_varint, to_varint

MAX_PIXELS = 100_000_000
"""Of the picture after any step, as of any that is decoded."""
_MAX_STEPS = 16
_MAX_VALUES = 1 << 14
"""Of a step."""
_MAX_BYTES = 1 << 17
_NUMBERS = {kind: number for number, kind in STEPS.items()}


@dataclass(frozen=True, slots=True)
class Edit:
    """Steps, done in their order to a base opened at so many eighths of its size."""

    steps: tuple[Step, ...] = ()
    eighths: int = 8

    def then(self, *steps: Step) -> Edit:
        """This edit, with steps after it."""
        return Edit((*self.steps, *steps), self.eighths)


def render(edit: Edit, base: Opened, window: Window | None = None) -> Samples:
    """The picture that the edit makes of the base, or a window of it: uint8 (rows, cols, channels).

    Errors: ContentError, `damaged` of steps that cannot be done to such a base.
    """
    picture = base.pixels(edit.eighths)
    shapes = shapes_of(edit, base)
    windows = [window or whole(shapes[-1])]
    for step, shape in zip(reversed(edit.steps), reversed(shapes[:-1]), strict=True):
        windows.append(step.needs(windows[-1], shape) if windows[-1].is_something else NOTHING)
    windows.reverse()
    part = windows[0].of(picture)
    for step, shape, at, wanted in zip(edit.steps, shapes, windows, windows[1:], strict=False):
        if wanted.is_something:
            part = step.apply(part, at, wanted, shape)
    return part


def shapes_of(edit: Edit, base: Opened) -> list[Shape]:
    """The base's shape, and that after each step. Errors: ContentError, `too_large` of more pixels than pictures have."""
    shapes = [Shape(*base.shape(edit.eighths))]
    for step in edit.steps:
        shapes.append(step.shape(shapes[-1]))
        if shapes[-1].rows * shapes[-1].cols > MAX_PIXELS:
            raise ContentError("too_large", f"a step to {shapes[-1].cols} x {shapes[-1].rows} pixels")
    return shapes


def to_bytes(edit: Edit) -> bytes:
    """The edit as it travels."""
    told = bytearray()
    for step in edit.steps:
        values = step.to_ints()
        told.append(_NUMBERS[type(step)])
        told += to_varint(len(values))
        for value in values:
            told += to_varint(2 * value if value >= 0 else -2 * value - 1)
    return bytes([edit.eighths]) + zlib.compress(told, 9, -15)


def from_bytes(raw: bytes) -> Edit:
    """What `to_bytes` wrote. Errors: ContentError `damaged`; `unsupported` of a step that this program does not know."""
    try:
        inflate = zlib.decompressobj(-15)
        told = inflate.decompress(raw[1:], _MAX_BYTES)
        if not inflate.eof or inflate.unused_data or raw[0] not in EIGHTHS:
            raise ContentError("damaged", "an edit that makes no sense")
        steps, at = [], 0
        while at < len(told):
            step, at = _step(told, at)
            steps.append(step)
    except (IndexError, zlib.error) as error:
        raise ContentError("damaged", "an edit that ends early") from error
    if len(steps) > _MAX_STEPS:
        raise ContentError("damaged", f"an edit of {len(steps)} steps")
    return Edit(tuple(steps), raw[0])


def _step(told: bytes, at: int) -> tuple[Step, int]:
    """The step that is told from `at` on, and where it ends."""
    kind = STEPS.get(told[at])
    if kind is None:
        raise ContentError("unsupported", f"a step of a kind that this program does not know: {told[at]}")
    n, at = read_varint(told, at + 1)
    if n > _MAX_VALUES:
        raise ContentError("damaged", "a step of too many numbers")
    values = []
    for _ in range(n):
        value, at = read_varint(told, at)
        values.append(value >> 1 ^ -(value & 1))
    return kind.from_ints(values), at
