"""The image and the two sites of compose.yaml, as far as they can be looked at without a Docker daemon."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from common.yamltext import parse
from tests.test_documents import PROGRAMS

HOUSE = Path(__file__).parents[2]
DOCKER = HOUSE / "deploy/docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
SCHEMA = Path(__file__).with_name("compose-spec.json")
"""Of the Compose Specification, Apache-2.0."""


def compose() -> Any:
    """The values of compose.yaml, anchors and merges resolved."""
    return YAML(typ="safe", pure=True).load(DOCKER / "compose.yaml")


def instructions(name: str) -> list[list[str]]:
    """The words of every instruction of the Dockerfile with a name."""
    whole = re.sub(r"\\\n", " ", DOCKERFILE)
    return [shlex.split(rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines()) if word == name]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of the services, and the one that asks the image for its health."""
    for name, service in compose()["services"].items():
        yield name, [*service.get("entrypoint", []), *service["command"]]
        if "test" in service.get("healthcheck", {}):
            yield f"{name}, healthcheck", service["healthcheck"]["test"][1:]
    (health,) = instructions("HEALTHCHECK")
    yield (
        "image, healthcheck",
        json.loads(DOCKERFILE.partition("HEALTHCHECK")[2].partition("CMD")[2].splitlines()[0]) if health else [],
    )


def test_the_compose_file_is_valid_by_the_specifications_schema() -> None:
    """As `docker compose config` would say."""
    assert [error.message for error in Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(compose())] == []


@pytest.mark.parametrize(("name", "line"), list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_of_the_containers_exists(name: str, line: list[str]) -> None:
    """Each program, verb and option is known."""
    del name
    program, *words = line
    command = PROGRAMS[program]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(click.Context(command), words.pop(0))
        assert below is not None
        command = below
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", ["source", "dest"])
def test_an_agent_finds_what_its_configuration_names_in_its_container(name: str) -> None:
    """The file itself, certificates, the state on a volume, the socket where the operator has it too, the folder of pictures."""
    services = compose()["services"]
    mounts = {volume.split(":")[-2 if volume.endswith(":ro") else -1]: volume for volume in services[name]["volumes"]}
    config: Any = parse((HOUSE / f"configs/docker/{name}.yaml").read_text()).value
    assert mounts[f"/etc/smarter/{name}.yaml"].startswith(f"../../configs/docker/{name}.yaml:")
    assert {str(Path(path).parent) for path in config["tls"].values()} == {"/pki"} <= set(mounts)
    assert str(Path(config["agent"]["state"]).parent) in mounts
    socket = str(Path(config["admin"]["socket"]).parent)
    assert mounts[socket] in services["operator"]["volumes"]
    client: Any = parse((HOUSE / "configs/docker/client.yaml").read_text()).value
    assert client[name] == f"unix:{config['admin']['socket']}"
    if name == "source":
        assert config["policies"][0]["roots"] == ["/srv/photos"]
        assert mounts["/srv/photos"].endswith(":ro")
        dest: Any = parse((HOUSE / "configs/docker/dest.yaml").read_text()).value
        assert config["destination"]["address"].split(":") == ["dest", dest["listen"].rpartition(":")[2]]
        assert config["destination"]["server_name"] == dest["agent"]["name"]


@pytest.mark.parametrize("name", ["pki", "dest", "source", "operator"])
def test_no_container_is_more_than_it_must_be(name: str) -> None:
    """Not root, no capability, nothing written outside its volumes."""
    service = compose()["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service
    assert instructions("USER")[-1] == ["10000:10000"]


def test_the_image_is_built_from_what_the_package_is_made_of() -> None:
    """In a stage of its own: no compiler in the result. Every folder that is mounted empty belongs to the image's user."""
    assert len(instructions("FROM")) == 2
    copied = {word for words in instructions("COPY") if not words[0].startswith("--") for word in words[:-1]}
    assert all((HOUSE / word).exists() for word in copied)
    packages = {path.parent.name for path in HOUSE.glob("*/__init__.py")} - {"tests", "tools"}
    assert packages | {"pyproject.toml", "setup.py"} <= copied
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    volumes = {
        volume.split(":")[1]
        for service in compose()["services"].values()
        for volume in service["volumes"]
        if not volume.startswith((".", "$"))
    }
    assert volumes <= set(DOCKERFILE.split())
