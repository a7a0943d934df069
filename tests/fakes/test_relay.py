"""The relay is a measuring instrument: its rate, its delay and its cuts are what they say."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from common.clock import monotonic_s
from tests.fakes.relay import Relay, Shape


@contextlib.contextmanager
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets."""

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(65536):
                    connection.sendall(piece)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def there_and_back(connection: socket.socket, sent: bytes) -> float:
    """Seconds until everything sent has come back."""
    start_s = monotonic_s()

    def send() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(sent)

    writer = threading.Thread(target=send)
    writer.start()
    received = bytearray()
    while len(received) < len(sent):
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    writer.join()
    assert received == sent
    return monotonic_s() - start_s


def test_bytes_pass_unchanged_and_are_counted() -> None:
    """Without a shape it is only a counter."""
    with echo() as to, Relay(to) as relay, socket.create_connection(("127.0.0.1", relay.port)) as connection:
        there_and_back(connection, bytes(range(256)) * 1000)
        assert (relay.up.n_bytes, relay.down.n_bytes, relay.n_connections) == (256_000, 256_000, 1)


def test_a_round_trip_takes_its_time() -> None:
    """One byte, there and back."""
    with echo() as to, Relay(to, Shape(rtt_s=0.2)) as relay, socket.create_connection(("127.0.0.1", relay.port)) as connection:
        assert 0.2 <= there_and_back(connection, b"x") < 2


def test_the_rate_holds_over_a_transfer() -> None:
    """A megabyte through two megabytes a second."""
    with (
        echo() as to,
        Relay(to, Shape(rate_bytes_s=2e6)) as relay,
        socket.create_connection(("127.0.0.1", relay.port)) as connection,
    ):
        assert 0.5 <= there_and_back(connection, b"x" * 1_000_000) < 3


def test_a_cut_resets_and_the_next_connection_passes() -> None:
    """The scissors cut once."""
    with echo() as to, Relay(to) as relay:
        relay.cut_after(100_000)
        with socket.create_connection(("127.0.0.1", relay.port)) as connection, pytest.raises((OSError, AssertionError)):
            there_and_back(connection, b"x" * 10_000_000)
        assert relay.n_cuts == 1
        with socket.create_connection(("127.0.0.1", relay.port)) as connection:
            there_and_back(connection, b"x" * 300_000)


def test_a_link_that_is_down_resets_everyone() -> None:
    """Until it is up again."""
    with echo() as to, Relay(to) as relay:
        with (
            relay.down_for(),
            socket.create_connection(("127.0.0.1", relay.port)) as connection,
            pytest.raises((OSError, AssertionError)),
        ):
            there_and_back(connection, b"x")
        with socket.create_connection(("127.0.0.1", relay.port)) as connection:
            there_and_back(connection, b"x")
