"""Two real sites on this machine: both agents as processes, started, stopped and killed as an operator or a power cut would.

    with sites() as at:              certificates and the least configurations in a scratch folder; logs are shown on failure
        at.dest()                    smarter-dest run
        at.once()                    smarter-source once --json
        at.source()                  smarter-source run
        at.restore(), at.verify()    smarter restore, smarter verify

Every start takes a launcher: a module of tests.fakes and its arguments, run instead of the program, that plants a fault and
then becomes the program.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from admin_client.client import AgentClient
from admin_client.endpoints import Endpoint
from admin_client.pki import issue_pki
from common.clock import monotonic_s
from common.errors import SmarterError
from common.model import Entry, Selection
from common.tls import PeerRole
from source_agent.states import UNDELIVERED
from tests.fakes.compare import look_at
from tests.fakes.crashing import MARKER
from tests.fakes.schemas import check_output

HOUSE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOURCE = "lisbon-1"
DEST = "oslo-1"
POLICY = "photos"
START_S = 30.0
STOP_S = 20.0
RUN_S = 100.0
TAIL = 10
"""Lines of each log that a failure shows."""

Launcher = Sequence[str]
T = TypeVar("T")
_PAUSE = threading.Event()


def pause(seconds: float) -> None:
    """Waits; what runs in other processes runs in real time."""
    _PAUSE.wait(seconds)


def until(fact: Callable[[], T], what: str, *, seconds: float = 30.0) -> T:
    """Waits until something is so, and gives what `fact` gave. Errors: AssertionError saying what did not become so."""
    end_s = monotonic_s() + seconds
    while not (found := fact()):
        assert monotonic_s() < end_s, f"not within {seconds:.0f} s: {what}"
        pause(0.03)
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its standard output as the JSON that it must be."""
        return json.loads(self.stdout)

    @property
    def blew_up(self) -> bool:
        """Whether it showed a traceback of its own; gRPC's poller sometimes shows one while a program ends."""
        return self.stderr.count("Traceback") > self.stderr.count("PollerCompletionQueue._handle_events")


@dataclass(slots=True)
class Running:
    """A program that runs, and where it writes."""

    process: subprocess.Popen[bytes]
    out: Path
    log: Path
    marker: Path

    @property
    def fired(self) -> str:
        """What the launcher's fault left when it happened; empty before."""
        return self.marker.read_text() if self.marker.exists() else ""

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait(self, *, seconds: float = RUN_S) -> Ended:
        """How it ended by itself. Errors: AssertionError where it does not."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:.0f} s: {self.process.args!r}") from None
        return Ended(code, self.out.read_text(), self.log.read_text(errors="replace"))

    def killed(self, *, seconds: float = RUN_S) -> str:
        """Waits until it has killed itself, and gives the proof of where. Errors: AssertionError for any other end."""
        ended = self.wait(seconds=seconds)
        assert ended.code == -signal.SIGKILL, f"ended with {ended.code} instead of being killed: {ended.stderr[-2000:]}"
        assert self.fired, "killed by something else than its crash point"
        return self.fired

    def kill(self) -> None:
        """Ends it as a power cut does."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as systemd does; its exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return self.wait(seconds=STOP_S).code


