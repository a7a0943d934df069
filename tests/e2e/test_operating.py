"""The operator's verbs against both real daemons: what they print, in words and by its schema, and what they change."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import pictures
from tests.fakes.pki import DEST, SOURCE
from tests.fakes.schemas import check_output
from tests.fakes.sites import BIN, HOUSE, Ended, Sites, sites, until

LARGE = 300_000


class Operated:
    """Two sites with something of everything, and an operator."""

    def __init__(self, at: Sites, port: int) -> None:
        self.at = at
        self.port = port
        self.asks_source = ("--source", f"unix:{at.folder / f'{SOURCE}.sock'}")
        self.asks_both = (*self.asks_source, *at.asks_dest)

    def words(self, *arguments: str, code: int = 0) -> Ended:
        """Runs a verb."""
        ended = self.at.smarter(*arguments)
        assert ended.code == code, f"{arguments}: {ended}"
        assert not ended.blew_up
        return ended

    def json(self, *arguments: str, code: int = 0, schema: str = "") -> Any:
        """Runs a verb with --json; what it prints is what its schema says."""
        return check_output(f"smarter-{schema or arguments[0]}", self.words(*arguments, "--json", code=code).json)


@pytest.fixture(scope="module")
def site() -> Iterator[Operated]:
    """Both daemons, caught up with a library in which one file is larger than the destination takes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with sites(
        policy={"settle": "0.1s"},
        in_source={"admin": {"listen": f"127.0.0.1:{port}"}},
        in_dest={"limits": {"content_bytes": LARGE - 1}},
    ) as at:
        rng = random.Random(3)
        (at.library / "2026").mkdir()
        for n in range(6):
            (at.library / f"2026/{n}.jpg").write_bytes(pictures.jpeg(n))
        (at.library / "copy.jpg").write_bytes(pictures.jpeg(1))
        (at.library / "notes.txt").write_text("notes")
        (at.library / "large.bin").write_bytes(rng.randbytes(LARGE))
        (at.library / "link").symlink_to("notes.txt")
        (Path(os.fsdecode(os.fsencode(at.library) + b"/caf\xe9"))).write_text("latin")
        at.dest()
        at.source()
        until(at.caught_up, "the library is delivered", seconds=60)
        yield Operated(at, port)


def test_status_and_top_tell_both_sites(site: Operated) -> None:
    """In words, and by the schema; `top` line by line."""
    found = site.json("status", *site.asks_both)
    assert (found["source"]["agent"], found["dest"]["agent"]) == (SOURCE, DEST)
    assert [p["path"] for p in found["source"]["problems"]] == ["large.bin"]
    once = site.words("top", *site.asks_both, "--once")
    assert SOURCE in once.stdout
    assert "last drill" in once.stdout
    line = site.words("top", *site.asks_both, "--once", "--json").stdout
    check_output("smarter-top", json.loads(line))
    site.words("top", "--source", "unix:/nobody", "--once", code=20)


def test_versions_are_listed_and_what_was_set_aside_is_tried_again(site: Operated) -> None:
    """The file that is too large is refused, listed, tried again, and refused again."""
    everything = site.json("versions", *site.asks_source)["versions"]
    assert {"2026/0.jpg", "notes.txt", "caf\\xe9"} <= {v["path"] for v in everything}
    one = site.json("versions", *site.asks_source, "--path", "*.txt", "--fields", "path,state")["versions"]
    assert one == [{"path": "notes.txt", "state": "replicated"}]
    listed = site.words("versions", *site.asks_source, "--state", "replicated", "--limit", "3").stdout.splitlines()
    assert len(listed) == 3 + 1
    assert listed[-1].startswith("... and more")
    (problem,) = site.json("quarantine", *site.asks_source)["problems"]
    assert (problem["path"], bool(problem["seq"])) == ("large.bin", True)
    assert "refused" in site.words("quarantine", *site.asks_source).stdout
    assert site.json("retry", *site.asks_source, "--path", "*.jpg") == {"versions": 0, "paths": 0}
    assert site.json("retry", *site.asks_source, "--all") == {"versions": 1, "paths": 0}
    until(lambda: site.json("quarantine", *site.asks_source)["problems"], "it is refused again")
    site.words("retry", *site.asks_source, code=2)


