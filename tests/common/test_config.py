"""Configuration files: the shipped ones load, and every mistake is named once, with its line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from admin_client.config import ClientConfig, load_client_config
from common.admin.reloading import Reloaded, compared
from common.config import MAX_FILE_BYTES, bytes_of, host_port, seconds_of
from common.errors import ConfigError, ExitCode
from common.yamltext import MAX_DEPTH, MAX_VALUES, parse
from dest_agent.config import DestConfig, load_dest_config
from source_agent.config import SourceConfig, load_source_config

CONFIGS = Path(__file__).parents[2] / "configs"
LOADERS: dict[str, tuple[Callable[[Path], BaseModel], type[BaseModel]]] = {
    "source": (load_source_config, SourceConfig),
    "dest": (load_dest_config, DestConfig),
    "client": (load_client_config, ClientConfig),
}

SOURCE = """\
version: 1
agent: {name: lisbon-1, state: ./state-a}
tls: {ca: pki/ca.pem, cert: pki/lisbon-1.pem, key: pki/lisbon-1.key}
destination: {address: "127.0.0.1:7443"}
admin: {socket: ./source.sock}
policies:
  - {name: photos, roots: [./library]}
"""
DEST = """\
version: 1
agent: {name: oslo-1, state: ./state-b}
tls: {ca: pki/ca.pem, cert: pki/oslo-1.pem, key: pki/oslo-1.key}
listen: "127.0.0.1:7443"
admin: {socket: ./dest.sock}
store: {kind: files, path: ./objects}
"""


def problems(loader: Callable[[Path], BaseModel], tmp_path: Path, text: str | bytes) -> list[str]:
    """The problems of a text, without the file's name."""
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        loader(path)
    assert caught.value.exit_code is ExitCode.CONFIG
    assert all(line.startswith(f"{path}:") for line in caught.value.problems)
    return [line.removeprefix(f"{path}:").strip() for line in caught.value.problems]


def source_config(tmp_path: Path, text: str) -> SourceConfig:
    """A source configuration from text."""
    path = tmp_path / "source.yaml"
    path.write_text(text)
    return load_source_config(path)


def keys(model: type[BaseModel]) -> Iterator[str]:
    """Every key that a model and the models below it know."""
    for name, field in model.model_fields.items():
        yield name
        for below in models_in(field.annotation):
            yield from keys(below)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONFIGS)))
def test_every_shipped_configuration_loads(path: Path) -> None:
    """A newcomer copies these files: none may be wrong."""
    loader, _ = LOADERS[path.stem]
    assert isinstance(loader(path), LOADERS[path.stem][1])


@pytest.mark.parametrize("name", LOADERS)
def test_a_complete_configuration_mentions_every_key(name: str) -> None:
    """The commented file is the reference: a key that is missing there does not exist for the reader."""
    text = (CONFIGS / f"{name}.yaml").read_text()
    missing = {key for key in keys(LOADERS[name][1]) if not re.search(rf"(^|[\s{{#]){key}:", text)}
    assert not missing


@pytest.mark.parametrize("name", ["source", "dest"])
def test_a_complete_configuration_shows_the_defaults(name: str, tmp_path: Path) -> None:
    """What is not required stands there with the value it has anyway."""
    loader, _ = LOADERS[name]
    complete = loader(CONFIGS / f"{name}.yaml")
    (tmp_path / f"{name}.yaml").write_text((CONFIGS / "minimal" / f"{name}.yaml").read_text())
    least = loader(tmp_path / f"{name}.yaml")
    for field in ("bandwidth", "limits", "log", "patience", "orphan_grace", "metrics", "health_ping"):
        assert getattr(complete, field, None) == getattr(least, field, None)
    if isinstance(complete, SourceConfig) and isinstance(least, SourceConfig):
        shown, default = (c.policies[0].model_dump(exclude={"name", "roots"}) for c in (complete, least))
        assert shown == default


def test_every_mistake_in_a_timetable_is_named_at_its_line(tmp_path: Path) -> None:
    """And a time zone that there is not; what the machine calls its own is asked for only where hours are named."""
    text = (
        SOURCE
        + 'bandwidth:\n  timezone: Lisbon\n  link: "08:00,1M 9:00,2M 10:00,0"\n  deferred: [1M]\n  chunks: 512\n  restore: 1M\n'
    )
    assert [found.split(": write")[0] for found in problems(load_source_config, tmp_path, text)] == [
        "9: bandwidth.timezone: 'Lisbon' is not a time zone",
        "10: bandwidth.link: at character 10: '9:00' is not a time",
        "10: bandwidth.link: at character 18: '0' may be read as no limit or as nothing",
        "11: bandwidth.deferred: ['1M'] is not a timetable",
        "13: bandwidth.restore: is not a key here",
    ]


