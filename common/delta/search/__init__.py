"""Which edit makes a target of a base: encoders look for it here, with floats, guesses and a budget; decoders only do it again.

First where in the base the target is, whatever its tones (`PLACES`), then what else was done to it (`SEARCHES`). Each search may
start from the best that those before it found. What is found is a row of integer steps, judged on a few pieces of the target: a
search that is wrong costs bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.search.found import EXACT, HOPELESS, Found
from common.delta.search.judges import Judge
from common.delta.search.placed import placed, turned
from common.delta.search.toned import looked_up, mixed
from common.errors import ContentError

Search = Callable[[Opened, Judge, Found | None], Found | None]
"""Something better than the best so far, or None."""

PLACES: Mapping[str, Search] = MappingProxyType(
    {
        "turned": turned,
        "placed": placed,
    }
)
SEARCHES: Mapping[str, Search] = MappingProxyType(
    {
        "looked_up": looked_up,
        "mixed": mixed,
    }
)


def best_edit(base: Opened, judge: Judge) -> Edit:
    """The best edit that the searches find. Errors: ContentError, `unsupported` where none brings the base near the target."""
    best = best_found(base, judge)
    if best is None or best.score >= HOPELESS:
        raise ContentError("unsupported", "nothing that is known makes the target of the base")
    return best.edit


def best_found(base: Opened, judge: Judge) -> Found | None:
    """The best of everything that was found, however bad."""
    best: Found | None = None
    for search in PLACES.values():
        found = search(base, judge, best)
        if found is not None and (best is None or found.promise < best.promise):
            best = found
        if best is not None and best.score < EXACT:
            return best
    for search in SEARCHES.values():
        found = search(base, judge, best)
        if found is not None and (best is None or found.score < best.score):
            best = found
        if best is not None and best.score < EXACT:
            break
    return best
