"""Writes schemas/*.schema.json: what each command prints with `--json`. `make schemas`.

The types that the code is checked by are the only source: `admin_client.results`, and what the daemons' chores give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from admin_client.results import RESULTS
from common.command import Checked
from dest_agent.cli import Reindexed as DestReindexed
from source_agent.summary import Reindexed, Summary

FOLDER = Path(__file__).parents[1] / "schemas"
OUTPUTS: Mapping[str, Any] = {
    **{f"smarter-{verb}": result for verb, result in RESULTS.items()},
    "smarter-source-check": Checked,
    "smarter-source-once": Summary,
    "smarter-source-reindex": Reindexed,
    "smarter-dest-check": Checked,
    "smarter-dest-reindex": DestReindexed,
}
"""By program and verb, joined with `-`."""


class _Printed(GenerateJsonSchema):
    """Every field is printed, whether it has a default or not."""

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001 - pydantic's signature
        if field["type"] == "typed-dict-field":
            return super().field_is_required(field, total)
        return True


def schema_text(name: str) -> str:
    """The JSON Schema of what a command prints, as it is published."""
    schema = TypeAdapter(OUTPUTS[name]).json_schema(schema_generator=_Printed, mode="serialization")
    words = name.replace("smarter-source-", "smarter-source ").replace("smarter-dest-", "smarter-dest ")
    title = words if words != name else name.replace("-", " ", 1)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{title} --json"}
    return json.dumps(head | _untitled(schema), indent=2) + "\n"


def _untitled(part: Any, *, names_keys: bool = False) -> Any:
    """Without the titles and defaults that pydantic makes of names and classes; keys that are called so stay."""
    match part:
        case dict():
            kept = {key: value for key, value in part.items() if names_keys or key not in {"title", "default"}}
            return {
                key: _untitled(value, names_keys=not names_keys and key in {"properties", "$defs"}) for key, value in kept.items()
            }
        case list():
            return [_untitled(value) for value in part]
        case _:
            return part


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in OUTPUTS:
        (FOLDER / f"{each}.schema.json").write_text(schema_text(each))
        print(FOLDER / f"{each}.schema.json")
