"""Writes configs/schemas/*.schema.json: what editors know of source.yaml, dest.yaml and client.yaml. `make schemas`.

The models that read the files are the only source. A schema says what can be said without reading the other keys; what
contradicts itself is found by `check`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from admin_client.config import ClientConfig
from dest_agent.config import DestConfig
from source_agent.config import SourceConfig

FOLDER = Path(__file__).parents[1] / "configs/schemas"
MODELS: Mapping[str, type[BaseModel]] = {"source": SourceConfig, "dest": DestConfig, "client": ClientConfig}
_NOT_SAID = {"title", "gt", "ge", "lt", "le"}
"""Of a schema: names that repeat the keys, and limits that its keywords have said or cannot say of text with units."""


def schema_text(name: str) -> str:
    """The JSON Schema of a configuration file, as it is published."""
    schema = _plain(MODELS[name].model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name}.yaml of Smarter"}
    return json.dumps(head | schema, indent=2) + "\n"


def _plain(part: Any, *, names_keys: bool = False) -> Any:
    """Without what is not said; the names of a file's own keys stay, whatever they are."""
    match part:
        case dict():
            kept = {key: value for key, value in part.items() if names_keys or key not in _NOT_SAID}
            return {
                key: _plain(value, names_keys=not names_keys and key in {"properties", "$defs"}) for key, value in kept.items()
            }
        case list():
            return [_plain(value) for value in part]
        case _:
            return part


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in MODELS:
        (FOLDER / f"{each}.schema.json").write_text(schema_text(each))
        print(FOLDER / f"{each}.schema.json")
