"""Whether what a command printed is what its published schema says, and nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "schemas"


def published(name: str) -> Any:
    """The schema of a command, `smarter-status` for example, as it is published."""
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


def check_output(name: str, found: Any) -> Any:
    """Gives a command's output back. Errors: AssertionError where it breaks its schema, or has a field that is not in there."""
    schema = _closed(published(name))
    Draft202012Validator.check_schema(schema)
    problems = [f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(schema).iter_errors(found)]
    assert not problems, f"{name}: {problems}"
    return found


def _closed(part: Any, *, names_keys: bool = False) -> Any:
    """A published schema lets later versions add fields; a test must hear of one that is added and not published."""
    match part:
        case dict():
            inner = {
                key: _closed(value, names_keys=not names_keys and key in {"properties", "$defs"}) for key, value in part.items()
            }
            if not names_keys and "properties" in part:
                inner["additionalProperties"] = False
            return inner
        case list():
            return [_closed(value) for value in part]
        case _:
            return part