def test_the_hours_are_the_machines_unless_a_zone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose zone cannot be read is told to name one, if it matters."""
    monkeypatch.setenv("TZ", ":America/Lima")
    hours = SOURCE + 'bandwidth: {deferred: "08:00,1M 19:00,closed"}\n'
    noon_ns = 12 * 3600 * 10**9
    assert source_config(tmp_path, hours).bandwidth.timetables()["deferred"].at(noon_ns).rates.up == 0
    zoned = hours.replace("{deferred", "{timezone: UTC, deferred")
    assert source_config(tmp_path, zoned).bandwidth.timetables()["deferred"].at(noon_ns).rates.up == 1 << 20
    monkeypatch.setenv("TZ", "Nowhere/Else")
    assert problems(load_source_config, tmp_path, hours)[0].endswith("cannot be read: name one as `timezone`")
    source_config(tmp_path, zoned)
    source_config(tmp_path, SOURCE + "bandwidth: {link: 1M}\n")


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has no say."""
    monkeypatch.chdir("/")
    config = source_config(tmp_path, SOURCE)
    assert config.agent.state == tmp_path / "state-a"
    assert config.tls.files().ca == tmp_path / "pki/ca.pem"
    assert config.policies[0].roots[0].path == tmp_path / "library"


def test_a_root_is_called_by_its_last_part_or_as_told(tmp_path: Path) -> None:
    """A restore lays files out below these names."""
    text = SOURCE.replace("state: ./state-a", "state: /s").replace("[./library]", "[., {path: /a/b, name: c}, /d/e/]")
    assert [r.name for r in source_config(tmp_path, text).policies[0].roots] == [tmp_path.name, "c", "e"]


def test_times_that_yaml_1_1_reads_as_numbers_stay_text(tmp_path: Path) -> None:
    """`no` and `22:00` are words in YAML 1.2."""
    assert source_config(tmp_path, SOURCE.replace("name: photos", "name: no")).policies[0].name == "no"
    assert parse("22:00").value == "22:00"


def test_all_mistakes_are_named_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    """One run of `check` is enough to mend a file."""
    text = """\
version: 2
agent: {name: Lisbon 1, state: ./state-a, nam: x}
tls: {ca: pki/ca.pem, cert: pki/lisbon-1.pem}
destination: {address: "127.0.0.1"}
admin: {socket: ./source.sock}
policies:
  - {name: photos, roots: [./library, ./library/a, {path: ./x, name: library}], setle: 3}
  - name: photos
    roots: []
    settle: 3 parsecs
    pin: hard
    exclude: ["!", "#x"]
limits: {workers: true, spool_bytes: 1}
limits: 3
log:
"""
    found = problems(load_source_config, tmp_path, text)
    assert [line.split(": ")[:2] for line in found] == [
        ["1", "version"],
        ["2", "agent.name"],
        ["2", "agent.nam"],
        ["3", "tls.key"],
        ["4", "destination.address"],
        ["7", "policies[0].roots[2]"],
        ["7", "policies[0].roots[1]"],
        ["7", "policies[0].setle"],
        ["9", "policies[1].roots"],
        ["10", "policies[1].settle"],
        ["11", "policies[1].pin"],
        ["12", "policies[1].exclude[0]"],
        ["12", "policies[1].exclude[1]"],
        ["13", "limits.workers"],
        ["13", "limits.spool_bytes"],
        ["14", "limits"],
        ["15", "log"],
    ]
    assert "did you mean 'settle'?" in found[7]
    assert "version 1" in found[0]
    assert "line 13" in found[15]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", "1", "empty"),
        ("# nothing\n", "1", "empty"),
        ("version: 1\nagent:\n\tname: x\n", "3", "tab"),
        ("version: 1\n agent: x\n", "2", "not YAML"),
        ("a: [1\nb: 2\n", "2", "not YAML"),
        ("a: 1\n---\nb: 2\n", "2", "another document"),
        ("%YAML 1.1\n---\nversion: 1\n", "1", "directives"),
        ("version: !!python/object:os.system 1\n", "1", "tag"),
        ("a: &a [1]\nb: {<<: *a}\n", "2", "plain text"),
        ("a: *zz\n", "1", "alias"),
        ("[1, 2]\n", "1", "mapping"),
        ("? [a]\n: 1\n", "1", "plain text"),
        (b"version: 1\nagent: \xff\n", "2", "UTF-8"),
        ("a: 1\x01", "not YAML", "special characters"),
        ("[" * 5000, "nested", str(MAX_DEPTH)),
        ("a: " + "[" * 40 + "]" * 40, "1", str(MAX_DEPTH)),
        ("&a [*a]", "1", str(MAX_DEPTH)),
        ("x: " + "y" * MAX_FILE_BYTES, "larger", str(MAX_FILE_BYTES)),
    ],
)
def test_a_text_that_is_no_configuration_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: str, word: str
) -> None:
    """Syntax, encoding and what only looks like YAML."""
    found = problems(load_source_config, tmp_path, text)
    assert any(problem.startswith(line) and word in problem for problem in found), found