def test_what_the_destination_holds_is_found_by_path_digest_and_time(site: Operated) -> None:
    """Also what was replaced and deleted since."""
    asks, path = site.at.asks_dest, site.at.library / "passing.txt"
    path.write_text("first")
    until(lambda: site.json("find", *asks, "--path", "passing.txt")["entries"], "it is delivered")
    path.write_text("second!")
    until(lambda: len(site.json("find", *asks, "--path", "passing.txt")["entries"]) > 1, "the change is delivered")
    path.unlink()
    until(
        lambda: site.json("find", *asks, "--path", "passing.txt")["entries"][-1]["kind"] == "absent", "the deletion is delivered"
    )
    first, second, gone = site.json("find", *asks, "--path", "passing.txt")["entries"]
    assert (first["size"], second["size"]) == (5, 7)
    assert (first["until"], second["until"], gone["until"]) == (second["observed"], gone["observed"], None)
    assert [e["path"] for e in site.json("find", *asks, "--digest", second["digest"][:12].upper())["entries"]] == ["passing.txt"]
    assert site.json("find", *asks, "--path", "passing.txt", "--at", first["observed"])["entries"] == [first]
    assert site.json("find", *asks, "--path", "passing.txt", "--at", gone["observed"])["entries"] == []
    since = site.json("find", *asks, "--path", "passing.txt", "--since", second["observed"], "--until", gone["observed"])
    assert since["entries"] == [second]
    assert site.words("find", *asks, "--path", "passing.txt").stdout.count("passing.txt") == 3
    site.words("find", *asks, "--digest", "xyz", code=2)


def test_a_drill_restores_a_sample_and_is_remembered(site: Operated) -> None:
    """The same seed draws the same sample; the status says when, and of how much."""
    done = site.json("drill", *site.at.asks_dest, "--files", "3", "--seed", "7")
    assert (done["files"], done["problems"], done["seed"]) == (3, [], 7)
    assert done["of_files"] >= 9
    assert site.json("drill", *site.at.asks_dest, "--files", "3", "--seed", "7")["bytes"] == done["bytes"]
    status = site.json("status", *site.asks_both)["dest"]
    assert (status["last_drill_files"], status["last_drill_errors"]) == (3, 0)
    assert status["last_drill"]
    assert "restored and compared" in site.words("drill", *site.at.asks_dest).stdout
    site.words("drill", *site.at.asks_dest, "--policy", "none", code=1)


def test_logs_metrics_and_configuration_are_turned_while_the_daemons_run(site: Operated) -> None:
    """And all of it is in the audit log, with who asked."""
    at = site.at
    done = site.json("log-level", *site.asks_both, "debug", "--for", "1h")
    assert (done["source"]["level"], done["dest"]["configured"]) == ("debug", "info")
    assert done["source"]["until"]
    assert "logs at info" in site.words("log-level", *site.asks_source, "configured").stdout
    text = site.words("metrics", *site.asks_source).stdout
    assert "# TYPE smarter_sent_bytes_total counter" in text
    site.words("metrics", *site.asks_both, code=2)
    assert site.json("metrics", *site.asks_both, "--site", "dest")["source"] is None

    file = at.folder / f"{SOURCE}.yaml"
    good = file.read_text()
    config = json.loads(good)
    file.write_text(json.dumps(config | {"log": {"level": "warning"}, "patience": "5m"}))
    done = site.json("reload", *site.asks_both)
    assert (done["source"]["changed"], done["source"]["needs_restart"]) == (["log.level"], ["patience"])
    assert (done["dest"]["changed"], done["dest"]["needs_restart"]) == ([], [])
    assert "after a restart: patience" in site.words("reload", *site.asks_source).stdout
    file.write_text(json.dumps(config | {"lgo": {}, "version": 2}))
    ended = site.words("reload", *site.asks_source, code=78)
    assert "'lgo'" in ended.stderr or "lgo" in ended.stderr
    assert "version" in ended.stderr
    assert site.json("reload", *site.asks_source, code=78)["source"]["reachable"] is False
    file.write_text(good)
    site.words("reload", *site.asks_source)

    entries = site.json("audit", *site.asks_both)["entries"]
    assert [e["at"] for e in entries] == sorted((e["at"] for e in entries), reverse=True)
    calls = {(e["site"], e["call"]) for e in entries}
    assert {("source", "Upkeep.ReloadConfig"), ("dest", "Upkeep.SetLogLevel"), ("source", "Upkeep.SetLogLevel")} <= calls
    assert any(e["failed"] and "lgo" in e["failed"] for e in entries)
    assert "Upkeep.ReloadConfig" in site.words("audit", *site.asks_source, "--limit", "2").stdout


