"""A configuration that is read again: which keys are others than before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from common.config import Section


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The keys in which a configuration that was read again differs from the one before."""

    changed: tuple[str, ...]
    """Those that are in force now."""
    needs_restart: tuple[str, ...]
    """Those that only a restart takes over."""


def compared(old: Section, new: Section, *, live: Collection[str]) -> Reloaded:
    """The keys in which two configurations differ; `live` are the top-level ones that are taken over without a restart."""
    found = [(name, key) for name in type(new).model_fields for key in _differing(getattr(old, name), getattr(new, name), name)]
    return Reloaded(
        changed=tuple(key for name, key in found if name in live),
        needs_restart=tuple(key for name, key in found if name not in live),
    )


def _differing(old: object, new: object, key: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Section) and isinstance(new, Section) and type(old) is type(new):
        for name in type(new).model_fields:
            yield from _differing(getattr(old, name), getattr(new, name), f"{key}.{name}")
    elif isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for n, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differing(one, other, f"{key}[{n}]")
    else:
        yield key
