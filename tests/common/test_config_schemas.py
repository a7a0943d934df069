"""The published schemas of the configuration files say what the programs say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from common.config import bytes_of, seconds_of
from common.yamltext import parse
from tools.config_schemas import FOLDER, MODELS, schema_text

CONFIGS = FOLDER.parent


def validator(name: str) -> Draft202012Validator:
    """What checks a file's values by its published schema."""
    return Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text()))


@pytest.mark.parametrize("name", MODELS)
def test_a_published_schema_is_the_models(name: str) -> None:
    """Somebody who adds a key runs `make schemas`."""
    assert (FOLDER / f"{name}.schema.json").read_text() == schema_text(name)
    Draft202012Validator.check_schema(json.loads(schema_text(name)))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONFIGS)))
def test_every_shipped_configuration_names_its_schema_and_is_valid_by_it(path: Path) -> None:
    """An editor completes and checks the file as soon as it is opened."""
    text = path.read_text()
    first, _, target = text.splitlines()[0].partition("$schema=")
    assert first == "# yaml-language-server: "
    assert (path.parent / target).resolve() == FOLDER / f"{path.stem}.schema.json"
    assert [error.message for error in validator(path.stem).iter_errors(parse(text).value)] == []


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ({"polices": []}, []),
        ({"log": {"level": "loud"}}, ["log", "level"]),
        ({"patience": "3 parsecs"}, ["patience"]),
        ({"limits": {"spool_bytes": "1.5 XB"}}, ["limits", "spool_bytes"]),
        ({"policies": []}, ["policies"]),
        ({"policies": [{"name": "photos", "roots": [{"name": "a"}]}]}, ["policies", 0, "roots", 0]),
    ],
)
def test_a_mistake_is_one_by_the_schema_too(over: dict[str, Any], where: list[str | int]) -> None:
    """Unknown keys, values that are none of a few, units, empty lists, missing keys."""
    least: Any = parse((CONFIGS / "minimal/source.yaml").read_text()).value
    (error,) = validator("source").iter_errors({**least, **over})
    assert list(error.absolute_path) == where


@pytest.mark.parametrize("value", ["500ms", 2, 0.25, "1h30m", "1m 30s", "7d", "", "5", "-1s", "1y", -1, "1e3s", True, None, []])
def test_the_schema_takes_the_spans_of_time_that_the_program_takes(value: object) -> None:
    """Else an editor would underline what is right."""
    least: Any = parse((CONFIGS / "minimal/source.yaml").read_text()).value
    assert validator("source").is_valid({**least, "patience": value}) is admits(seconds_of, value)


@pytest.mark.parametrize("value", ["64MiB", "2GB", 123, "1.5 KiB", "10", "3b", "", "MiB", "-1", "1XB", 1.5, -1, True, None])
def test_the_schema_takes_the_sizes_that_the_program_takes(value: object) -> None:
    """Likewise."""
    least: Any = parse((CONFIGS / "minimal/source.yaml").read_text()).value
    assert validator("source").is_valid({**least, "limits": {"worker_memory": value}}) is admits(bytes_of, value)


def admits(read: Callable[[object], float], value: object) -> bool:
    """Whether the program takes a value."""
    try:
        read(value)
    except ValueError:
        return False
    return True
