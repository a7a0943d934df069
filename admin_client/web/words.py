"""What groups and their pictures are said to be on the page: figures and transforms as words."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from admin_client.output import size_text
from common.paths import printable

_ALL = 0.97
"""A picture that shows as much of its base shows all of it, as far as features tell."""
_SAME = 0.02
"""Scales that differ by less are one."""
_MOST_AREA = 1e4
_LEVEL_DEGREES = 1.0
_QUARTER = 90


class Affine(NamedTuple):
    """Takes (x, y) to (a x + b y + c, d x + e y + f), all in shares of width and height."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def area(self) -> float:
        """What it multiplies areas by; negative where it mirrors."""
        return self.a * self.e - self.b * self.d

    def undone(self) -> Affine:
        """The way back. Errors: ZeroDivisionError."""
        a, b, c, d, e, f = self
        return Affine(*(one / self.area for one in (e, -b, b * f - c * e, -d, a, c * d - a * f)))


def transform_words(picture: dict[str, Any], base_pixels: int | None) -> str:
    """How a picture was made of its base, as far as their features tell: `resized to 50 %, cropped, turned 90°`.

    `picture` is one of `AgentClient.group`; without `base_pixels` the size is not compared. Empty for what has no base.
    """
    base = picture["base"]
    if base is None:
        return ""
    if "transform" not in base:
        return _resized(picture["pixels"] / base_pixels if base_pixels else 1.0) or "the same at a glance"
    try:
        whole = Affine(*base["transform"])
        taken = whole if base["transform_from_base"] else whole.undone()
    except (TypeError, ZeroDivisionError):
        return "related"
    if not 1 / _MOST_AREA < abs(taken.area) < _MOST_AREA:  # also what is no number
        return "related"
    shown = 1 / abs(taken.area)
    done = [
        _resized(picture["pixels"] / base_pixels / shown if base_pixels else 1.0),
        f"cropped to {shown:.0%} of it" if shown < _ALL else f"enlarged around it by {shown - 1:.0%}" if shown * _ALL > 1 else "",
        "mirrored" if taken.area < 0 else "",
        _turned(taken),
    ]
    return ", ".join(filter(None, done)) or "the same size and frame"


def _resized(area: float) -> str:
    scale = math.sqrt(area)
    return "" if abs(scale - 1) < _SAME else f"resized to {100 * scale:.0f} %"


def _turned(taken: Affine) -> str:
    """Which way up. Of a similarity tan² = -bd / ae whatever the aspects of both pictures are."""
    a, b, d, e = taken.a, taken.b, taken.d, taken.e
    if taken.area < 0:
        a, d = -a, -d
    degrees = math.degrees(
        math.atan2(math.copysign(math.sqrt(max(0.0, -b * d)), d), math.copysign(math.sqrt(max(0.0, a * e)), a))
    )
    right = _QUARTER * round(degrees / _QUARTER)
    if abs(degrees - right) < _LEVEL_DEGREES:
        degrees = right
    if degrees == 0:
        return ""
    if abs(degrees) == 2 * _QUARTER:
        return "turned 180°"
    text = f"{abs(degrees):.0f}°" if degrees == right else f"{abs(degrees):.1f}°"
    return f"turned {text} {'clockwise' if degrees > 0 else 'anticlockwise'}"


def state_word(picture: dict[str, Any]) -> str:
    """`exact`, `approximate` or `not yet`: what the destination could give back now; `gone`, `refused` where nothing travels."""
    delta = picture["delta"]
    match picture["state"]:
        case "replicated":
            return "exact"
        case "quarantined":
            return "refused"
        case "" | "superseded":
            return "gone"
    return "approximate" if delta is not None and delta["announced"] else "not yet"


def saved_words(picture: dict[str, Any]) -> str:
    """What a delta saved or will save, if one is made."""
    delta = picture["delta"]
    if delta is None or not delta["bytes"] or delta["state"] not in {"encoded", "stored"}:
        return ""
    saved = max(0, picture["bytes"] - delta["bytes"])
    verb = "saved" if delta["state"] == "stored" else "will be saved"
    return f"{size_text(saved)} {verb}: a delta of {size_text(delta['bytes'])}"


def name_words(picture: dict[str, Any]) -> list[str]:
    """The paths of a picture, safe to be shown: the first one first, its digest where it has none."""
    told = [place_words(place) for place in picture["paths"]]
    if picture["n_paths"] > len(told) > 0:
        told.append(f"and {picture['n_paths'] - len(told)} more")
    if not told and picture["last_path"] is not None:
        told.append(f"{place_words(picture['last_path'])} (gone from there)")
    return told or [picture["digest"][:16]]


def place_words(place: dict[str, Any]) -> str:
    """A path with its root; what would turn or break the line is escaped."""
    return printable(f"{place['root']}/{place['path']}")
