"""`smarter-source` as an operator and a script meet it: words, exit codes, and one JSON object on stdout."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.lifecycle import StateLock
from common.model import Refusal, RefusalCode
from source_agent.schema import UPGRADES
from tests.fakes import pictures
from tests.fakes.pki import DEST, SOURCE, make_pki, tls_files
from tests.fakes.scripted import Script, serve
from tests.fakes.working import until

NOBODY_THERE = 1


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Site:
    """A folder with everything that the command needs."""

    place: Path
    script: Script
    port: int

    @property
    def library(self) -> Path:
        """The watched folder."""
        return self.place / "library"

    def configure(self, *, port: int | None = None, name: str = SOURCE, policy: str = "", more: str = "") -> Path:
        """Writes the least configuration, and what a test adds."""
        path = self.place / "source.yaml"
        path.write_text(
            f"version: 1\n"
            f"agent: {{name: {name}, state: ./state}}\n"
            f"tls: {{ca: pki/ca.pem, cert: pki/{SOURCE}.pem, key: pki/{SOURCE}.key}}\n"
            f'destination: {{address: "127.0.0.1:{port or self.port}"}}\n'
            f"admin: {{socket: ./source.sock}}\n"
            f"policies:\n"
            f"  - {{name: photos, roots: [./library]{policy}}}\n"
            f"patience: 1s\n{more}"
        )
        return path


async def started(*arguments: str | Path) -> asyncio.subprocess.Process:
    """The command, running."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from source_agent.cli import main; main()", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Waits for a command's end."""
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def command(*arguments: str | Path) -> Ended:
    """Runs a command to its end; no error is ever shown as a traceback."""
    result = await ended(await started(*arguments))
    assert "Traceback" not in result.err
    return result


def at_site(tmp_path: Path, deed: Callable[[Site], Awaitable[None]], *, script: Script | None = None) -> None:
    """Does a deed where a scripted destination listens."""

    async def run() -> None:
        pki = make_pki(tmp_path / "pki")
        playing = script or Script()
        server, port = await serve(playing, tls_files(pki, DEST))
        (tmp_path / "library").mkdir()
        try:
            await deed(Site(tmp_path, playing, port))
        finally:
            await server.stop(None)

    asyncio.run(run())


def test_check_says_that_a_configuration_is_good(tmp_path: Path) -> None:
    """And ends with 0."""

    async def deed(site: Site) -> None:
        result = await command("check", "--config", site.configure())
        assert (result.code, result.out.strip().endswith("source.yaml: good")) == (0, True)

    at_site(tmp_path, deed)


@pytest.mark.parametrize("verb", ["check", "once", "run"])
def test_every_mistake_of_a_configuration_is_said_at_once(tmp_path: Path, verb: str) -> None:
    """With 78, on stderr; nothing is begun."""

    async def deed(site: Site) -> None:
        path = site.configure(policy=", settel: 1s", more="nonsense: 1\n")
        result = await command(verb, "--config", path)
        assert (result.code, result.out) == (78, "")
        assert "settel" in result.err
        assert "nonsense" in result.err
        assert not (tmp_path / "state").exists()

    at_site(tmp_path, deed)


def test_a_missing_file_and_anothers_certificate_are_mistakes_of_configuration(tmp_path: Path) -> None:
    """78 as well."""

    async def deed(site: Site) -> None:
        missing, others = await asyncio.gather(
            command("check", "--config", tmp_path / "none.yaml"), command("check", "--config", site.configure(name="porto-1"))
        )
        assert (missing.code, others.code) == (78, 78)
        assert "none.yaml" in missing.err
        assert "smarter://source/lisbon-1" in others.err

    at_site(tmp_path, deed)


@pytest.mark.parametrize("arguments", [["once"], ["nonsense"], ["once", "--config", "x", "--nonsense"]])
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    """As every command of the house does."""
    assert asyncio.run(command(*arguments)).code == 2


def test_once_delivers_and_says_what_it_did_in_one_object(tmp_path: Path) -> None:
    """A second run has nothing to send."""

    async def deed(site: Site) -> None:
        (site.library / "a.jpg").write_bytes(pictures.jpeg(1, (320, 240)))
        (site.library / "copy.jpg").write_bytes(pictures.jpeg(1, (320, 240)))
        (site.library / "text").write_bytes(b"some text, and some more\n" * 500)
        os.mkfifo(site.library / "fifo")
        first = await command("once", "--json", "--config", site.configure())
        assert first.code == 0, first.err
        assert first.out.count("\n") == 1
        summary = json.loads(first.out)
        assert set(summary["sent_bytes"]) == {"offers", "whole", "approximations", "deltas", "chunks", "other"}
        counted = {key: summary[key] for key in ("files", "versions", "representatives", "members", "exact_duplicates")}
        assert counted == {"files": 3, "versions": 5, "representatives": 1, "members": 0, "exact_duplicates": 1}
        assert summary["logical_bytes"] == sum(path.stat().st_size for path in site.library.iterdir() if path.is_file())
        assert 0 < summary["sent_bytes"]["whole"] < summary["logical_bytes"]
        assert (summary["unreadable"], summary["refused"], summary["skipped"]) == ([], [], [])
        assert summary["seconds"] > 0
        assert summary["cpu_seconds"] > 0
        assert set(site.script.holds()) == {b"a.jpg", b"copy.jpg", b"text"}
        second = json.loads((await command("once", "--drain", "--json", "--config", site.configure())).out)
        assert (second["files"], second["versions"], second["sent_bytes"]["whole"]) == (3, 0, 0)
        plain = await command("once", "--config", site.configure())
        assert plain.code == 0
        assert "3 files; 0 versions delivered" in plain.out

    at_site(tmp_path, deed)


