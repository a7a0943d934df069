"""Where the time of a delta goes: functions of the product that are watched from outside, while somebody asks.

What a function takes is counted once, for the part whose name is outermost: what a search renders is search, and all that a proof
does is proof. Files are taken apart and decoded for whoever comes first and then kept, so that is counted by itself.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import process_time
from types import MappingProxyType
from typing import Any

from common import coding, delta
from common.delta import edits, search
from common.kernel import jpeg, mixing, pixels

PARTS: Mapping[str, tuple[Callable[..., Any], ...]] = MappingProxyType(
    {
        "parse": (jpeg.parse,),
        "pixels": (pixels.decode_pixels,),
        "search": (search.best_edit,),
        "render": (edits.render,),
        "expect": (pixels.expect,),
        "code": (mixing.encode, mixing.decode),
        "emit": (jpeg.emit,),
        "prove": (delta._decodes,),
    }
)
"""Of an encoding; a decoding has some of them. The rest is what no part claims: bytes compared, matched and compressed."""
KEPT = ("parse", "pixels")


class Watch:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since_s = 0.0

    def watched(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time taken."""

        def timed(*args: Any, **options: Any) -> Any:
            if self._open and part not in KEPT:
                return function(*args, **options)
            self._turn()
            self._open.append(part)
            try:
                return function(*args, **options)
            finally:
                self._turn()
                self._open.pop()

        return timed

    def _turn(self) -> None:
        """What passed since the last turn belongs to the part that is open."""
        now_s = process_time()
        if self._open:
            self.spent_s[self._open[-1]] += now_s - self._since_s
        self._since_s = now_s


@contextmanager
def watching() -> Iterator[Watch]:
    """Counts until the end of the block, wherever the product has imported the functions to."""
    watch = Watch()
    homes = [module for name, module in list(sys.modules.items()) if name.startswith("common.")] + [coding]
    replaced = []
    for part, functions in PARTS.items():
        for function in functions:
            places = [(home, name) for home in homes for name, value in list(vars(home).items()) if value is function]
            replaced += [(home, name, function) for home, name in places]
            timed = watch.watched(part, function)
            for home, name in places:
                setattr(home, name, timed)
    try:
        yield watch
    finally:
        for home, name, function in replaced:
            setattr(home, name, function)
