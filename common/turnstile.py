"""Waiting for one's turn: `common.buckets` in an event loop, on the agent's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from common.buckets import Turn, Turns
from common.clock import Clock

RECHECK_S = 1.0
"""Rates follow the wall clock, which may jump: nobody sleeps longer than this on what it said before."""


class Refused(Exception):
    """A turn will not come, as things are."""


class Turnstile:
    """Lets frames pass one after another. One event loop's."""

    def __init__(self, clock: Clock, ranks: Mapping[str, int], *, refresh: Callable[[float], Iterable[Turn]]) -> None:
        """`refresh` brings the rates of all buckets up to the monotonic time, and gives the turns that will not come."""
        self.turns = Turns(ranks)
        self._clock, self._refresh = clock, refresh
        self._passing: dict[Turn, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._letting: asyncio.Task[None] | None = None

    async def wait_for(self, turn: Turn) -> float:
        """Returns when the frame may go, with the seconds that it waited. Errors: Refused where it will not."""
        asked_s = self._clock.monotonic_s()
        passing = self._passing[turn] = asyncio.get_running_loop().create_future()
        self.turns.ask(turn)
        self._let_pass(asked_s)
        try:
            if not passing.done():
                self._changed.set()
                if self._letting is None or self._letting.done():
                    self._letting = asyncio.create_task(self._let_all_pass())
            await passing
        finally:
            self._passing.pop(turn, None)
            self.turns.withdraw(turn)
        return self._clock.monotonic_s() - asked_s

    def change(self) -> None:
        """Rates, or what is held, are others now."""
        self._changed.set()

    def _let_pass(self, now_s: float) -> None:
        for refused in self._refresh(now_s):
            if (waiting := self._passing.get(refused)) is not None and not waiting.done():
                self.turns.withdraw(refused)
                waiting.set_exception(Refused())
        while (turn := self.turns.grant(now_s)) is not None:
            if not (passing := self._passing[turn]).done():
                passing.set_result(None)

    async def _let_all_pass(self) -> None:
        while self._passing:
            self._changed.clear()
            now_s = self._clock.monotonic_s()
            self._let_pass(now_s)
            wait_s = min(RECHECK_S, self.turns.next_s(now_s) - now_s)
            waits = [asyncio.create_task(self._changed.wait()), asyncio.create_task(self._clock.sleep(wait_s))]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
