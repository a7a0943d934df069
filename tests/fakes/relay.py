"""A TCP relay with a rate, a round-trip time and a pair of scissors: the long link between two sites, on one machine.

Each direction is a pipe of its own: bytes leave it at `rate`, one after another, and arrive half a round trip later. What
waits to enter it is bounded, so a sender feels the pipe as it would feel a router's queue. It counts what passed and what
it cut, so a test can prove that its fault happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from common.clock import monotonic_s

T = TypeVar("T")

PIECE_BYTES = 16 * 1024
QUEUE_S = 0.1
"""How much time's worth of bytes may wait to enter the pipe."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the link is like."""

    rate_bytes_s: float = 0.0
    """Of each direction; 0: as fast as the machine."""
    rtt_s: float = 0.0


@dataclass(slots=True)
class Pipe:
    """One direction: when its entrance is next free, and what went in when."""

    free_at_s: float = 0.0
    n_bytes: int = 0
    passed: list[tuple[float, int]] = field(default_factory=list)
    """(monotonic seconds, bytes until then), one for each piece."""

    def send(self, n_bytes: int, now_s: float, shape: Shape) -> float:
        """Takes a piece in; the time at which it has arrived."""
        start_s = max(now_s, self.free_at_s)
        self.free_at_s = start_s + (n_bytes / shape.rate_bytes_s if shape.rate_bytes_s else 0.0)
        self.n_bytes += n_bytes
        self.passed.append((self.free_at_s, self.n_bytes))
        return self.free_at_s + shape.rtt_s / 2


class Relay:
    """Listens on a free port of 127.0.0.1 and passes on to `to`, in a thread of its own, while used as a context."""

    def __init__(self, to: tuple[str, int], shape: Shape | None = None) -> None:
        self.shape = shape or Shape()
        self.up, self.down = Pipe(), Pipe()
        self.port = 0
        self.n_cuts = 0
        self.n_connections = 0
        self._to = to
        self._cut_at_bytes: int | None = None
        self._refusing = False
        self._open: set[asyncio.WriteTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Resets every connection at once; new ones are taken."""
        self._run(self._cut())

    def cut_after(self, n_bytes: int) -> None:
        """Cuts once, when `n_bytes` more have gone up."""
        self._cut_at_bytes = self.up.n_bytes + n_bytes

    @contextlib.contextmanager
    def down_for(self) -> Iterator[None]:
        """A link that is down for the block: connections are reset, new ones too."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _stop(self) -> None:
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _cut(self) -> None:
        self.n_cuts += 1
        for transport in list(self._open):
            transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self.n_connections += 1
        ends = {writer.transport, far_writer.transport}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer, self.up), self._pump(far_reader, writer, self.down))
        except (OSError, asyncio.CancelledError):
            pass  # one end broke, or the relay ends: so does the other
        finally:
            self._open -= ends
            for transport in ends:
                transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pipe: Pipe) -> None:
        arriving: deque[tuple[float, bytes]] = deque()
        more = asyncio.Event()
        delivery = asyncio.create_task(_deliver(arriving, more, writer))
        try:
            while piece := await reader.read(PIECE_BYTES):
                now_s = monotonic_s()
                arriving.append((pipe.send(len(piece), now_s, self.shape), piece))
                more.set()
                if self._cut_at_bytes is not None and self.up.n_bytes >= self._cut_at_bytes:
                    self._cut_at_bytes = None
                    await self._cut()
                if (waits_s := pipe.free_at_s - now_s - QUEUE_S) > 0:
                    await asyncio.sleep(waits_s)
            arriving.append((pipe.free_at_s + self.shape.rtt_s / 2, b""))
            more.set()
            await delivery
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)


async def _deliver(arriving: deque[tuple[float, bytes]], more: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    while True:
        while not arriving:
            more.clear()
            await more.wait()
        due_s, piece = arriving.popleft()
        if (early_s := due_s - monotonic_s()) > 0:
            await asyncio.sleep(early_s)
        if not piece:
            writer.write_eof()
            return
        writer.write(piece)
        await writer.drain()
