"""Both agents on this machine, started as an operator starts them."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event

from admin_client.client import AgentClient
from admin_client.endpoints import Endpoint
from common.clock import monotonic_s
from common.errors import TransientError
from common.tls import PeerRole
from tests.bench.measured import Failed, Run, run

BIN = Path(sys.executable).parent
START_S = 30.0
_PAUSE = Event()


def pause(seconds: float) -> None:
    """Waits; the benchmark looks at real time."""
    _PAUSE.wait(seconds)


@dataclass(frozen=True, slots=True)
class Site:
    """A scratch folder with certificates, both configurations, and the ports in between."""

    folder: Path
    listen_port: int
    dest: subprocess.Popen[bytes]

    def configure_source(self, library: Path, *, port: int | None = None) -> None:
        """Writes source.yaml for a library; `port` where a relay stands in between."""
        (self.folder / "source.yaml").write_text(
            "version: 1\n"
            "agent: {name: lisbon-1, state: ./state-a}\n"
            "tls: {ca: pki/ca.pem, cert: pki/lisbon-1.pem, key: pki/lisbon-1.key}\n"
            f'destination: {{address: "127.0.0.1:{port or self.listen_port}", server_name: oslo-1}}\n'
            "admin: {socket: ./source.sock}\n"
            f"policies:\n  - {{name: photos, roots: [{json.dumps(str(library))}]}}\n"
        )

    def once(self) -> Run:
        """One `smarter-source once --json`. Errors: Failed."""
        return run([BIN / "smarter-source", "once", "--config", "source.yaml", "--json"], self.folder)

    def restore(self, to: Path, *options: str) -> Run:
        """One `smarter restore`. Errors: Failed."""
        dest = f"unix:{self.folder / 'dest.sock'}"
        return run(
            [BIN / "smarter", "restore", "--dest", dest, "--policy", "photos", "--to", to, "--json", *options], self.folder
        )

    @contextlib.contextmanager
    def source_running(self) -> Iterator[AgentClient]:
        """The source's daemon for the block, and a client of its admin socket. Errors: Failed."""
        with (
            _daemon("smarter-source", "source.yaml", self.folder),
            AgentClient(Endpoint(PeerRole.SOURCE, f"unix:{self.folder / 'source.sock'}")) as client,
        ):
            deadline_s = monotonic_s() + START_S
            while not _connected(client):
                if monotonic_s() > deadline_s:
                    raise Failed("the source did not reach the destination")
                pause(0.1)
            yield client


def _connected(client: AgentClient) -> bool:
    try:
        return bool(client.status()["connected"])
    except TransientError:
        return False


def receipt_ns(client: AgentClient) -> int:
    """When the source got its last receipt, in nanoseconds since 1970; 0: never."""
    text = client.status()["last_receipt"]
    return int(datetime.fromisoformat(text).timestamp() * 1e6) * 1000 if text else 0


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A fresh site whose destination runs for the block. Errors: Failed."""
    folder.mkdir(parents=True)
    run([BIN / "smarter", "pki", "init", "pki", "--source", "lisbon-1", "--dest", "oslo-1"], folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "dest.yaml").write_text(
        "version: 1\n"
        "agent: {name: oslo-1, state: ./state-b}\n"
        "tls: {ca: pki/ca.pem, cert: pki/oslo-1.pem, key: pki/oslo-1.key}\n"
        f'listen: "127.0.0.1:{port}"\n'
        "admin: {socket: ./dest.sock}\n"
        "store: {kind: files, path: ./objects}\n"
    )
    with _daemon("smarter-dest", "dest.yaml", folder) as dest:
        deadline_s = monotonic_s() + START_S
        while not _listens(port):
            if monotonic_s() > deadline_s or dest.poll() is not None:
                raise Failed(f"the destination did not start:\n{(folder / 'smarter-dest.log').read_text()[-2000:]}")
            pause(0.05)
        yield Site(folder, port, dest)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


@contextlib.contextmanager
def _daemon(program: str, config: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{program}.log").open("ab") as log:
        process = subprocess.Popen(
            [BIN / program, "run", "--config", config], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
