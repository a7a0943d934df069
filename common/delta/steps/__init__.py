"""What can have been done to a picture, one step at a time: the words in which an edit is told.

A step computes with integers alone. It can be asked for a window of its outcome, and says which window of its input that
needs, so that a search tries an edit on a few small places. The numbers in `STEPS` are in deltas on disks: they stay for
ever, and so does what a step computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from common.delta.steps.blend import Blend
from common.delta.steps.boxes import BoxBlur
from common.delta.steps.deep import Curve, Deep, Modulate, Unsharp
from common.delta.steps.flow import Flow
from common.delta.steps.geometry import Border, Crop, Turn
from common.delta.steps.resize import Resize
from common.delta.steps.step import Shape, Step, Window, whole
from common.delta.steps.tone import Grey, LookUp, Mix
from common.delta.steps.warp import Warp

STEPS: Mapping[int, type[Step]] = MappingProxyType(
    {
        1: Turn,
        2: Crop,
        3: Border,
        4: Resize,
        5: LookUp,
        6: Mix,
        7: Grey,
        8: Deep,
        9: Warp,
        10: Flow,
        11: Blend,
        12: BoxBlur,
    }
)

__all__ = [
    "STEPS",
    "Blend",
    "Border",
    "BoxBlur",
    "Crop",
    "Curve",
    "Deep",
    "Flow",
    "Grey",
    "LookUp",
    "Mix",
    "Modulate",
    "Resize",
    "Shape",
    "Step",
    "Turn",
    "Unsharp",
    "Warp",
    "Window",
    "whole",
]