def test_an_operator_asks_a_source_from_afar(site: Operated) -> None:
    """With the operator's certificate; whoever has another one is told so, exit code 20."""
    address = f"127.0.0.1:{site.port}"
    found = site.json("status", "--source", address, "--tls", str(site.at.pki))
    assert found["source"]["agent"] == SOURCE
    site.json("log-level", "--source", address, "--tls", str(site.at.pki), "configured")
    assert site.json("audit", *site.asks_source)["entries"][0]["by"] == "smarter://operator/operator"
    theirs = site.at.folder / "theirs"
    theirs.mkdir(exist_ok=True)
    for own, name in (("ca.pem", "ca.pem"), (f"{DEST}.pem", "operator.pem"), (f"{DEST}.key", "operator.key")):
        (theirs / name).write_bytes((site.at.pki / own).read_bytes())
    ended = site.words("quarantine", "--source", address, "--tls", str(theirs), code=20)
    assert "is not the operator" in ended.stderr


def test_hours_and_rates_print_what_their_schemas_say(site: Operated) -> None:
    """And the operator's word on them is in the audit log, with what was said; looking is not."""
    asks = site.asks_source
    site.json("windows", "show", *asks, schema="windows-show")
    site.json("windows", "override", "deferred", "1M", "--for", "1h", *asks, schema="windows-override")
    site.json("windows", "clear", "deferred", *asks, schema="windows-clear")
    site.json("pause", "--class", "chunks", *asks)
    site.json("resume", "--class", "chunks", *asks)
    site.json("backlog", *asks)
    site.json("backlog", "--forecast", *asks)
    calls = [entry["call"] for entry in site.json("audit", *asks)["entries"][:4]]
    assert calls == ["Pacing.ResumeClass", "Pacing.PauseClass", "Pacing.ClearWindow", "Pacing.OverrideWindow"]


def test_every_other_verb_prints_what_its_schema_says(site: Operated, tmp_path: Path) -> None:
    """ls, restore, verify, groups, pki, delta, code, identify; and both checks."""
    at, asks = site.at, site.at.asks_dest
    site.json("ls", *asks, "--all-versions")
    site.json("restore", *asks, "--policy", "photos", "--to", str(tmp_path / "back"))
    site.json("verify", *asks)
    groups = site.json("groups", "list", *site.asks_source, "--single", schema="groups-list")["groups"]
    number, picture = str(groups[0]["group"]), groups[0]["representative"]["digest"]
    for words in (("show", number), ("pin", picture), ("split", picture), ("confirm", number)):
        site.json("groups", words[0], *site.asks_source, words[1], schema=f"groups-{words[0]}")
    site.json("pki", "init", str(tmp_path / "pki"), "--source", "a", "--dest", "b", schema="pki-init")
    base, target, coded = str(at.library / "2026/0.jpg"), str(at.library / "2026/1.jpg"), str(tmp_path / "coded")
    site.json("delta", "encode", "--base", base, "--target", target, "--out", coded, schema="delta-encode")
    site.json("delta", "decode", "--base", base, "--delta", coded, "--out", str(tmp_path / "out"), schema="delta-decode")
    site.json("code", "encode", target, "--out", coded, schema="code-encode")
    site.json("code", "decode", coded, "--out", str(tmp_path / "out"), schema="code-decode")
    site.json("identify", str(at.library), "--cache", str(tmp_path / "looks"), "--workers", "1")
    for program, name in (("smarter-source", SOURCE), ("smarter-dest", "dest")):
        ended = at.start(program, "check", "--config", str(at.folder / f"{name}.yaml"), "--json").wait()
        assert check_output(f"{program}-check", ended.json)["problems"] == []


def test_top_is_live_on_a_terminal(site: Operated) -> None:
    """It draws again and again until Ctrl-C: exit code 130, and the screen is as before."""
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "PYTHONPATH": os.environ.get("PYTHONPATH") or str(HOUSE),
        "TERM": "xterm",
        "LINES": "60",
        "COLUMNS": "120",
    }
    command = [str(BIN / "smarter"), "top", *site.asks_both, "--interval", "0.2"]
    top = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    seen = b""
    try:
        while seen.count(b"last drill") < 3:
            seen += os.read(ours, 65536)
        top.send_signal(signal.SIGINT)
        with suppress(OSError):  # a terminal whose other end is closed
            while chunk := os.read(ours, 65536):
                seen += chunk
        assert top.wait(20) == 130
    finally:
        top.kill()
        top.wait()
        os.close(ours)
    assert SOURCE.encode() in seen
    assert b"Traceback" not in seen
    assert seen.rfind(b"\x1b[?1049l") > seen.rfind(b"\x1b[?1049h") >= 0
