"""A web server of one's own: it remembers who asked for what, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class Heard:
    """What was asked, in order, and where the server is."""

    port: int = 0
    status: int = 200
    paths: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def listening() -> Iterator[Heard]:
    """The server for the length of the block."""
    heard = Heard()

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.paths.append(self.path.removeprefix("/"))
            self.send_response(heard.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as server:
        heard.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield heard
        server.shutdown()