def test_aliases_cannot_blow_a_file_up(tmp_path: Path) -> None:
    """Nine lines that would make a thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert sum(str(MAX_VALUES) in p for p in problems(load_source_config, tmp_path, "\n".join(lines))) == 1


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_dest_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("loader", "text", "words"),
    [
        (
            load_source_config,
            SOURCE + "  - {name: photos, roots: [/other]}\n",
            "8: policies[1].name: another policy is called 'photos' too",
        ),
        (load_source_config, SOURCE.replace("[./library]", "[./library, ./library/a]"), "7: policies[0].roots[1]:"),
        (load_source_config, SOURCE.replace("[./library]", "[.]"), "holds the agent's own state"),
        (load_source_config, SOURCE.replace("[./library]", "[/]"), "policies[0].roots[0].name: is missing"),
        (load_source_config, SOURCE.replace("[./library]", "[7]"), "7: policies[0].roots[0]:"),
        (load_source_config, SOURCE.replace("./source.sock", "x" * 200), "5: admin.socket:"),
        (load_source_config, SOURCE + "patience: 0\n", "8: patience:"),
        (load_source_config, SOURCE + "limits: {workers: 0}\n", "8: limits.workers:"),
        (load_dest_config, DEST.replace("./state-b", "./objects/state"), "2: agent.state: lies inside the store"),
        (load_dest_config, DEST.replace("files", "s3"), "6: store.kind: 's3' is none of 'files'"),
        (load_dest_config, DEST + "sources:\n  - {name: a}\n  - {name: a}\n", "9: sources[1].name: 'a' stands here twice"),
        (
            load_dest_config,
            DEST + "log: {level: warn}\n",
            "7: log.level: 'warn' is none of 'debug', 'info', 'warning' or 'error' (did you mean 'warning'?)",
        ),
        (load_dest_config, DEST + "lisen: x\n", "7: lisen: is not a key here (did you mean 'listen'?)"),
        (load_client_config, "version: 1\nsource: unix:a\ndest: h:1\n", "3: dest: an address of a network needs `tls`"),
    ],
)
def test_a_contradiction_is_named_where_it_stands(
    tmp_path: Path, loader: Callable[[Path], BaseModel], text: str, words: str
) -> None:
    """Values that are well-formed and still cannot be."""
    found = problems(loader, tmp_path, text)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("given_text", "seconds"),
    [("500ms", 0.5), (2, 2.0), (0.25, 0.25), ("1h30m", 5400.0), ("7d", 604800.0), ("1m 30s", 90.0), ("0s", 0.0)],
)
def test_spans_of_time_are_seconds(given_text: object, seconds: float) -> None:
    """Numbers are seconds, text has units."""
    assert seconds_of(given_text) == seconds


@pytest.mark.parametrize("nonsense", ["", "5", "s", "-1s", "1y", True, None, -1, float("nan"), float("inf"), [], "1e3s"])
def test_nonsense_is_no_span_of_time(nonsense: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="span of time"):
        seconds_of(nonsense)


@pytest.mark.parametrize(
    ("given_text", "n_bytes"), [("64MiB", 64 << 20), ("2GB", 2 * 10**9), (123, 123), ("1.5 KiB", 1536), ("10", 10), ("3b", 3)]
)
def test_sizes_are_bytes(given_text: object, n_bytes: int) -> None:
    """Powers of 1024 with an i, of 1000 without."""
    assert bytes_of(given_text) == n_bytes


@pytest.mark.parametrize("nonsense", ["", "MiB", "-1", "1XB", True, 1.5, None, -1, 1 << 63])
def test_nonsense_is_no_size(nonsense: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="size"):
        bytes_of(nonsense)


@pytest.mark.parametrize("address", ["127.0.0.1:7443", "[::1]:7443", "backup.example.net:1", "[::]:0"])
def test_addresses_have_a_host_and_a_port(address: str) -> None:
    """As gRPC takes them."""
    assert host_port(address) == address


@pytest.mark.parametrize("address", ["", "7443", ":7443", "host:", "host:x", "::1:7443", "host:70000"])
def test_nonsense_is_no_address(address: str) -> None:
    """A port is never guessed."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        host_port(address)


@given(st.text(max_size=200) | st.text(alphabet="-:[]{}&*!|>'\"%@`\n\t #,?ab1~<", max_size=80))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    """Whatever stands in a file, the answer is values or problems."""
    document = parse(text)
    assert document.problems or document.value is None or isinstance(document.value, dict | list | str | int | float)


def test_what_another_configuration_changes_is_named_by_key(tmp_path: Path) -> None:
    """What is in force at once, and what a restart takes over; the same file changes nothing."""
    (tmp_path / "source.yaml").write_text(SOURCE)
    before = load_source_config(tmp_path / "source.yaml")
    assert compared(before, before, live={"log"}) == Reloaded((), ())
    policy = before.policies[0].model_copy(update={"settle": 9.0, "exclude": ("*.tmp",)})
    after = before.model_copy(
        update={
            "log": before.log.model_copy(update={"level": "debug"}),
            "patience": 5.0,
            "policies": (policy, *before.policies[1:]),
            "admin": before.admin.model_copy(update={"listen": "127.0.0.1:7444"}),
        }
    )
    done = compared(before, after, live={"log"})
    assert done.changed == ("log.level",)
    assert done.needs_restart == ("admin.listen", "policies[0].exclude", "policies[0].settle", "patience")
    assert compared(before, before.model_copy(update={"policies": (policy, policy)}), live=()).needs_restart == ("policies",)
