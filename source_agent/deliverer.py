"""Keeps a connection to the destination and delivers over it, dialling again after every failure with full jitter.

What waiting cures (nobody there, a cut, a full disk) is retried for ever by the daemon and for the operator's patience by
`once`. What waiting does not cure (a wrong certificate or protocol) ends `once` at once; the daemon goes on asking, slowly,
since certificates are mended without restarting it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from common.clock import Clock
from common.database import DatabaseError
from common.errors import IllegalTransition, SmarterError, TransientError
from common.logs import get
from common.metrics import LINK_FAILURES
from common.retry import Backoff
from common.tls import TlsFiles, stamp
from source_agent.link import ask_name, connected
from source_agent.scheduler import STREAMS
from source_agent.sender import Sender
from source_agent.tools import Tools

RENEWAL_CHECK_S = 30.0
RENEWED = "certificates were renewed"

_log = get("source.deliverer")


@dataclass(slots=True)
class Deliverer:
    """The sending half of an agent."""

    address: str
    files: TlsFiles
    server_name: str | None
    tools: Tools
    clock: Clock
    connected_to: str = ""
    """The destination's name while a connection stands."""
    error: str = ""
    """Why there is none."""
    _backoff: Backoff = field(default_factory=Backoff)

    async def run(self, *, finished: Callable[[], bool], gives_up: bool) -> None:
        """Delivers until all is delivered and `finished()`; a daemon's is never finished.

        Errors: DatabaseError; where `gives_up`, also whatever a call ended with that waiting does not cure.
        """
        while True:
            try:
                return await self._one_connection(finished)
            except (DatabaseError, IllegalTransition):
                raise  # our own fault: dialling again would not mend it
            except SmarterError as error:
                self._failed(error)
                if gives_up and not isinstance(error, TransientError):
                    raise
                cap = self._backoff.next_delay_s()
                await self.clock.sleep(cap if isinstance(error, TransientError) else self._backoff.cap_s)
            finally:
                self.connected_to = ""

    async def _one_connection(self, finished: Callable[[], bool]) -> None:
        name = self.server_name or await self._learned_name()
        async with connected(self.address, self.files, server_name=name, n_uploads=len(STREAMS)) as connection:
            self.connected_to, self.error, self.tools.tally.problem = connection.agent, "", ""
            _log.info("destination_connected", address=self.address, destination=connection.agent)
            before = self.tools.tally.progress_s
            renewal = asyncio.create_task(self._renewed())
            delivery = asyncio.create_task(Sender(self.tools, connection).run(finished=finished))
            try:
                done, _ = await asyncio.wait({renewal, delivery}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (renewal, delivery):
                    task.cancel()
                await asyncio.gather(renewal, delivery, return_exceptions=True)
                if self.tools.tally.progress_s > before:
                    self._backoff.reset()

    async def _learned_name(self) -> str:
        """The destination's name as remembered from its first answer. Errors: TransientError, PeerError."""
        journal = self.tools.journal
        known = await asyncio.to_thread(journal.meta, "destination")
        if not known:
            known = await ask_name(self.address, self.files)
            await asyncio.to_thread(journal.set_meta, "destination", known)
        return known

    async def _renewed(self) -> None:
        """Ends the connection when our certificate files change. Errors: TransientError, which dials again."""
        before = stamp(self.files)
        while stamp(self.files) == before:
            await self.clock.sleep(RENEWAL_CHECK_S)
        raise TransientError(RENEWED)

    def _failed(self, error: SmarterError) -> None:
        LINK_FAILURES.labels(type(error).__name__).inc()
        told_before, self.error = self.error, str(error)
        if str(error) != told_before:
            _log.warning("destination_lost", address=self.address, reason=str(error))
        self.tools.tally.problem = str(error)
