"""Charts as SVG, drawn here: bands stacked over time. Colours are the style sheet's, by the class of a band."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from admin_client.output import duration_text

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 10, 12, 26
_STEPS = 4


def stacked(
    title: str, times_s: Sequence[float], bands: Sequence[tuple[str, Sequence[float]]], unit: Callable[[float], str]
) -> str:
    """Bands (their names and a value for each time) stacked from below; the last time is now. Needs two times.

    `unit` writes a value for people. The title is what a screen reader says of it.
    """
    totals = [sum(values[at] for _, values in bands) for at in range(len(times_s))]
    top = _STEPS * _round_step(max(totals) / _STEPS)
    span_s = max(times_s[-1] - times_s[0], 1e-3)
    xs = [_LEFT + (at_s - times_s[0]) / span_s * (WIDTH - _LEFT - _RIGHT) for at_s in times_s]

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    drawn, below = [], [0.0] * len(times_s)
    for name, values in bands:
        above = [low + value for low, value in zip(below, values, strict=True)]
        edge = [f"{x:.1f},{y(value):.1f}" for x, value in zip(xs, above, strict=True)]
        back = [f"{x:.1f},{y(value):.1f}" for x, value in zip(xs[::-1], below[::-1], strict=True)]
        drawn.append(f'<polygon class="band {escape(_class(name))}" points="{" ".join(edge + back)}"/>')
        below = above
    for step in range(_STEPS + 1):
        value = top * step / _STEPS
        drawn.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        drawn.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{escape(unit(value))}</text>')
    drawn.append(f'<text x="{_LEFT}" y="{HEIGHT - 8}">{escape(duration_text(span_s))} ago</text>')
    drawn.append(f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 8}" text-anchor="end">now</text>')
    now = ", ".join(f"{name} {unit(values[-1])}" for name, values in bands)
    head = f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{escape(f"{title}. Now: {now}")}">'
    return head + "".join(drawn) + "</svg>"


def _round_step(least: float) -> float:
    """The next 1, 2 or 5 with zeros, so that the lines have short numbers; 1 at least."""
    power = 10 ** math.floor(math.log10(max(least, 1.0)))
    return next(float(step * power) for step in (1, 2, 5, 10) if step * power >= least)


def legend_class(name: str) -> str:
    """The style class of a band."""
    return _class(name)


def _class(name: str) -> str:
    return f"band-{name.replace(' ', '-')}"
