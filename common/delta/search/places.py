"""Where a target is in a base, as numbers: transforms of points, (2, 3), the eight forms, boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.delta.opened import Place
from common.delta.steps import Shape
from common.delta.steps.geometry import N_FORMS

_NEAR = 0.005
"""Of a base's width or height."""
_MIRRORED = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
_FLIPPED = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0]])
_TRANSPOSED = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def after(outer: Place, inner: Place) -> Place:
    """What takes a point through the inner transform and then through the outer one."""
    return np.asarray(outer @ np.vstack([inner, [0, 0, 1]]))


def undone(place: Place) -> Place:
    """The inverse transform."""
    return np.asarray(np.linalg.inv(np.vstack([place, [0, 0, 1]]))[:2])


def _form(form: int) -> Place:
    """From shares of a turned picture to shares of the picture, as `Turn` turns it."""
    place = np.eye(2, 3)
    for bit, back in ((1, _TRANSPOSED), (2, _MIRRORED), (4, _FLIPPED)):
        if form & bit:
            place = after(place, back)
    return place


FORMS = [_form(form) for form in range(N_FORMS)]
"""All of the base, turned: places."""


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A place in pixels: the form that is nearest to it, and from pixels of the target to pixels of the base turned so."""

    form: int
    matrix: Place
    turned: Shape
    """Of the base in this form."""

    def box_of(self, shape: Shape) -> tuple[float, float, float, float]:
        """Top, left, bottom, right of what the target shows, as far as it is upright."""
        (across, lean, left), (fall, down, top) = self.matrix
        top, left = top + fall * shape.cols / 2, left + lean * shape.rows / 2  # along the middle of a leaning one
        return top, left, top + down * shape.rows, left + across * shape.cols

    def skew(self, shape: Shape) -> float:
        """By how many pixels of the target its corners lie off an upright box."""
        (across, lean, _), (fall, down, _) = self.matrix
        return float(max(abs(lean) * shape.rows / max(abs(across), 1e-9), abs(fall) * shape.cols / max(abs(down), 1e-9)) / 2)


def is_near(place: Place, other: Place) -> bool:
    """Whether the corners of both lie within a pixel or two of a small picture."""
    corners = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    return bool(np.abs((place - other) @ corners).max() < _NEAR)


def laid(place: Place, shape: Shape, base: Shape) -> Laid:
    """The place between pictures of these shapes."""
    whole = after(after(_scaling(base.cols, base.rows), place), _scaling(1 / shape.cols, 1 / shape.rows))
    linear = whole[:, :2] / max(float(np.abs(np.linalg.det(whole[:, :2]))) ** 0.5, 1e-9)
    form = min(range(N_FORMS), key=lambda form: float(np.square(linear - FORMS[form][:, :2]).sum()))
    turned = Shape(base.cols, base.rows, base.channels) if form & 1 else base
    upright = after(undone(FORMS[form]), place)
    matrix = after(after(_scaling(turned.cols, turned.rows), upright), _scaling(1 / shape.cols, 1 / shape.rows))
    return Laid(form, matrix, turned)


def place_of(found: Laid, shape: Shape) -> Place:
    """The place in shares; undoes `laid`."""
    upright = after(after(_scaling(1 / found.turned.cols, 1 / found.turned.rows), found.matrix), _scaling(shape.cols, shape.rows))
    return after(FORMS[found.form], upright)


def scaled(place: Place, shape: tuple[int, ...], base: tuple[int, ...]) -> Place:
    """The place from pixels to pixels of pictures of these (rows, cols), whose centres have whole coordinates."""
    place = after(after(_scaling(base[1], base[0]), place), _scaling(1 / shape[1], 1 / shape[0]))
    return np.asarray(
        place + np.array([[0, 0, (place[0, 0] + place[0, 1] - 1) / 2], [0, 0, (place[1, 0] + place[1, 1] - 1) / 2]])
    )


def unscaled(place: Place, shape: tuple[int, ...], base: tuple[int, ...]) -> Place:
    """In shares again; undoes `scaled`."""
    place = place - np.array([[0, 0, (place[0, 0] + place[0, 1] - 1) / 2], [0, 0, (place[1, 0] + place[1, 1] - 1) / 2]])
    return after(after(_scaling(1 / base[1], 1 / base[0]), place), _scaling(shape[1], shape[0]))


def _scaling(across: float, down: float) -> Place:
    return np.array([[across, 0.0, 0.0], [0.0, down, 0.0]])