def test_a_drain_is_in_no_hurry(tmp_path: Path) -> None:
    """What it sends is made as small as it can be; another single run sends what it finds as the link goes."""

    async def deed(site: Site) -> None:
        for seed, name, options in ((1, b"a.jpg", ["--drain"]), (2, b"b.jpg", [])):
            (site.library / name.decode()).write_bytes(pictures.jpeg(seed, (640, 480)))
            assert (await command("once", *options, "--config", site.configure())).code == 0
            sent = [(u.begin.version.path, u.begin.coding) for u in site.script.uploaded]
            assert sent[-1] == (name, "jpeg" if options else "lepton")

    at_site(tmp_path, deed)


def test_files_that_could_not_go_are_each_named(tmp_path: Path) -> None:
    """3: done in part. Refused there, or unreadable here; the others went."""

    async def deed(site: Site) -> None:
        (site.library / "refused").write_bytes(b"x")
        (site.library / "too large").write_bytes(bytes(2000))
        (site.library / "good").write_bytes(b"y")
        result = await command("once", "--json", "--config", site.configure(policy=", max_file_bytes: 1000"))
        summary = json.loads(result.out)
        assert result.code == 3
        assert [(r["path"], r["root"], r["reason"]) for r in summary["refused"]] == [("refused", "library", "invalid: no")]
        (unreadable,) = summary["unreadable"]
        assert unreadable.endswith("library/too large: 2000 bytes: the policy takes at most 1000")
        assert set(site.script.holds()) == {b"good"}

    at_site(tmp_path, deed, script=Script(uploads={b"refused": [Refusal(RefusalCode.INVALID, "no")]}))


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    """3, and nothing of it counts as deleted."""

    async def deed(site: Site) -> None:
        (site.library / "a").write_bytes(b"x")
        await command("once", "--config", site.configure())
        site.library.rename(tmp_path / "away")
        result = await command("once", "--json", "--config", site.configure())
        assert result.code == 3
        assert "No such file" in json.loads(result.out)["unreadable"][0]
        assert set(site.script.holds()) == {b"a"}

    at_site(tmp_path, deed)


def test_nobody_there_ends_with_twenty_when_patience_does(tmp_path: Path) -> None:
    """What was found is journalled, and goes with the next run."""

    async def deed(site: Site) -> None:
        (site.library / "a").write_bytes(b"x")
        result = await command("once", "--json", "--config", site.configure(port=NOBODY_THERE))
        assert (result.code, result.out) == (20, "")
        assert "gave up after" in result.err
        assert f"127.0.0.1:{NOBODY_THERE}" in result.err
        assert (await command("once", "--config", site.configure())).code == 0
        assert set(site.script.holds()) == {b"a"}

    at_site(tmp_path, deed)


def test_a_destination_of_another_authority_ends_with_twenty_at_once(tmp_path: Path) -> None:
    """Patience is for what waiting cures."""

    async def deed(site: Site) -> None:
        server, port = await serve(Script(), tls_files(make_pki(tmp_path / "strange"), DEST))
        result = await command("once", "--config", site.configure(port=port))
        await server.stop(None)
        assert result.code == 20
        assert "TLS handshake refused" in result.err

    at_site(tmp_path, deed)


def test_a_state_in_use_is_said_with_who_uses_it(tmp_path: Path) -> None:
    """1: two processes on one journal would be two truths."""

    async def deed(site: Site) -> None:
        (tmp_path / "state").mkdir()
        lock = StateLock(tmp_path / "state")
        result = await command("once", "--config", site.configure())
        lock.release()
        assert result.code == 1
        assert f"in use by process {os.getpid()}" in result.err

    at_site(tmp_path, deed)


def test_a_journal_of_a_newer_program_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """1, and the file is left alone."""

    async def deed(site: Site) -> None:
        (tmp_path / "state").mkdir()
        with closing(sqlite3.connect(tmp_path / "state/journal.sqlite")) as db:
            db.execute(f"PRAGMA user_version={len(UPGRADES) + 1}")
        result = await command("once", "--config", site.configure())
        assert result.code == 1
        assert "newer version of this program" in result.err

    at_site(tmp_path, deed)


def test_the_daemon_delivers_what_appears_and_ends_when_told(tmp_path: Path) -> None:
    """Its socket is its owner's alone; SIGTERM is a clean end."""

    async def deed(site: Site) -> None:
        process = await started("run", "--config", site.configure())
        socket = tmp_path / "source.sock"
        await until(socket.exists)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        await until(lambda: site.script.hellos == 1)
        (site.library / "a").write_bytes(b"x")
        await until(lambda: b"a" in site.script.holds())
        (site.library / "a").unlink()
        await until(lambda: site.script.recorded[-1].kind == "absent" or site.script.recorded[-2].kind == "absent")
        process.send_signal(signal.SIGTERM)
        result = await ended(process)
        assert (result.code, result.out) == (0, "")
        assert "source_stopped" in result.err
        assert "Traceback" not in result.err

    at_site(tmp_path, deed)


def test_an_interrupted_run_ends_with_130(tmp_path: Path) -> None:
    """Ctrl-C while it waits for a destination that is full."""

    async def deed(site: Site) -> None:
        (site.library / "a").write_bytes(b"x")
        process = await started("once", "--config", site.configure())
        await until(lambda: bool(site.script.uploaded))
        process.send_signal(signal.SIGINT)
        result = await ended(process)
        assert (result.code, result.out) == (130, "")

    at_site(tmp_path, deed, script=Script(uploads={b"a": [Refusal(RefusalCode.NO_SPACE, "full")] * 9}))
