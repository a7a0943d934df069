"""What is done with 16 bits, put behind what was done so far."""

from __future__ import annotations

from dataclasses import replace

from common.delta.edits import Edit
from common.delta.steps import Crop, Deep, Resize
from common.delta.steps.deep import DeepStep

_ENGINES = ("magick", "magick_thumbnail", "graphics", "graphics_thumbnail")
"""Whose outcome has 16 bits."""


def deepened(edit: Edit, *steps: DeepStep, is_cut: bool = False) -> Edit:
    """The edit with steps after it; with one rounding to 8 bits where its last step, too, was one of 16 bits; before a cut."""
    if edit.steps and isinstance(edit.steps[-1], Crop):
        return deepened(Edit(edit.steps[:-1], edit.eighths), *steps, is_cut=is_cut).then(edit.steps[-1])
    match edit.steps[-1:]:
        case (Deep(before, resize, was_cut),):
            return Edit((*edit.steps[:-1], Deep((*before, *steps), resize, was_cut)), edit.eighths)
        case (Resize(engine=engine) as resize,) if engine in _ENGINES:
            return Edit((*edit.steps[:-1], Deep(steps, resize, engine.startswith("graphics"))), edit.eighths)
        case _:
            return edit.then(Deep(steps, is_cut=is_cut))


def magicks_own(edit: Edit) -> Edit:
    """The edit resized by ImageMagick where it is by Pillow: with other tones the two can hardly be told apart."""
    steps = [
        replace(step, engine="magick", area=()) if isinstance(step, Resize) and step.engine == "pillow" else step
        for step in edit.steps
    ]
    return replace(edit, steps=tuple(steps))


def is_deep(edit: Edit) -> bool:
    """Whether the edit's outcome has 16 bits until it is rounded, or cut."""
    match [step for step in edit.steps if not isinstance(step, Crop)][-1:]:
        case (Resize(engine=engine),):
            return engine in _ENGINES
        case (Deep(),):
            return True
        case _:
            return False
