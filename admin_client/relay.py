"""A TCP relay that counts what passes: it stands for the link between two sites in a demonstration.

It forwards bytes as they are and reads no further than it can write, so back pressure reaches the sender as it would
without it. The TLS inside is not touched, so what it counts is what a link would carry above TCP.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_PIECE_BYTES = 256 * 1024


class CountingRelay:
    """Listens on a loopback port and forwards each connection to a target. An async context; counts stay readable after."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.sent_bytes = 0
        """From those who connect towards the target."""
        self.received_bytes = 0
        """From the target back."""

    @property
    def port(self) -> int:
        """The loopback port that it listens on."""
        assert self._server is not None, "the relay listens only inside its context"  # noqa: S101 - a caller's bug
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None, "entered before"  # noqa: S101 - the context protocol
        self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task"  # noqa: S101 - asyncio's contract
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer, outward=True))
                both.create_task(self._pump(far_reader, writer, outward=False))
        except* OSError:
            # Either side hung up: the other learns it by the same means.
            pass
        finally:
            writer.close()
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            if outward:
                self.sent_bytes += len(piece)
            else:
                self.received_bytes += len(piece)
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
