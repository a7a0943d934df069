"""Which edit makes a target of a base: encoders look for it here, with floats, guesses and a budget; decoders only do it again.

Each search in `SEARCHES` may start from the best that those before it found. What is found is a row of integer steps, judged on a
few pieces of the target: a search that is wrong costs bytes.
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

SEARCHES: Mapping[str, Search] = MappingProxyType(
    {
        "turned": turned,
        "placed": placed,
        "looked_up": looked_up,
        "mixed": mixed,
    }
)


def best_edit(base: Opened, judge: Judge) -> Edit:
    """The best edit that the searches find. Errors: ContentError, `unsupported` where none brings the base near the target."""
    best: Found | None = None
    for search in SEARCHES.values():
        found = search(base, judge, best)
        if found is not None and (best is None or found.score < best.score):
            best = found
        if best is not None and best.score < EXACT:
            break
    if best is None or best.score >= HOPELESS:
        raise ContentError("unsupported", "nothing that is known makes the target of the base")
    return best.edit
