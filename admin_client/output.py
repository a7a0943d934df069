"""Results on stdout: one JSON object, or text whose names cannot take over a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def print_json(value: Mapping[str, Any], *, flush: bool = False) -> None:
    """Prints one JSON object and nothing else; where more will follow, it is `flush`ed to whoever reads."""
    sys.stdout.write(_json(value) + "\n")
    if flush:
        sys.stdout.flush()


def print_json_list(key: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Prints one JSON object with a list that may be too long for memory; nothing at all where its first item fails."""
    separator = "{" + json.dumps(key) + ": [\n"
    for item in items:
        sys.stdout.write(separator + _json(item))
        separator = ",\n"
    sys.stdout.write("]}\n" if separator == ",\n" else separator.rstrip() + "]}\n")


def _json(value: Any) -> str:
    """JSON on one line; characters that a terminal would obey are escaped as JSON has it, so the value stays the same."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def size_text(n_bytes: float) -> str:
    """A size for people, in powers of 1024."""
    value, unit = float(n_bytes), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value /= _STEP
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def duration_text(seconds: float) -> str:
    """A duration for people: its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"
