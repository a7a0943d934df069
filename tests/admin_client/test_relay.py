"""The relay forwards every byte, counts it, and passes the end of a connection on."""

from __future__ import annotations

import asyncio
import random

from admin_client.relay import CountingRelay


def test_what_passes_is_unchanged_and_counted() -> None:
    """Both directions, with the end of one while the other still flows."""
    sent = random.Random(1).randbytes(3_000_000)

    async def echo_backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1] + b"!")
        await writer.drain()
        writer.close()

    async def scenario() -> tuple[bytes, int, int]:
        server = await asyncio.start_server(echo_backwards, "127.0.0.1", 0)
        async with server, CountingRelay("127.0.0.1", server.sockets[0].getsockname()[1]) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            writer.write(sent)
            writer.write_eof()
            received = await reader.read()
            writer.close()
            return received, relay.sent_bytes, relay.received_bytes

    received, sent_bytes, received_bytes = asyncio.run(scenario())
    assert received == sent[::-1] + b"!"
    assert (sent_bytes, received_bytes) == (len(sent), len(sent) + 1)


def test_a_target_that_is_not_there_ends_the_connection() -> None:
    """The caller sees what it would see without a relay: a closed connection."""

    async def scenario() -> bytes:
        async with CountingRelay("127.0.0.1", 1) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            received = await reader.read()
            writer.close()
            return received

    assert asyncio.run(scenario()) == b""