@dataclass
class Sites:
    """Configurations, processes and the operator's commands. Use `sites()`."""

    folder: Path
    sources: tuple[str, ...] = (SOURCE,)
    port: int = 0
    """Where the destination listens."""
    admin_port: int = 0
    """Where a source listens for its operator, for whoever has looked."""
    policies: list[dict[str, Any]] = field(default_factory=list)
    in_source: Mapping[str, Any] = field(default_factory=dict)
    """What source.yaml has beside the least."""
    in_dest: Mapping[str, Any] = field(default_factory=dict)
    _started: list[Running] = field(default_factory=list)

    # files

    @property
    def library(self) -> Path:
        """The only root of the first source, unless `policies` says otherwise."""
        return self.library_of(SOURCE)

    def library_of(self, name: str) -> Path:
        """The root of a source."""
        return self.folder / ("library" if name == SOURCE else f"library-{name}")

    @property
    def pki(self) -> Path:
        """The folder of certificates."""
        return self.folder / "pki"

    @property
    def journal(self) -> Path:
        """The first source's truth."""
        return self.folder / f"state-{SOURCE}" / "journal.sqlite"

    @property
    def catalogue(self) -> Path:
        """The destination's truth."""
        return Path(self.in_dest.get("agent", {}).get("state", self.folder / "state-b")) / "catalogue.sqlite"

    @property
    def objects(self) -> Path:
        """The destination's bytes."""
        return Path(self.in_dest.get("store", {}).get("path", self.folder / "objects"))

    def lay_out(self) -> None:
        """Issues the certificates and writes the configurations."""
        issue_pki(self.pki, sources=self.sources, dests=[DEST])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        for name in self.sources:
            self.library_of(name).mkdir()
        self.dial(self.port)
        dest = {
            "version": 1,
            "agent": {"name": DEST, "state": "./state-b"},
            "tls": _tls(DEST),
            "listen": f"127.0.0.1:{self.port}",
            "admin": {"socket": "./dest.sock"},
            "store": {"kind": "files", "path": "./objects"},
        }
        (self.folder / "dest.yaml").write_text(json.dumps(_over(dest, self.in_dest)))

    def dial(self, port: int) -> None:
        """Has the sources dial another port: that of a relay, for example."""
        for name in self.sources:
            source = {
                "version": 1,
                "agent": {"name": name, "state": f"./state-{name}"},
                "tls": _tls(name),
                "destination": {"address": f"127.0.0.1:{port}"},
                "admin": {"socket": f"./{name}.sock"},
                "policies": self.policies or [{"name": POLICY, "roots": [str(self.library_of(name))]}],
            }
            # JSON is YAML.
            (self.folder / f"{name}.yaml").write_text(json.dumps(_over(source, self.in_source)))

    # agents

    def dest(self, *launcher: str, prefix: Sequence[str] = ()) -> Running:
        """Starts the destination and waits until it answers."""
        running = self.start("smarter-dest", "run", "--config", str(self.folder / "dest.yaml"), launcher=launcher, prefix=prefix)

        def answers() -> bool:
            assert running.is_alive, f"smarter-dest did not start: {running.log.read_text()[-2000:]}"
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
                return True
            return False

        until(answers, "smarter-dest answers", seconds=START_S)
        return running

    def source(self, *launcher: str, name: str = SOURCE) -> Running:
        """Starts a source's daemon."""
        return self.start("smarter-source", "run", "--config", str(self.folder / f"{name}.yaml"), launcher=launcher)

    def once_started(self, *launcher: str, name: str = SOURCE, prefix: Sequence[str] = ()) -> Running:
        """Starts one scan and delivery, and does not wait for it."""
        arguments = ("once", "--config", str(self.folder / f"{name}.yaml"), "--drain", "--json")
        return self.start("smarter-source", *arguments, launcher=launcher, prefix=prefix)

    def once(self, *launcher: str, name: str = SOURCE, code: int = 0) -> Any:
        """One scan and delivery; its JSON."""
        ended = self.once_started(*launcher, name=name).wait()
        assert ended.code == code, f"once ended with {ended.code}: {ended.stdout[-500:]} {ended.stderr[-2000:]}"
        return check_output("smarter-source-once", ended.json) if ended.stdout else {}

    def start(self, program: str, *arguments: str, launcher: Launcher = (), prefix: Sequence[str] = ()) -> Running:
        """Starts a program, behind a launcher where there is one, inside what `prefix` enters."""
        n = len(self._started)
        out, log, marker = (self.folder / f"{n:03}-{program}.{end}" for end in ("out", "log", "fired"))
        command = [str(BIN / program)] if not launcher else [sys.executable, "-m", *launcher, program]
        environment = os.environ | {MARKER: str(marker), "PYTHONPATH": str(HOUSE)}
        with out.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(
                [*prefix, *command, *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        running = Running(process, out, log, marker)
        self._started.append(running)
        return running

    # the operator

    def smarter(self, *arguments: str, launcher: Launcher = (), seconds: float = RUN_S) -> Ended:
        """Runs one of the operator's commands."""
        return self.start("smarter", *arguments, launcher=launcher).wait(seconds=seconds)

    @property
    def asks_dest(self) -> tuple[str, str]:
        """The option that reaches the destination."""
        return ("--dest", f"unix:{self.folder / 'dest.sock'}")

    def restore(self, *options: str, to: Path | None = None, policy: str = POLICY, code: int = 0) -> Path:
        """Restores into a new folder and gives it. Errors: AssertionError for another exit code than `code`."""
        to = to or Path(tempfile.mkdtemp(prefix="restored-", dir=self.folder))
        ended = self.smarter("restore", *self.asks_dest, "--policy", policy, "--to", str(to), "--json", *options)
        assert ended.code == code, f"restore ended with {ended.code}: {ended.stdout[-500:]} {ended.stderr[-2000:]}"
        return to

    def verify(self, *, code: int = 0) -> Any:
        """Has the destination prove everything; the JSON."""
        ended = self.smarter("verify", *self.asks_dest, "--json")
        assert ended.code == code, f"verify ended with {ended.code}: {ended.stdout[-500:]} {ended.stderr[-2000:]}"
        return ended.json

    def ls(self, *options: str) -> list[dict[str, Any]]:
        """What the destination lists."""
        ended = self.smarter("ls", *self.asks_dest, "--json", *options)
        assert ended.code == 0, ended.stderr[-2000:]
        entries: list[dict[str, Any]] = ended.json["entries"]
        return entries

    def entries(self) -> list[Entry]:
        """What the destination has now; without a process, for whoever asks often."""
        with AgentClient(Endpoint(PeerRole.DESTINATION, f"unix:{self.folder / 'dest.sock'}")) as client:
            return list(client.entries(Selection()))

    def mirrors(self, library: Path) -> bool:
        """Whether the destination has the paths of a library, no others, each with its size, mode and mtime."""
        here = {path: (look.size, look.mode, look.mtime_ns) for path, look in look_at(library).items()}
        versions = (entry.version for entry in self.entries())
        return here == {v.path: (v.size, v.attributes.mode * (v.kind != "symlink"), v.attributes.mtime_ns) for v in versions}

    def dest_status(self) -> dict[str, Any]:
        """The destination's status; empty while it does not answer."""
        return _status(PeerRole.DESTINATION, self.folder / "dest.sock")

    def source_status(self, name: str = SOURCE) -> dict[str, Any]:
        """A source's status; empty while it does not answer."""
        return _status(PeerRole.SOURCE, self.folder / f"{name}.sock")

    def caught_up(self, name: str = SOURCE) -> bool:
        """Whether a source's daemon has scanned, is connected, and knows of nothing that is not at the destination."""
        status = self.source_status(name)
        return bool(
            status
            and status["connected"]
            and status["last_rescan"]
            and not status["dirty"]
            and not any(status["versions_by_state"].get(state, 0) for state in UNDELIVERED)
        )

    # the end

    def end(self) -> None:
        """Kills what still runs."""
        for running in self._started:
            if running.is_alive:
                running.kill()

    def show_logs(self) -> None:
        """Prints the end of every log, for the report of a test that failed."""
        for running in self._started:
            lines = running.log.read_text(errors="replace").splitlines()
            print(f"--- {running.log.name}: code {running.process.returncode}, fired {running.fired!r}")  # noqa: T201
            print("\n".join(lines[-TAIL:]))  # noqa: T201


@contextmanager
def sites(
    *,
    sources: Sequence[str] = (SOURCE,),
    in_source: Mapping[str, Any] | None = None,
    in_dest: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Iterator[Sites]:
    """Two sites in a scratch folder, removed afterwards with all that runs there.

    `policy` is laid over the only policy of the (only) source, `in_source` and `in_dest` over the least configurations.
    The folder's name is short, for the path of a Unix socket is.
    """
    scratch = folder or Path(tempfile.mkdtemp(prefix="sites-"))
    at = Sites(scratch, tuple(sources), in_source=in_source or {}, in_dest=in_dest or {})
    if policy is not None:
        at.policies = [{"name": POLICY, "roots": [str(at.library)], **policy}]
    at.lay_out()
    try:
        yield at
    except BaseException:
        at.end()
        at.show_logs()
        raise
    finally:
        at.end()
        _remove(scratch)


def _tls(name: str) -> dict[str, str]:
    return {"ca": "pki/ca.pem", "cert": f"pki/{name}.pem", "key": f"pki/{name}.key"}


def _over(least: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` laid over `least`, section by section."""
    merged = dict(least)
    for key, value in more.items():
        merged[key] = _over(merged.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged


def _status(role: PeerRole, path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        with AgentClient(Endpoint(role, f"unix:{path}")) as client:
            return client.status()
    except SmarterError:
        return {}


def _remove(folder: Path) -> None:
    """Takes a scratch folder away, whatever its modes and the length of its paths."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)
