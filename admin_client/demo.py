"""`smarter demo`: the main job on one machine, with nothing simulated but the distance.

1. A PKI, the least configuration of both agents, and the sample library (or the user's pictures) are laid out.
2. `smarter-dest run` starts; a counting relay stands before it for the link.
3. `smarter-source once --drain` replicates through the relay.
4. Everything is restored through the destination's admin socket, and compared path by path with the source.
Both agents are the installed programs in processes of their own. A failure leaves the state directory as it is where the
caller named one; a temporary one is removed in every case.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from admin_client.client import AgentClient
from admin_client.comparison import differences
from admin_client.endpoints import Endpoint
from admin_client.pki import issue_pki
from admin_client.progress import Progress
from admin_client.relay import CountingRelay
from admin_client.report import RestoreReport
from admin_client.restoring import RestoreRequest, restore
from admin_client.sample import write_sample
from common.clock import SystemClock, monotonic_s
from common.errors import SmarterError, TransientError
from common.model import Selection
from common.tls import PeerRole

SOURCE = "lisbon-1"
DEST = "oslo-1"
POLICY = "photos"
_READY_S = 30.0
_STOP_S = 15.0
_CLASSES = {"representatives": "whole", "approximations": "approximations", "deltas": "deltas", "chunks": "chunks"}
"""The demonstration's words for the classes of payload that the source counts."""

_SOURCE_YAML = """\
version: 1
agent: {{name: {source}, state: ./state-a}}
tls: {{ca: pki/ca.pem, cert: pki/{source}.pem, key: pki/{source}.key}}
destination: {{address: "127.0.0.1:{port}"}}
admin: {{socket: ./source.sock}}
policies:
  - {{name: {policy}, roots: [{root}]}}
"""
_DEST_YAML = """\
version: 1
agent: {{name: {dest}, state: ./state-b}}
tls: {{ca: pki/ca.pem, cert: pki/{dest}.pem, key: pki/{dest}.key}}
listen: "127.0.0.1:{port}"
admin: {{socket: ./dest.sock}}
store: {{kind: files, path: ./objects}}
"""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demonstration showed. Bytes on the wire are those above TCP, both directions."""

    files: int
    logical_bytes: int
    wire_bytes: dict[str, int]
    """By class; `protocol` is everything that is no payload: offers, receipts, framing, TLS."""
    total_wire_bytes: int
    seconds: float
    restored: RestoreReport
    differing: list[str] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether the restored tree is the original in bytes and metadata, nothing left out."""
        return not self.differing and not self.refused and not self.restored.damaged

    def as_json(self) -> dict[str, Any]:
        """The report as the command prints it."""
        return {
            "files": self.files,
            "logical_bytes": self.logical_bytes,
            "wire_bytes": self.wire_bytes | {"total": self.total_wire_bytes},
            "seconds": round(self.seconds, 3),
            "restored_equal": self.is_equal,
            "differences": self.differing,
            "refused": self.refused,
            "restore": self.restored.as_json(),
        }


async def run_demo(state: Path, *, photos: Path | None, progress: Progress) -> DemoReport:
    """Runs the demonstration in an empty directory. `photos`, an absolute path, is replicated instead of the sample.

    Errors: SmarterError where an agent cannot be started or fails, with the end of what it wrote; OSError.
    """
    progress.stage("Laying out certificates, configuration and library")
    library = photos or state / "library"
    if photos is None:
        await asyncio.to_thread(write_sample, library)
    issue_pki(state / "pki", sources=[SOURCE], dests=[DEST])
    port = _free_port()
    (state / "dest.yaml").write_text(_DEST_YAML.format(dest=DEST, port=port))
    async with CountingRelay("127.0.0.1", port) as relay:
        root = json.dumps(str(library), ensure_ascii=False) if photos else "./library"
        source_yaml = _SOURCE_YAML.format(source=SOURCE, policy=POLICY, port=relay.port, root=root)
        (state / "source.yaml").write_text(source_yaml)
        async with _destination(state, progress):
            begun_s = monotonic_s()
            progress.stage("Replicating")
            once = await _replicate(state)
            seconds = monotonic_s() - begun_s
            restored = await asyncio.to_thread(_restore, state, progress)
    progress.stage("Comparing")
    differing = await asyncio.to_thread(differences, library, state / "restored")
    payload = {ours: int(once["sent_bytes"].get(theirs, 0)) for ours, theirs in _CLASSES.items()}
    total = relay.sent_bytes + relay.received_bytes
    return DemoReport(
        files=once["files"],
        logical_bytes=once["logical_bytes"],
        wire_bytes=payload | {"protocol": total - sum(payload.values())},
        total_wire_bytes=total,
        seconds=seconds,
        restored=restored,
        differing=differing,
        refused=[*once.get("refused", ()), *restored.as_json()["refused"]],
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program(name: str) -> str:
    """The agent's console command, which is installed beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not os.access(path, os.X_OK):
        raise SmarterError(f"{path} is missing: install the package first (`make demo` does)")
    return str(path)


@asynccontextmanager
async def _destination(state: Path, progress: Progress) -> AsyncIterator[None]:
    """Runs the destination agent while the block does; its log goes to dest.log in the state directory."""
    progress.stage("Starting the destination agent")
    with (state / "dest.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            _program("smarter-dest"),
            "run",
            "--config",
            str(state / "dest.yaml"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await _answering(process, state)
        yield
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _answering(process: asyncio.subprocess.Process, state: Path) -> None:
    """Returns when the agent answers on its admin socket. Errors: SmarterError where it ends or stays silent."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + _READY_S
    endpoint = _admin(state)
    while clock.monotonic_s() < deadline_s:
        if process.returncode is not None:
            raise SmarterError(f"smarter-dest ended with code {process.returncode}: {_tail(state / 'dest.log')}")
        if (state / "dest.sock").exists():
            with suppress(TransientError), AgentClient(endpoint) as client:
                await asyncio.to_thread(client.status)
                return
        await clock.sleep(0.05)
    raise SmarterError(f"smarter-dest did not answer within {_READY_S:.0f} s: {_tail(state / 'dest.log')}")


async def _replicate(state: Path) -> dict[str, Any]:
    with (state / "source.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            _program("smarter-source"),
            "once",
            "--config",
            str(state / "source.yaml"),
            "--drain",
            "--json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    try:
        once: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise SmarterError(f"smarter-source ended with code {process.returncode}: {_tail(state / 'source.log')}") from None
    return once


def _restore(state: Path, progress: Progress) -> RestoreReport:
    with AgentClient(_admin(state)) as client:
        return restore(client, RestoreRequest(Selection(policy=POLICY), state / "restored"), progress=progress)


def _admin(state: Path) -> Endpoint:
    return Endpoint(PeerRole.DESTINATION, f"unix:{state.resolve() / 'dest.sock'}")


def _tail(log: Path) -> str:
    text = log.read_text(errors="replace").strip()
    return "\n".join(text.splitlines()[-8:]) or "it wrote nothing"
