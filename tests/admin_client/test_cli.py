"""The command line: usage, exit codes, and what reaches stdout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admin_client import cli
from admin_client.comparison import differences
from tests.fakes.destination import FakeDestination, serving
from tests.fakes.pki import make_pki

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nobodys_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file of the machine's user takes part."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SMARTER_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[FakeDestination]:
    """A destination that holds a folder, a file of an odd name and a link."""
    tree = tmp_path / "library"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "new\nline \x1b[31m").write_text("twelve bytes")
    Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9")).write_text("x")
    (tree / "link").symlink_to("d")
    with serving(tmp_path / "dest.sock") as held:
        held.hold(tree)
        yield held


def _printed(capsys: Capture) -> dict[str, Any]:
    out = capsys.readouterr().out
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["status"],
        ["ls"],
        ["groups", "list"],
        ["groups", "show", "--source", "unix:/x"],
        ["groups", "list", "--source", "unix:/x", "--limit", "0"],
        ["groups", "confirm", "--source", "unix:/x", "library/a.jpg"],
        ["ls", "--dest", "127.0.0.1:1"],
        ["ls", "--dest", "nowhere"],
        ["ls", "--dest", "unix:/" + "x" * 200],
        ["ls", "--dest", "unix:/x", "--at", "whenever"],
        ["restore", "--dest", "unix:/x", "--policy", "p"],
        ["pki", "init", "x"],
        ["demo", "--state", "/etc"],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str], capsys: Capture) -> None:
    """Exit code 2, a sentence on stderr, nothing on stdout."""
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error: " in captured.err


def test_help_names_every_verb_of_the_table(capsys: Capture) -> None:
    """And each verb has a help of its own."""
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in ("demo", "ls", "pki", "restore", "status", "verify"):
        assert f"\n  {verb} " in out
        assert cli.run([verb, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: smarter {verb}")


def test_help_imports_nothing_slow() -> None:
    """Neither gRPC nor rich nor pydantic are loaded by a look at the help."""
    script = "import sys; from admin_client import cli; cli.run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"grpc", "rich", "pydantic", "cryptography", "blake3"} & set(done.stderr.split())


def test_an_agent_that_does_not_answer_is_a_peer_error(tmp_path: Path, capsys: Capture) -> None:
    """Exit code 20 and one sentence that names the address."""
    address = f"unix:{tmp_path}/nobody.sock"
    assert cli.run(["ls", "--dest", address]) == 20
    assert capsys.readouterr().err.startswith(f"smarter: {address}: ")
    assert cli.run(["status", "--dest", address, "--json"]) == 20
    found = _printed(capsys)
    assert found["source"] is None
    assert found["dest"]["reachable"] is False
    assert address in found["dest"]["error"]


def test_a_configuration_that_cannot_be_used_is_a_configuration_error(tmp_path: Path, capsys: Capture) -> None:
    """Exit code 78, whether the file was named by option or by variable."""
    config = tmp_path / "client.yaml"
    config.write_text("version: 1\ndset: unix:x\n")
    assert cli.run(["--config", str(config), "ls"]) == 78
    assert "dset" in capsys.readouterr().err
    assert cli.run(["ls", "--config", str(tmp_path / "absent.yaml")]) == 78


def test_certificates_that_cannot_be_used_are_a_configuration_error(tmp_path: Path, capsys: Capture) -> None:
    """--tls DIR names a directory with the operator's files."""
    assert cli.run(["ls", "--dest", "127.0.0.1:1", "--tls", str(tmp_path)]) == 78
    assert "operator.pem" in capsys.readouterr().err
    make_pki(tmp_path / "pki")
    assert cli.run(["ls", "--dest", "127.0.0.1:1", "--tls", str(tmp_path / "pki")]) == 20


