"""What goes wrong from outside: one clear sentence on stderr and the documented exit code, for each daemon and verb."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from admin_client import cli
from admin_client.pki import issue_pki
from dest_agent.cli import main as smarter_dest
from source_agent.cli import main as smarter_source
from tests.fakes import pictures
from tests.fakes.disks import small_disk
from tests.fakes.pki import SOURCE
from tests.fakes.sites import Sites, sites, until

ASK_DEST: dict[str, Sequence[str]] = {
    "ls": ("ls",),
    "find": ("find", "--path", "*.jpg"),
    "verify": ("verify",),
    "drill": ("drill",),
    "restore": ("restore", "--policy", "photos", "--to", "restored"),
}
ASK_SOURCE: dict[str, Sequence[str]] = {
    "groups-list": ("groups", "list"),
    "groups-show": ("groups", "show", "1"),
    "groups-pin": ("groups", "pin", "a.jpg"),
    "groups-split": ("groups", "split", "a.jpg"),
    "groups-confirm": ("groups", "confirm", "1"),
    "versions": ("versions",),
    "quarantine": ("quarantine",),
    "retry": ("retry", "--all"),
    "backlog": ("backlog",),
    "pause": ("pause",),
    "resume": ("resume",),
    "windows-show": ("windows", "show"),
    "windows-override": ("windows", "override", "deferred", "off", "--for", "1h"),
    "windows-clear": ("windows", "clear", "deferred"),
}
ASK_EITHER: dict[str, Sequence[str]] = {
    "audit": ("audit",),
    "log-level": ("log-level", "info"),
    "metrics": ("metrics",),
    "reload": ("reload",),
}
ASK_BOTH: dict[str, Sequence[str]] = {"status": ("status", "--json"), "top": ("top", "--once", "--json")}
ASKING = [
    *(("dest", name) for name in (*ASK_DEST, *ASK_EITHER)),
    *(("source", name) for name in (*ASK_SOURCE, *ASK_EITHER)),
]
VERBS = ASK_DEST | ASK_SOURCE | ASK_EITHER | ASK_BOTH

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def at() -> Iterator[Sites]:
    """Both daemons, each answering over TLS too."""
    with sites(policy={"settle": "0.1s"}, in_source={"admin": {"listen": "127.0.0.1:0"}}) as both:
        (both.library / "a.jpg").write_bytes(pictures.jpeg(1))
        both.dest()
        source = both.source()
        until(both.caught_up, "the file is delivered")
        (told,) = [line for line in source.log.read_text().splitlines() if "operator_admitted" in line]
        both.admin_port = json.loads(told)["port"]
        yield both


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's configuration takes part, and nothing is written outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SMARTER_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def refused(arguments: Sequence[str], code: int, said: str, captured: Capture) -> None:
    """Runs a verb, and holds it to its exit code and to one sentence, on stderr alone and behind what it says of its progress."""
    assert cli.run(list(arguments)) == code
    out, err = captured.readouterr()
    assert out == ""
    *progress, sentence = err.splitlines()
    assert sentence.startswith("smarter: ")
    assert said in sentence
    assert set(progress) <= {"Listing", "Drawing a sample"}


def address(at: Sites, site: str) -> str:
    """Where an agent answers over TLS."""
    return f"127.0.0.1:{at.port if site == 'dest' else at.admin_port}"


# verbs


@pytest.mark.parametrize("name", VERBS)
def test_a_wrong_configuration_of_the_client_is_named_with_its_line(name: str, tmp_path: Path, capfd: Capture) -> None:
    """Exit code 78, every mistake at once."""
    (tmp_path / "client.yaml").write_text("version: 1\nsuorce: unix:x\ndest: nowhere\n")
    arguments = ["--config", "client.yaml", *VERBS[name]]
    assert cli.run(arguments) == 78
    out, err = capfd.readouterr()
    assert out == ""
    assert "client.yaml:2: suorce" in err
    assert "client.yaml:3: dest" in err
    assert len(err.splitlines()) == 2
    refused(["--config", "absent.yaml", *VERBS[name]], 78, "absent.yaml: cannot be read", capfd)


@pytest.mark.parametrize(("site", "name"), ASKING)
@pytest.mark.parametrize("dead", ["unix:nobody.sock", "127.0.0.1:1"])
def test_an_agent_that_is_not_there_is_named(at: Sites, site: str, name: str, dead: str, capfd: Capture) -> None:
    """Exit code 20 and the address, whether it is a socket or a host."""
    refused([*VERBS[name], f"--{site}", dead, "--tls", str(at.pki)], 20, dead.removeprefix("unix:"), capfd)


@pytest.mark.parametrize(("site", "name"), ASKING)
def test_an_authority_that_is_not_ours_is_refused(at: Sites, site: str, name: str, tmp_path: Path, capfd: Capture) -> None:
    """Exit code 20, and a word about the certificate."""
    issue_pki(tmp_path / "pki", sources=["x"], dests=[])
    refused(
        [*VERBS[name], f"--{site}", address(at, site), "--tls", "pki"], 20, "the certificate shown there does not hold", capfd
    )


@pytest.mark.parametrize(("site", "name"), [pair for pair in ASKING if pair[1] not in {"ls", "find", "restore", "drill"}])
def test_a_certificate_of_another_role_opens_nothing(at: Sites, site: str, name: str, tmp_path: Path, capfd: Capture) -> None:
    """A source's in place of the operator's: exit code 20, and who may ask instead."""
    for own, given in (("ca.pem", "ca.pem"), (f"{SOURCE}.pem", "operator.pem"), (f"{SOURCE}.key", "operator.key")):
        shutil.copy(at.pki / own, tmp_path / given)
    refused([*VERBS[name], f"--{site}", address(at, site), "--tls", "."], 20, "is not the operator", capfd)


@pytest.mark.parametrize(("site", "name"), ASKING)
def test_our_own_key_that_is_not_there_is_named(at: Sites, site: str, name: str, tmp_path: Path, capfd: Capture) -> None:
    """Exit code 78 and the file."""
    for given in ("ca.pem", "operator.pem"):
        shutil.copy(at.pki / given, tmp_path / given)
    refused([*VERBS[name], f"--{site}", address(at, site), "--tls", "."], 78, "operator.key: No such file", capfd)


@pytest.mark.parametrize(("site", "name"), [*(("dest", name) for name in ASK_DEST), *(("source", name) for name in ASK_SOURCE)])
def test_the_other_agent_is_not_taken_for_the_one_that_was_meant(at: Sites, site: str, name: str, capfd: Capture) -> None:
    """Exit code 20, over its socket and over the network."""
    other = "source" if site == "dest" else "dest"
    socket = at.folder / ("dest.sock" if other == "dest" else f"{SOURCE}.sock")
    refused([*VERBS[name], f"--{site}", f"unix:{socket}"], 20, str(socket), capfd)
    refused([*VERBS[name], f"--{site}", address(at, other), "--tls", str(at.pki)], 20, "agent", capfd)


@pytest.mark.parametrize("name", ASK_BOTH)
def test_who_looks_at_both_is_told_which_does_not_answer(at: Sites, name: str, capfd: Capture) -> None:
    """In the answer itself: exit code 20 only where none answers."""
    assert cli.run([*VERBS[name], "--source", "unix:nobody.sock", *at.asks_dest]) == 0
    found = json.loads(capfd.readouterr().out)
    assert "nobody.sock" in found["source"]["error"]
    assert found["dest"]["reachable"]
    assert cli.run([*VERBS[name], "--source", "unix:nobody.sock", "--dest", "unix:nobody.sock"]) == 20


def on_a_full_disk(at: Sites, path: Path) -> dict[str, tuple[Sequence[str], set[int]]]:
    """Verbs that write, and what they may end with: 1, or 3 where single files are what could not be written."""
    source = str(at.library / "a.jpg")
    return {
        "restore": (("restore", *at.asks_dest, "--policy", "photos", "--to", str(path / "back")), {1, 3}),
        "drill": (("drill", *at.asks_dest, "--scratch", str(path)), {1, 3}),
        "code": (("code", "encode", source, "--out", str(path / "coded")), {1}),
        "delta": (("delta", "encode", "--base", source, "--target", source, "--out", str(path / "coded")), {1}),
        "pki": (("pki", "init", str(path / "pki"), "--source", "a"), {1, 78}),
    }


@pytest.mark.parametrize("name", ["restore", "drill", "code", "delta", "pki"])
def test_a_full_disk_is_said_by_whoever_writes_to_it(at: Sites, name: str) -> None:
    """With the path, and nothing half is left under its own name."""
    with small_disk(1 << 20) as disk:
        disk.fill()
        arguments, codes = on_a_full_disk(at, disk.path)[name]
        ended = at.start("smarter", *arguments, prefix=disk.enter).wait()
        assert ended.code in codes, ended
        assert not ended.blew_up, ended.stderr
        assert "space" in ended.stderr.lower(), ended.stderr
        assert not list(disk.outside.rglob("*.jpg"))
        assert not list(disk.outside.rglob("coded"))


# daemons

MAINS: dict[str, click.Group] = {"smarter-source": smarter_source, "smarter-dest": smarter_dest}


def _misspelt(file: Path) -> str:
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"agnet": {}}))
    return "did you mean 'agent'"


def _not_yaml(file: Path) -> str:
    file.write_text("version: 1\n\tagent: {\n")
    return f"{file}:2"


def _absent(file: Path) -> str:
    file.unlink()
    return "cannot be read"


def _anothers_certificate(file: Path) -> str:
    config = json.loads(file.read_text())
    config["tls"] = {"ca": "pki/ca.pem", "cert": "pki/operator.pem", "key": "pki/operator.key"}
    file.write_text(json.dumps(config))
    return "smarter://operator/operator"


def _no_key(file: Path) -> str:
    config = json.loads(file.read_text())
    config["tls"]["key"] = "pki/absent.key"
    file.write_text(json.dumps(config))
    return "absent.key: No such file"


@pytest.mark.parametrize("spoil", [_misspelt, _not_yaml, _absent, _anothers_certificate, _no_key])
@pytest.mark.parametrize("program", ["smarter-source", "smarter-dest"])
def test_a_daemon_and_its_chores_name_what_is_wrong_with_their_files(program: str, spoil: Callable[[Path], str]) -> None:
    """Exit code 78, the file, and one sentence for the one mistake; before anything is opened."""
    with sites() as at:
        file = at.folder / (f"{SOURCE}.yaml" if program == "smarter-source" else "dest.yaml")
        said = spoil(file)
        for chore, command in MAINS[program].commands.items():
            ended = CliRunner().invoke(command, ["--config", str(file)])
            assert (ended.exit_code, ended.stdout) == (78, ""), (chore, ended)
            assert said in ended.stderr
            assert len(ended.stderr.splitlines()) == 1, ended.stderr
        assert not list(at.folder.glob("state-*"))


def test_a_destination_that_is_not_there_ends_once_and_not_the_daemon() -> None:
    """Exit code 20 when patience ends; the daemon goes on asking, and its status says why nothing goes."""
    with sites(in_source={"patience": "1s"}) as at:
        (at.library / "file").write_text("waits")
        ended = at.once_started().wait()
        assert (ended.code, ended.stdout) == (20, "")
        last = ended.stderr.splitlines()[-1]
        assert last.startswith("smarter-source: gave up after")
        assert f"127.0.0.1:{at.port}" in last
        source = at.source()
        until(lambda: at.source_status().get("link_error"), "it says why")
        assert source.is_alive


@pytest.mark.parametrize("program", ["smarter-source", "smarter-dest"])
def test_a_daemon_whose_disk_is_full_at_its_start_says_so(program: str) -> None:
    """Exit code 1, one sentence, no traceback."""
    name = SOURCE if program == "smarter-source" else "dest"
    with small_disk(1 << 20) as disk:
        state = {"agent": {"state": str(disk.path / "state")}}
        with sites(in_source=state, in_dest=state) as at:
            disk.fill()
            ended = at.start(program, "run", "--config", str(at.folder / f"{name}.yaml"), prefix=disk.enter).wait()
            assert ended.code == 1, ended
            assert not ended.blew_up, ended.stderr
            last = ended.stderr.splitlines()[-1]
            assert last.startswith(f"{program}: ")
            assert "space" in last.lower() or "full" in last