def test_the_configuration_is_found_and_the_command_line_wins(
    destination: FakeDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """First the option after the verb, then the one before it, then the file of the variable, then the user's own."""
    home = tmp_path / "home" / ".config" / "smarter"
    home.mkdir(parents=True)
    (home / "client.yaml").write_text(f"version: 1\ndest: {destination.address}\n")
    assert cli.run(["status", "--json"]) == 0
    assert _printed(capsys)["dest"]["agent"] == "oslo-1"
    other = tmp_path / "other.yaml"
    other.write_text("version: 1\ndest: unix:absent.sock\n")
    monkeypatch.setenv("SMARTER_CONFIG", str(other))
    assert cli.run(["status", "--json"]) == 20
    capsys.readouterr()
    assert cli.run(["--dest", "unix:/absent", "status", "--dest", destination.address, "--json"]) == 0
    assert cli.run(["--dest", destination.address, "status", "--json"]) == 0


def test_status_in_json_has_times_as_text_and_absent_sites_as_null(destination: FakeDestination, capsys: Capture) -> None:
    """One object, ready for a script."""
    assert cli.run(["status", "--dest", destination.address, "--json"]) == 0
    dest = _printed(capsys)["dest"]
    assert dest["reachable"] is True
    assert dest["last_verify"] == "2001-09-09T01:46:40.000000Z"
    assert dest["uptime_s"] == 3.5
    assert dest["sources"] == []


def test_status_refuses_a_site_under_the_wrong_name(destination: FakeDestination, capsys: Capture) -> None:
    """A destination asked as a source is a mistake of the command line."""
    assert cli.run(["status", "--source", destination.address]) == 2
    assert "a dest agent answers there" in capsys.readouterr().err


def test_status_for_people_is_a_table(destination: FakeDestination, capsys: Capture) -> None:
    """With the site's name, and an unreachable one beside it."""
    assert cli.run(["status", "--dest", destination.address, "--source", "unix:/absent"]) == 0
    out = capsys.readouterr().out
    assert "oslo-1" in out
    assert "unreachable" in out


def test_ls_prints_names_that_cannot_take_over_a_terminal(destination: FakeDestination, capsys: Capture) -> None:
    """One line for each version, control characters escaped."""
    assert cli.run(["ls", "--dest", destination.address]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert any(line.endswith("d/new\\nline \\x1b[31m") for line in lines)
    assert any(line.startswith("lrwxrwxrwx") and line.endswith("link -> d") for line in lines)


def test_ls_in_json_is_one_object(destination: FakeDestination, capsys: Capture) -> None:
    """With names that are not UTF-8 in base64 beside the readable form; an empty listing too."""
    assert cli.run(["ls", "--dest", destination.address, "--json"]) == 0
    entries = _printed(capsys)["entries"]
    odd = next(entry for entry in entries if "path_base64" in entry)
    assert (odd["path"], odd["path_base64"], odd["size"], odd["kind"]) == ("caf\\xe9", "Y2Fm6Q==", 1, "file")
    assert cli.run(["ls", "--dest", destination.address, "--policy", "none", "--json"]) == 0
    assert _printed(capsys) == {"entries": []}


def test_restore_in_json_has_the_promised_fields(destination: FakeDestination, tmp_path: Path, capsys: Capture) -> None:
    """And an exit code of 3 where something was refused, each named on stderr."""
    arguments = ["restore", "--dest", destination.address, "--policy", "photos", "--to", str(tmp_path / "out"), "--json"]
    assert cli.run(arguments) == 0
    report = _printed(capsys)
    assert (report["files"], report["directories"], report["symlinks"], report["bytes"]) == (2, 2, 1, 13)
    assert report["refused"] == []
    assert differences(tmp_path / "library", tmp_path / "out") == []
    (tmp_path / "out" / "link").unlink()
    (tmp_path / "out" / "link").mkdir()
    assert cli.run(arguments) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["refused"] == [{"path": "link", "reason": "a directory stands there"}]
    assert "smarter: link: a directory stands there" in captured.err


def test_restore_for_people_is_a_sentence(destination: FakeDestination, tmp_path: Path, capsys: Capture) -> None:
    """Counts, and what was there already."""
    arguments = ["restore", "--dest", destination.address, "--policy", "photos", "--to", str(tmp_path / "out")]
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out.startswith("restored 2 files (13 B), 2 directories, 1 symbolic links, 0 hard links in ")
    assert cli.run(arguments) == 0
    assert "; 3 were there already" in capsys.readouterr().out


def test_restore_of_damaged_bytes_is_an_integrity_error(destination: FakeDestination, tmp_path: Path) -> None:
    """Exit code 30, and no such file."""
    destination.broken.update(destination.contents)
    assert cli.run(["restore", "--dest", destination.address, "--policy", "photos", "--to", str(tmp_path / "out")]) == 30
    assert not list((tmp_path / "out" / "d").iterdir())


def test_verify_names_what_is_damaged(destination: FakeDestination, capsys: Capture) -> None:
    """Exit code 30 with problems, 0 without."""
    assert cli.run(["verify", "--dest", destination.address, "--json"]) == 0
    assert _printed(capsys) == {"contents": 2, "bytes": 20, "problems": [], "orphans": 0}
    destination.problems.append((b"\x01" * 32, "bit rot"))
    assert cli.run(["verify", "--dest", destination.address]) == 30
    captured = capsys.readouterr()
    assert captured.out == "2 contents (20 B) read back, 1 damaged\n"
    assert f"{'01' * 32}: bit rot; needed by a\\x1bb" in captured.err


def test_pki_init_says_what_it_issued(tmp_path: Path, capsys: Capture) -> None:
    """In words and in JSON; a second call adds."""
    directory = tmp_path / "pki"
    assert cli.run(["pki", "init", str(directory), "--source", "lisbon-1", "--dest", "oslo-1"]) == 0
    assert "made a certificate authority" in capsys.readouterr().out
    assert cli.run(["pki", "init", str(directory), "--source", "porto-1", "--json"]) == 0
    assert _printed(capsys) == {"directory": str(directory), "ca_made": False, "names": ["porto-1"]}
    assert cli.run(["pki", "init", str(directory), "--source", "porto-1"]) == 78


def test_a_restore_killed_at_r1_is_completed_by_the_next(destination: FakeDestination, tmp_path: Path) -> None:
    """SIGKILL between the complete bytes and their name: the part file goes, the file comes."""
    out = tmp_path / "out"
    arguments = ["restore", "--dest", destination.address, "--policy", "photos", "--to", str(out), "--json"]
    script = (
        "import os, signal, sys; from common import durable; from admin_client import cli\n"
        "durable.crash_hook = lambda point: os.kill(os.getpid(), signal.SIGKILL) if point == 'R1' else None\n"
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(out.rglob(".smarter-*.part"))
    assert not [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".smarter-")]
    assert cli.run(arguments) == 0
    assert differences(tmp_path / "library", out) == []


def test_a_reader_that_has_seen_enough_is_no_error_worth_words(destination: FakeDestination) -> None:
    """`smarter ls | head -1` ends quietly."""
    ls = f"{sys.executable} -c 'import sys; from admin_client.cli import main; main()' ls --dest {destination.address}"
    done = subprocess.run(["sh", "-c", f"{ls} | head -1"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
